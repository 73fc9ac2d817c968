"""What alpha held of the past: shares counted by hand, days of every shape, histories that are refused in words."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hand import hand, inline, uncertain
from hypothesis import given, settings
from hypothesis import strategies as st
from test_ac_check import dispatch_of, plan_of
from test_shapes import SHAPES
from typer.testing import CliRunner

import igdt_planner as ip
from igdt_planner.cli import app
from igdt_planner.infogap.shapes import Shape
from igdt_planner.model import Model, Uncertain
from igdt_planner.plan import Plan, Realisation
from igdt_planner.report.calibration import held
from igdt_planner.report.evidence_text import calibration_summary
from igdt_planner.witness.calibration import needed_alpha, worse_sides

HISTORY = """time,quantity,component,forecast,outcome
2026-11-01T06:00,load,2,4.0,4.1
2026-11-01T06:00,dg_availability,,0.5,0.48
2026-11-01T18:00,load,2,4.0,3.8
2026-11-02T06:00,load,2,2.0,2.2
2026-11-02T06:00,dg_availability,,0.5,0.55
2026-11-03T06:00,load,2,2.0,2.02
2026-11-04,dg_availability,,0.8,0.6
"""
MODEL = hand("islanded", uncertain("dg_availability", "load"))


@pytest.fixture
def history(tmp_path: Path) -> Path:
    path = tmp_path / "history.csv"
    path.write_text(HISTORY)
    return path


def refused(tmp_path: Path, text: str, model: Model = MODEL) -> list[str]:
    path = tmp_path / "h.csv"
    path.write_text(text)
    with pytest.raises(ip.InputError) as error:
        ip.calibrate(path, model, 0.1)
    return [str(finding) for finding in error.value.findings]


def test_shares_counted_by_hand(history: Path) -> None:
    """Errors: load 2.5, -5, 10 and 1 %, availability -4, 10 and -25 %."""
    table = ip.calibrate(history, MODEL, alpha=0.05).table.set_index("quantity")
    assert table.loc["load", ["errors", "share_inside", "days", "share_days_inside"]].tolist() == [4, 0.75, 3, 2 / 3]
    assert table.loc["dg_availability", ["share_inside", "share_days_inside"]].tolist() == [1 / 3, 1 / 3]
    assert table.loc["all", ["errors", "share_inside", "times", "share_times_inside"]].tolist() == [7, 4 / 7, 5, 0.6]
    assert table.loc["all", ["days", "share_days_inside", "share_days_held"]].tolist() == [4, 0.5, 0.5]


def test_alpha_that_would_have_held_on_a_share_of_days(history: Path) -> None:
    alphas = ip.calibrate(history, MODEL).alphas.set_index("share_of_days")["alpha"]
    assert alphas.tolist() == pytest.approx([0.05, 0.1, 0.25, 0.25, 0.25, 0.25, 0.25])


def test_alpha_of_a_share_holds_on_that_share(history: Path) -> None:
    for share, alpha, _ in ip.calibrate(history, MODEL).alphas.itertuples(index=False):
        held = ip.calibrate(history, MODEL, float(alpha)).share_of_days_held
        assert held is not None and held >= share


def test_weight_scales_the_set(history: Path) -> None:
    doubled = hand("islanded", uncertain("dg_availability", "load", weight=2.0))
    plain, wide = (ip.calibrate(history, model).alphas for model in (MODEL, doubled))
    assert (2.0 * wide["alpha"]).tolist() == pytest.approx(plain["alpha"].tolist())
    still = Shape(Uncertain(quantity="load", weight=0.0), np.ones(2))
    assert needed_alpha(still, np.array([0.0, 0.1])).tolist() == [0.0, np.inf]


def robust_plan(load: float, dg_availability: float) -> Plan:
    """A plan as far as calibration reads it."""
    dispatch = dispatch_of(Realisation(load=load, dg_availability=dg_availability))
    plan = plan_of(ip.load_case("feeder4"), MODEL, {}, dispatch, dg=[(2, "dg_7mw", 7.0, 0.0, 3.5)])
    return replace(plan, kind="robust", robustness={"alpha": 0.05})


def test_errors_to_the_better_side_do_a_robust_plan_no_harm(history: Path) -> None:
    """Load down by 5 % and availability up by 10 % are harmless: days 1 and 3 of 4 held, 2 not for its load."""
    plan = robust_plan(1.05, 0.95)
    sides = worse_sides(plan)
    assert (sides["load"], sides["dg_availability"], worse_sides(None)) == (1.0, -1.0, {})
    found = ip.calibrate(history, plan)
    assert found.alpha == 0.05 and found.share_of_days_held == 0.5
    assert found.days["needed_alpha_worse"].tolist() == pytest.approx([0.04, 0.1, 0.01, 0.25])


def test_sides_of_different_reach() -> None:
    entry = Uncertain(quantity="load", shape="interval", down=0.5, up=2.0)
    errors, hours = np.array([-0.1, 0.1]), np.ones(2)
    assert needed_alpha(Shape(entry, hours), errors).tolist() == pytest.approx([0.2, 0.05])
    up = Uncertain(quantity="load", direction="up")
    assert needed_alpha(Shape(up, hours), errors).tolist() == pytest.approx([np.inf, 0.1])


# ------------------------------------------------------------------ days of every shape

HOURS = (1.0, 2.0, 0.5)
DAY = (0.1, -0.2, 0.05)
"""Errors at the three times of a past day."""
NEEDED: dict[str, tuple[float, float]] = {
    "fractional": (0.2 / 0.4, 0.1 / 0.4),
    "envelope": (0.2 / (0.4 * 0.5), 0.1 / 0.4),
    "interval": (0.2 / (0.4 * 0.5), 0.1 / (0.4 * 2.0)),
    "slope": (0.25 / (0.4 * 0.5), 0.1 / 0.4),
    "energy": ((0.01 + 2 * 0.04 + 0.5 * 0.0025) ** 0.5 / 0.4, (0.01 + 0.5 * 0.0025) ** 0.5 / 0.4),
    "norm 1": (0.35 / 0.4, 0.15 / 0.4),
    "norm 2": ((0.01 + 0.04 + 0.0025) ** 0.5 / 0.4, (0.01 + 0.0025) ** 0.5 / 0.4),
    "norm infinity": (0.2 / 0.4, 0.1 / 0.4),
    "budgeted": (np.inf, 0.1 / 0.4),
}
"""Smallest alpha that holds the day, weight 0.4, and the one that holds ``0.1, 0, 0.05``: its errors upwards alone."""
OWN = ("fractional", "envelope", "interval", "norm infinity")
"""Shapes under which an error has an alpha of its own."""


def shaped(name: str, **fields: Any) -> Plan:
    """A robust plan of three periods, as far as calibration reads it, whose load deviates by a shape."""
    case = inline()
    case["profile"] = [
        case["profile"][0] | {"period": n + 1, "start_h": sum(HOURS[:n]), "duration_h": hours}
        for n, hours in enumerate(HOURS)
    ]
    entry = SHAPES[name] | ({"psi": (1.0, 0.5, 0.5)} if name == "envelope" else {}) | {"weight": 0.4} | fields
    model = hand("islanded", uncertain("load", **entry))
    return replace(robust_plan(1.05, 1.0), case=ip.load_case(case), model=model)


def told(path: Path, *days: tuple[float, ...], component: str = "") -> Path:
    """A history of one load, with these errors."""
    rows = ["time,quantity,component,forecast,outcome"]
    for n, errors in enumerate(days, start=1):
        rows += [f"2026-11-{n:02}T{6 * t:02}:00,load,{component},1,{1.0 + error!r}" for t, error in enumerate(errors)]
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize("name", NEEDED)
def test_day_of_every_shape_by_hand(name: str, tmp_path: Path) -> None:
    found = ip.calibrate(told(tmp_path / "h.csv", DAY, (0.0, 0.0, 0.0)), shaped(name))
    both, worse = NEEDED[name]
    assert found.days["needed_alpha"].tolist() == pytest.approx([both, 0.0])
    assert found.days["needed_alpha_worse"].tolist() == pytest.approx([worse, 0.0])
    assert found.errors["needed_alpha"].isna().all() == (name not in OWN)
    table = found.table.set_index("quantity")
    assert table.loc["all", ["errors", "times", "days", "share_days_inside"]].tolist() == [6, 6, 2, 0.5]
    assert np.isnan(table.loc["all", "share_inside"]) == (name not in OWN)
    assert json.loads((found.save(tmp_path / "c.json")).read_text())["alphas"][-1]["alpha"] == (
        pytest.approx(both) if np.isfinite(both) else None
    )
    told_so = "load: 1 of 2 days lie inside no alpha" in calibration_summary(found)
    assert (calibration_summary(found).split()[-2] == "none") == told_so == (name == "budgeted")


def test_the_picture_of_a_calibration_stops_where_no_alpha_holds(tmp_path: Path) -> None:
    """Of three days one deviates in more periods than the shape lets deviate."""
    found = ip.calibrate(told(tmp_path / "h.csv", DAY, (0.1, 0.0, 0.0), (0.0, 0.0, 0.0)), shaped("budgeted"))
    assert found.table["days_beyond_all"].tolist() == [1, 1]
    for needed in (found.days["needed_alpha"], found.days["needed_alpha_worse"]):
        shares, alphas = held(needed.to_numpy(float), 0.5)
        assert len(alphas) == len(shares) + 1 and alphas[-1] == 0.5
        assert shares[-1] == pytest.approx(np.isfinite(needed).mean())
    words = [text.get_text() for text in found.plot().texts]
    assert any(text.startswith("3 days of load") for text in words)


@pytest.mark.parametrize("name", NEEDED)
@given(seed=st.integers(0, 2**32 - 1), alpha=st.floats(0.05, 0.5))
@settings(max_examples=5, deadline=None)
def test_needed_alpha_of_days_drawn_from_the_set(
    tmp_path_factory: pytest.TempPathFactory, name: str, seed: int, alpha: float
) -> None:
    """A day inside the set needs at most its alpha; one at the farthest point, exactly that."""
    plan, rng = shaped(name), np.random.default_rng(seed)
    own = Shape(plan.model.uncertain[0], np.array(HOURS))
    inside = alpha * own.sample(rng, 3)
    pairs = own.farthest(1.0)
    assert pairs is not None
    on_edge = alpha * pairs[rng.integers(len(pairs))][0]
    path = told(tmp_path_factory.mktemp("h") / "h.csv", *map(tuple, [*inside.tolist(), on_edge.tolist()]))
    needed = ip.calibrate(path, plan).days["needed_alpha"].to_numpy()
    assert (needed[:3] <= alpha * (1.0 + 1e-9)).all()
    assert needed[3] == pytest.approx(alpha, rel=1e-6)


def test_times_of_a_day_are_periods_in_order(tmp_path: Path) -> None:
    """Only the second hour may go half as far, only the slope into the third is twice as steep."""
    days = (0.1, 0.0, 0.0), (0.0, 0.1, 0.1), (0.0, 0.0, 0.1)
    for name, needed in {"envelope": (0.25, 0.5, 0.5), "slope": (0.25, 0.125, 0.5)}.items():
        found = ip.calibrate(told(tmp_path / "h.csv", *days), shaped(name))
        assert found.days["needed_alpha"].tolist() == pytest.approx(needed), name


def test_quantities_of_single_errors_and_of_whole_days_together(tmp_path: Path) -> None:
    """A day needs the larger of both; single errors are counted of the one quantity alone."""
    path = told(tmp_path / "h.csv", DAY)
    path.write_text(path.read_text() + "2026-11-01T13:00,dg_availability,,1,0.7\n")
    entries = uncertain("load", shape="minkowski", norm=1)["uncertain"] + uncertain("dg_availability")["uncertain"]
    plan = shaped("norm 1")
    found = ip.calibrate(path, replace(plan, model=hand("islanded", {"uncertain": entries})), 0.32)
    table = found.table.set_index("quantity")
    assert found.days["needed_alpha"].tolist() == pytest.approx([0.35])
    assert table["share_days_inside"].tolist() == [0.0, 1.0, 0.0]
    assert table.loc["dg_availability", "share_inside"] == 1.0
    assert table.loc[["load", "all"], ["share_inside", "share_times_inside"]].isna().all(axis=None)


def test_day_without_a_time_for_each_period_is_refused(tmp_path: Path) -> None:
    path = told(tmp_path / "h.csv", DAY, (0.1, 0.1), (0.1, 0.1, 0.1, 0.1), component="2")
    for name in ("envelope", "slope", "energy", "norm 1", "norm 2", "budgeted"):
        plan = shaped(name)
        with pytest.raises(ip.InputError) as refused:
            ip.calibrate(path, plan)
        needs = f"shape {plan.model.uncertain[0].shape} needs 3 (one for each period, in order of time)"
        assert [str(finding) for finding in refused.value.findings] == [
            f"h.csv row 5: load 2 has 2 times on 2026-11-02, {needs}",
            f"h.csv row 7: load 2 has 4 times on 2026-11-03, {needs}",
        ]
    for name in ("fractional", "interval", "norm infinity"):
        assert len(ip.calibrate(path, shaped(name)).days) == 3


def test_model_alone_has_no_periods_but_those_of_an_envelope(tmp_path: Path) -> None:
    path = told(tmp_path / "h.csv", DAY)
    assert ip.calibrate(path, shaped("envelope").model).days["needed_alpha"].tolist() == pytest.approx([1.0])
    with pytest.raises(ip.InputError, match=r"shape slope binds the periods .* a model alone has none"):
        ip.calibrate(path, shaped("slope").model)


def test_nothing_forecast_and_nothing_there_is_no_error(tmp_path: Path) -> None:
    """The sun at night."""
    path = tmp_path / "h.csv"
    path.write_text("time,quantity,forecast,outcome\n2026-01-01T00:00,load,0,0\n2026-01-01T12:00,load,2,1.8\n")
    assert ip.calibrate(path, MODEL).errors["error"].tolist() == pytest.approx([0.0, -0.1])


# ------------------------------------------------------------------ refusals


def test_quantity_without_history_is_named(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    path.write_text("time,quantity,forecast,outcome\n2026-01-01,load,1,1\n")
    found = ip.calibrate(path, MODEL, 0.0)
    assert found.missing == ("dg_availability",) and found.share_of_days_held == 1.0
    assert ip.calibrate(path, MODEL).to_dict()["share_of_days_held"] is None


def test_all_faults_of_a_history_at_once(tmp_path: Path) -> None:
    text = """time,quantity,forecast,outcome
