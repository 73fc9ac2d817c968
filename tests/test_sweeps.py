"""Sweeps that are spread, killed, resumed and shared give the results of one that was left in peace, byte for byte."""

import json
import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from dask.distributed import Client, LocalCluster
from hand import FOLDER, hand

import igdt_planner as ip
from igdt_planner.jobs import baseline_job, plan_of, question_job, rival_job, run_job
from igdt_planner.sweeps import promise, rivals_of

BETAS = [0.1, 0.2, 0.3]
STATED = {"fix.dg": [{"bus": 3, "technology": "dg_5mw"}], "fix.open_lines": {"connected": [2]}}
MODEL = hand("connected", STATED)
SETTINGS = [word for key, value in STATED.items() for word in ("--set", f"{key}={json.dumps(value)}")]
COMMAND = ["sweep", "feeder4", str(FOLDER / "hand_connected.toml"), *SETTINGS, "--betas", "0.1:0.3:0.1"]
Events = list[dict[str, Any]]


def results(folder: Path) -> dict[str, str]:
    """The canonical text of every result in a store, by key."""
    documents = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in files(folder)}
    return {key: json.dumps(document["result"]) for key, document in documents.items()}


def files(folder: Path) -> list[Path]:
    """Files of results that are whole."""
    return sorted(path for path in folder.glob("*.json") if path.name != "store.json")


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """What changes when a file is written anew."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files(folder)}


def without_times(document: Any) -> Any:
    """A document without the seconds anywhere in it."""
    if isinstance(document, dict):
        return {key: without_times(value) for key, value in document.items() if key != "seconds"}
    return [without_times(value) for value in document] if isinstance(document, list) else document


def sweep(folder: Path, events: Events | None = None, **options: Any) -> ip.Curve:
    """The sweep of all tests, resumed from a store."""
    on_event = events.append if events is not None else None
    return ip.sweep("feeder4", MODEL, BETAS, store=folder, resume=True, on_event=on_event, **options)


@pytest.fixture(scope="module")
def peace(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ip.Curve]:
    """A sweep left in peace, its store and its curve."""
    folder = tmp_path_factory.mktemp("peace") / "store"
    return folder, sweep(folder)


def test_one_file_a_key_and_nothing_else(peace: tuple[Path, ip.Curve]) -> None:
    folder, curve = peace
    assert curve.table["beta"].tolist() == BETAS
    assert set(curve.table["status"]) == {"optimal"}
    assert len(files(folder)) == 1 + len(BETAS)
    assert len(list(folder.iterdir())) == 2 + len(BETAS)


def test_complete_sweep_is_read_and_not_solved(peace: tuple[Path, ip.Curve]) -> None:
    folder, curve = peace
    before = stamps(folder)
    events: Events = []
    assert sweep(folder, events).to_dict() == curve.to_dict()
    assert {event["kind"] for event in events} == {"finished"}
    assert stamps(folder) == before


def test_store_changes_nothing(peace: tuple[Path, ip.Curve]) -> None:
    curve = ip.sweep("feeder4", MODEL, BETAS[-1:])
    assert without_times(curve.to_dict()["runs"][0]) == without_times(peace[1].to_dict()["runs"][-1])


def copied(folder: Path, to: Path, betas: Collection[float | None] = (None,)) -> Path:
    """A store that holds some of the results of another; None is the baseline."""
    chosen = [path for path in files(folder) if json.loads(path.read_text(encoding="utf-8"))["beta"] in betas]
    for path in (folder / "store.json", *chosen):
        (to / path.name).write_bytes(path.read_bytes())
    return to


def test_more_betas_are_solved_besides(peace: tuple[Path, ip.Curve], tmp_path: Path) -> None:
    folder = copied(peace[0], tmp_path, (None, 0.2))
    events: Events = []
    curve = ip.sweep("feeder4", MODEL, [0.25, 0.2], store=folder, resume=True, on_event=events.append)
    assert curve.table["beta"].tolist() == [0.2, 0.25]
    assert {event["beta"] for event in events if event["kind"] == "started"} == {0.25}


def test_files_cut_off_are_solved_anew(peace: tuple[Path, ip.Curve], tmp_path: Path) -> None:
    folder = copied(peace[0], tmp_path, (None, *BETAS))
    spoilt = [path for path in files(folder) if b'"verb": "robust"' in path.read_bytes()][:2]
    for path, size in zip(spoilt, (0, 4000), strict=True):
        path.write_bytes(path.read_bytes()[:size])
    events: Events = []
    sweep(folder, events)
    assert sum(event["kind"] == "started" for event in events) == 2
    assert results(folder) == results(peace[0])


@pytest.mark.slow
def test_failure_is_a_result_and_is_tried_again(peace: tuple[Path, ip.Curve], tmp_path: Path) -> None:
    folder, closed = copied(peace[0], tmp_path), ThreadPoolExecutor(1)
    closed.shutdown()
    curve = sweep(folder, executor=closed)
    assert curve.table["status"].tolist() == ["failed"] * len(BETAS)
    assert "failed: RuntimeError: cannot schedule new futures" in curve.plans[0].explanation
    assert ip.plan_from_dict(ip.plan_to_dict(curve.plans[0])).status == "failed"
    assert sum(text.startswith('{"failed": "RuntimeError') for text in results(folder).values()) == len(BETAS)
    assert without_times(sweep(folder).to_dict()) == without_times(peace[1].to_dict())
    assert results(folder) == results(peace[0])


def descendants(process: psutil.Process) -> list[psutil.Process]:
    """Workers and solvers of a sweep; multiprocessing's own tracker of resources ends with the last of them."""
    return process.children(recursive=True)


