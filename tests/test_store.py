"""A store keeps results whole or not at all, and says in words why a folder cannot be one."""

import errno
import json
import os
import pickle
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import igdt_planner as ip
from igdt_planner.errors import Finding
from igdt_planner.store import VERSIONS, Store, canonical, key_of, state_of

RESULT: dict[str, Any] = {"plan": {"status": "optimal", "alpha": 0.1, "bound": None}, "start": ["x"], "seconds": 1.5}
KEY = key_of({"beta": 0.1})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "new" / "store")


def kept(store: Store, result: dict[str, Any] = RESULT) -> Path:
    """The file of a result just put into a store."""
    store.put(KEY, result, verb="robust", model_name="m", beta=0.1)
    return store.folder / f"{KEY}.json"


def test_what_is_put_is_got(store: Store) -> None:
    assert store.get(KEY) is None
    document = json.loads(kept(store).read_text(encoding="utf-8"))
    assert store.get(KEY) == RESULT
    assert document["result"] == canonical(RESULT)
    assert (document["key"], document["beta"], document["state"]) == (KEY, 0.1, "proven")
    assert Store(store.folder).get(KEY) == RESULT


def test_runs_differ_in_the_line_of_seconds_alone(store: Store) -> None:
    first = kept(store).read_text(encoding="utf-8").splitlines()
    second = kept(store, RESULT | {"seconds": 2.5}).read_text(encoding="utf-8").splitlines()
    assert [one for one, other in zip(first, second, strict=True) if one != other] == [' "seconds": 1.5']


@pytest.mark.parametrize(
    ("result", "state"),
    [
        (RESULT, "proven"),
        ({"plan": {"status": "infeasible"}, "start": [], "seconds": 0.1}, "proven"),
        ({"plan": {"status": "feasible"}, "start": [], "seconds": 0.1}, "unproven"),
        ({"plan": {"status": "no_plan"}, "start": [], "seconds": 0.1}, "unproven"),
        ({"failed": "SolverError: it died", "seconds": 0.1}, "failed"),
    ],
)
def test_proven_cut_short_and_failed_are_told_apart(store: Store, result: dict[str, Any], state: str) -> None:
    assert state_of(result) == state
    assert json.loads(kept(store, result).read_text(encoding="utf-8"))["state"] == state
    assert store.get(KEY) == result


def test_key_is_of_all_that_matters_and_of_no_order(monkeypatch: pytest.MonkeyPatch) -> None:
    request = {"verb": "robust", "beta": 0.1, "options": {"gap": None}}
    others = [request | change for change in ({"beta": 0.2}, {"verb": "solve"}, {"options": {"gap": 0.1}})]
    keys = [key_of(request), *map(key_of, others)]
    assert key_of(dict(reversed(request.items()))) == keys[0]
    for name in ("igdt-planner", "highspy", "pyomo"):
        with monkeypatch.context() as patch:
            patch.setitem(VERSIONS, name, "0")
            keys.append(key_of(request))
    assert len(set(keys)) == len(keys) == 7


@given(place=st.floats(0.0, 1.0, exclude_max=True))
def test_cut_or_changed_file_is_no_result(tmp_path_factory: pytest.TempPathFactory, place: float) -> None:
    store = Store(tmp_path_factory.getbasetemp() / "cut")
    path = kept(store)
    whole = path.read_bytes()
    at = int(place * (len(whole) - 2))
    path.write_bytes(whole[:at])
    assert store.get(KEY) is None
    in_result = whole.index(b'"result": {') + int(place * (whole.index(b'"seconds"') - whole.index(b'"result": {')))
    path.write_bytes(whole[:in_result] + bytes([whole[in_result] ^ 1]) + whole[in_result + 1 :])
    assert store.get(KEY) is None
    kept(store)
    assert store.get(KEY) == RESULT


def test_other_files_in_a_store_are_left_alone(store: Store) -> None:
    for name in ("notes.txt", f"{'0' * 64}.json", ".hidden.tmp"):
        (store.folder / name).write_text("mine", encoding="utf-8")
    kept(store)
    again = Store(store.folder)
    assert again.get(KEY) == RESULT
    assert again.get("0" * 64) is None
    assert (again.folder / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_result_of_another_key_is_none(store: Store) -> None:
    kept(store).rename(store.folder / f"{'1' * 64}.json")
    assert store.get("1" * 64) is None


NO_STORES = {
    "a file": "Not a directory|File exists",
    "other things": "is not empty and no store: it holds thesis.txt and no store.json",
    "another schema": "was made under schema igdt-planner/0; this version reads igdt-planner/1",
    "a mark that is no JSON": "store.json: not JSON",
}


@pytest.mark.parametrize("name", NO_STORES)
def test_what_is_no_store_is_refused_in_words(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "store"
    if name == "a file":
        folder.write_text("", encoding="utf-8")
    else:
        folder.mkdir()
        content = {
            "other things": ("thesis.txt", ""),
            "another schema": ("store.json", '{"schema": "igdt-planner/0", "kind": "store"}'),
            "a mark that is no JSON": ("store.json", "{"),
        }
        (folder / content[name][0]).write_text(content[name][1], encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ip.InputError, match=NO_STORES[name]) as caught:
        Store(folder)
    assert len(str(caught.value).splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_folder_that_cannot_be_made_is_refused_in_words() -> None:
    with pytest.raises(ip.InputError, match=r"store /proc/none/here: cannot be used"):
        Store("/proc/none/here")


@pytest.fixture
def no_space() -> Iterator[None]:
    """Files of this process end at 100 bytes, so that writing fails half-way as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_full_disk_leaves_nothing_half_written(store: Store, no_space: None) -> None:
    with pytest.raises(ip.InputError, match=f"cannot be written: {os.strerror(errno.EFBIG)}") as caught:
        kept(store)
    assert len(str(caught.value).splitlines()) == 1
    assert [path.name for path in store.folder.iterdir()] == ["store.json"]


def test_bad_input_arrives_whole_from_another_process() -> None:
    findings = (Finding("a", "/b", 1.0, hint="c"), Finding("d"))
    assert pickle.loads(pickle.dumps(ip.InputError(findings))).findings == findings