2026-11-02,load,0,1
2026-11-01,load,1,nan
2026-11-02,lod,1,1
2026-11-02,load,"1,5",1
2026-02-30,load,1,1
yesterday,load,1,1
2026-11-03T10:00+01:00,load,,1
"""
    assert refused(tmp_path, text) == [
        "h.csv row 2: forecast is 0 and outcome is not: no relative error exists (leave the row or the day out)",
        "h.csv row 3: outcome must be a number, got 'nan'",
        "h.csv row 3: time 2026-11-01 is earlier than that of row 2: sort by time",
        "h.csv row 4: quantity 'lod' is not uncertain in the model (did you mean load?)",
        "h.csv row 5: forecast must be a number, got '1,5' (the decimal sign is a point)",
        "h.csv row 5: load at 2026-11-02 stands in row 2 already",
        "h.csv row 6: time does not exist: '2026-02-30' (2026-11-21 or 2026-11-21T18:00, without a zone)",
        "h.csv row 7: time must be a date or a date and time, got 'yesterday' "
        "(2026-11-21 or 2026-11-21T18:00, without a zone)",
        "h.csv row 8: forecast is missing",
        "h.csv row 8: time must be a date or a date and time, got '2026-11-03T10:00+01:00' "
        "(2026-11-21 or 2026-11-21T18:00, without a zone)",
    ]


def test_values_that_a_quantity_cannot_have_are_refused(tmp_path: Path) -> None:
    """What is available and a load are 0 or more, a rating above 0, a price any number."""
    names = ("load", "dg_availability", "pv", "wind", "line_rating", "price")
    text = """time,quantity,forecast,outcome