def until(reached: Callable[[], bool], seconds: float = 240.0) -> None:
    """Wait until something holds; a test that waits in vain fails."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.mark.slow
def test_killed_pool_is_resumed_without_solving_anything_twice(peace: tuple[Path, ip.Curve], tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from igdt_planner.cli import main; main()", *COMMAND, "--workers", "2"]
    with subprocess.Popen([*command, "--store", str(tmp_path)], stderr=subprocess.DEVNULL) as process:
        until(lambda: len(files(tmp_path)) >= 2)
        family = descendants(psutil.Process(process.pid))
        process.kill()
    assert len(family) >= 2
    assert psutil.wait_procs(family, timeout=10.0)[1] == []  # no orphans
    done = stamps(tmp_path)
    assert 2 <= len(done) <= len(BETAS)
    events: Events = []
    curve = sweep(tmp_path, events)
    assert sum(event["kind"] == "started" for event in events) == 1 + len(BETAS) - len(done)
    assert done.items() <= stamps(tmp_path).items()
    assert results(tmp_path) == results(peace[0])
    assert without_times(curve.to_dict()) == without_times(peace[1].to_dict())


@pytest.mark.slow
def test_dask_with_a_worker_killed_gives_all_results(peace: tuple[Path, ip.Curve], tmp_path: Path) -> None:
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        pids = [worker["id"] for worker in client.scheduler_info()["workers"].values()]
        assert len(pids) == 2
        victims = [psutil.Process(pid) for pid in client.run(pid_of_worker).values()]
        solvers: list[psutil.Process] = []

        def kill_one(event: dict[str, Any]) -> None:
            if event["kind"] == "finished" and event["beta"] is not None and victims:
                victim = victims.pop()
                solvers.extend(descendants(victim))
                victims.clear()
                victim.kill()

        curve = ip.sweep("feeder4", MODEL, BETAS, executor=client.get_executor(), store=tmp_path, on_event=kill_one)
    assert not victims
    assert psutil.wait_procs(solvers, timeout=10.0)[1] == []
    assert results(tmp_path) == results(peace[0])
    assert without_times(curve.to_dict()) == without_times(peace[1].to_dict())


def pid_of_worker() -> int:
    import os

    return os.getpid()


@pytest.mark.slow
def test_two_coordinators_on_one_store(peace: tuple[Path, ip.Curve], tmp_path: Path) -> None:
    folder = copied(peace[0], tmp_path)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: sweep(folder), range(2)))
    assert [without_times(curve.to_dict()) for curve in both] == [without_times(peace[1].to_dict())] * 2
    assert results(folder) == results(peace[0])


@pytest.mark.slow
@pytest.mark.parametrize("spread", [False, True], ids=["here", "by an executor"])
def test_interrupt_ends_with_what_is_there(peace: tuple[Path, ip.Curve], tmp_path: Path, spread: bool) -> None:
    """Interrupted when one beta is done and another begun or waited for: what is done stays, in curve and store."""
    folder, done = copied(peace[0], tmp_path, (None, BETAS[0])), [0]

    def interrupt(event: dict[str, Any]) -> None:
        done[0] += event["kind"] == "finished" and event["beta"] is not None
        if done[0] == 1 and (spread or event["kind"] == "started"):
            signal.raise_signal(signal.SIGINT)

    with ThreadPoolExecutor(1) as pool:
        curve = ip.sweep(
            "feeder4", MODEL, BETAS, executor=pool if spread else None, store=folder, resume=True, on_event=interrupt
        )
    assert len(curve.plans) < len(BETAS)
    assert results(folder).items() <= results(peace[0]).items()


@pytest.mark.slow
def test_plan_of_a_smaller_beta_takes_the_place_of_a_worse_one() -> None:
    """At beta 1 a search that found no better sites and lines than the baseline's is outdone by those of beta 0.9."""
    model, case = hand("connected"), ip.load_case("feeder4")
    first = baseline_job(case, model, None, None)
    base = run_job(first)
    found = run_job(question_job(first, base, 0.9))
    poor = run_job(question_job(baseline_job(case, MODEL, None, None), base, 1.0))
    poor["plan"] |= {"bound": 0.6, "alpha_bound": 0.6}
    assert rivals_of(poor, [found, None, {"failed": "why"}]) == [found]
    assert rivals_of(found, [found]) == []
    best = plan_of(run_job(rival_job(question_job(first, base, 1.0), poor, [found])))
    smaller, own = plan_of(found), plan_of(poor)
    assert best.robustness["alpha"] > smaller.robustness["alpha"] > own.robustness["alpha"]
    assert best.robustness["alpha"] <= promise(found["plan"], best.robustness["budget"]) * (1 + 1e-6)
    assert best.robustness["alpha_bound"] == best.bound == 0.6
    assert best.open_lines == smaller.open_lines and best.dg.equals(smaller.dg)
    assert best.ac is not None and best.ac.verdict == "feasible"
    assert best.model == model


def test_promise_is_the_chord_through_the_forecast() -> None:
    plan = {"alpha": 0.1, "objective_forecast": 10.0, "budget": 11.0}
    assert promise(plan, 12.0) == pytest.approx(0.2)
    assert promise(plan | {"objective_forecast": None}, 12.0) == promise(plan | {"budget": 10.0}, 12.0) == math.inf