2026-11-01,dg_availability,0.5,-0.1
2026-11-01,pv,-0.5,-0.4
2026-11-01,wind,0.5,0
2026-11-01,line_rating,0,0
2026-11-01,price,-20,30
2026-11-01,load,-1,-1
"""
    below, loads = "must be at least 0", "negative ones need a case that allows them: load_may_be_negative at a bus"
    assert refused(tmp_path, text, hand("islanded", uncertain(*names))) == [
        f"h.csv row 2: outcome is -0.1, {below}",
        f"h.csv row 3: outcome is -0.4, {below}",
        f"h.csv row 3: forecast is -0.5, {below}",
        "h.csv row 5: forecast is 0, must be greater than 0",
        "h.csv row 5: outcome is 0, must be greater than 0",
        f"h.csv row 7: forecast is -1, {below} ({loads})",
        f"h.csv row 7: outcome is -1, {below} ({loads})",
    ]
    many = "\n".join(f"2026-11-{day:02},pv,1,-{day}.5" for day in range(1, 8))
    (told_once,) = refused(tmp_path, f"time,quantity,forecast,outcome\n{many}\n", hand("islanded", uncertain("pv")))
    assert told_once == f"h.csv row 2: outcome is -1.5, {below} (and 6 more rows)"


def test_loads_are_negative_where_the_case_says_so(tmp_path: Path) -> None:
    """A capacitor counted as load, of which 10 % less came."""
    path = tmp_path / "h.csv"
    path.write_text("time,quantity,forecast,outcome\n2026-11-01,load,-2.0,-1.8\n")
    case = inline()
    with pytest.raises(ip.InputError, match="load_may_be_negative"):
        ip.calibrate(path, MODEL, case=case)
    case["buses"][1]["load_may_be_negative"] = True
    assert ip.calibrate(path, MODEL, case=case).errors["error"].tolist() == pytest.approx([-0.1])


def test_a_case_beside_a_model_has_the_periods(tmp_path: Path) -> None:
    plan = shaped("slope")
    path = told(tmp_path / "h.csv", DAY)
    beside = ip.calibrate(path, plan.model, case=plan.case)
    assert beside.days["needed_alpha"].tolist() == ip.calibrate(path, plan).days["needed_alpha"].tolist()
    with pytest.raises(ip.InputError, match="a plan brings its own case"):
        ip.calibrate(path, plan, case=plan.case)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("time,quantity,forecast,outcome\n", "has no rows"),
        ("time,quantity,forecast\n2026-01-01,load,1\n", "column outcome is missing"),
        ("time,quantity,forecast,outcome,unit\n2026-01-01,load,1,1,MW\n", "column 'unit' is unknown"),
        ("time;quantity;forecast;outcome\n2026-01-01;load;1;1\n", "separated by semicolons"),
        ("time,quantity,forecast,outcome\n2026-01-01,load,1\n", "has 3 cells, the header has 4"),
    ],
)
def test_table_that_is_no_history(tmp_path: Path, text: str, words: str) -> None:
    (message,) = refused(tmp_path, text)
    assert message.startswith("h.csv") and words in message


def test_file_that_is_not_there_and_model_without_uncertainty(tmp_path: Path, history: Path) -> None:
    with pytest.raises(ip.InputError, match="there is no such file"):
        ip.calibrate(tmp_path / "none.csv", MODEL)
    with pytest.raises(ip.InputError, match="names no uncertain quantity"):
        ip.calibrate(history, hand("switching", {"uncertain": []}))
    with pytest.raises(ip.InputError, match="alpha -1 must be 0 or more"):
        ip.calibrate(history, MODEL, -1.0)


def test_calibration_on_the_command_line(tmp_path: Path, history: Path) -> None:
    ip.save_plan(robust_plan(1.05, 0.95), tmp_path / "robust.json")
    command = ["calibrate", str(history), str(tmp_path / "robust.json")]
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 0 and "alpha = 0.05 held on 50.00 % of past days" in shown.stdout
    wide = CliRunner().invoke(app, [*command, "--alpha", "0.3", "--json", "--out", str(tmp_path)])
    assert json.loads(wide.stdout)["share_of_days_held"] == 1.0
    assert (tmp_path / "calibration.json").read_text() == wide.stdout
    told(tmp_path / "dg.csv", (0.1, -0.2))
    asked = ["calibrate", str(tmp_path / "dg.csv"), "dual_mode", "--case", "feeder4", "--alpha", "0.2"]
    told_dg = (tmp_path / "dg.csv").read_text().replace("load", "dg_availability")
    (tmp_path / "dg.csv").write_text(told_dg)
    beside = CliRunner().invoke(app, asked)
    assert beside.exit_code == 0 and "alpha = 0.2 held on 100.00 % of past days" in beside.stdout
