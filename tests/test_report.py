"""What people see: drawings without crossings, pictures that repeat, text and tables that are safe to open."""

import dataclasses
import itertools
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from igdt_planner.ac.check import check_dispatch
from igdt_planner.case import Case, load_case
from igdt_planner.errors import InputError
from igdt_planner.model import Model, Uncertain
from igdt_planner.network import base_open_lines
from igdt_planner.plan import Dispatch, Plan, Realisation, StepTried
from igdt_planner.report.base import base_state
from igdt_planner.report.figures import (
    curve_figure,
    dispatch_figure,
    feeder_figure,
    save_png,
    save_svg,
    shapes_figure,
    tradeoff_figure,
    voltage_figure,
)
from igdt_planner.report.files import write_whole
from igdt_planner.report.layout import feeder_layout
from igdt_planner.report.routes import line_routes
from igdt_planner.report.tables import csv_text, plan_tables, write_csv, write_plan_tables
from igdt_planner.report.text import curve_summary, summary
from igdt_planner.report.views import curve_view, dispatch_view, plan_view
from igdt_planner.results.comparison import CROSSINGS
from igdt_planner.results.drivers import QUANTITIES, TERMS, Drivers

ROOT = Path(__file__).parents[1]


@cache
def sample_plan() -> Plan:
    """A robust plan of ieee33 made by hand: two DG, two stores, one island; AC power flow finds a few violations."""
    case = load_case("ieee33")
    model = Model(**tomllib.loads((ROOT / "models" / "dual_mode.toml").read_text(encoding="utf-8")))
    point = Realisation(dg_availability=0.967)
    built = {
        "dg": pd.DataFrame(
            {"bus": [25, 32], "technology": "dg_1mw", "p_mw": 1.0, "q_min_mvar": 0.0, "q_max_mvar": 0.48}
        ),
        "ess": pd.DataFrame({"bus": [18, 33], "technology": "ess_100kw", "p_mw": 0.1, "energy_mwh": 0.2}),
    }
    periods = case.profile["period"].tolist()
    opened = {"connected": (7, 9, 14, 32, 37), "islanded": (1, *base_open_lines(case))}
    plan = Plan(
        kind="robust", case=case, model=model, status="feasible",
        open_lines={mode: dict.fromkeys(periods, lines) for mode, lines in opened.items()},
        **built, dispatch=None, dispatch_forecast=None, objective=1.585, model_objective=1.5791,
        bound=1.41, bound_of="ac", gap=0.0574, ac=None, ac_forecast=None, redispatched=True, seconds=12.3,
        robustness={
            "alpha": 0.033, "alpha_bound": 0.0351, "alpha_floor": 0.031, "alpha_limit": "budget", "beta": 0.1,
            "base_objective": 1.4412, "base_bound": 1.41, "budget": 1.58532, "objective_forecast": 1.5012,
        },
        warnings=("the base objective is 2.2 % above its bound",),
    )  # fmt: skip
    dispatch = sample_dispatch(case, built["dg"]["bus"], built["ess"]["bus"], point)
    verdict = check_dispatch(plan, dispatch)
    return dataclasses.replace(plan, dispatch=dispatch, dispatch_forecast=dispatch, ac=verdict, ac_forecast=verdict)


def sample_dispatch(case: Case, dg_buses: pd.Series, ess_buses: pd.Series, point: Realisation) -> Dispatch:
    slots = pd.DataFrame({"mode": ["connected", "islanded"]}).merge(case.profile[["period", "load"]], how="cross")
    share = point.dg_availability
    dg = slots.merge(dg_buses, how="cross").assign(p_mw=share, q_mvar=0.48 * share)
    ess = slots.merge(ess_buses, how="cross").assign(p_charge_mw=0.0, p_discharge_mw=0.0, energy_mwh=0.0, q_mvar=0.0)
    first = ess["period"] == 1
    ess = ess.assign(p_charge_mw=first * 0.1, energy_mwh=0.095)
    islanded = slots[slots["mode"] == "islanded"]
    loads = case.buses.loc[case.buses["p_mw"] > 0, ["id", "p_mw", "q_mvar"]].rename(columns={"id": "bus"})
    shed = islanded.merge(loads, how="cross")
    unserved = (1.0 - 1.7 / (shed["load"] * case.buses["p_mw"].sum())).clip(lower=0.0) * shed["load"]
    shed = shed.assign(p_mw=shed["p_mw"] * unserved, q_mvar=shed["q_mvar"] * unserved)
    sources = slots.assign(bus=np.where(slots["mode"] == "connected", 1, 25), vm_pu=1.0)
    tables = (table.drop(columns="load") for table in (dg, ess, shed, sources))
    return Dispatch(point, *tables)


def tree_case(parents: list[int], substations: tuple[int, ...] = (1,), ties: tuple[tuple[int, int], ...] = ()) -> Case:
    """A case in which bus ``k + 2`` hangs on ``parents[k]`` (0: on nothing), with open ties."""
    lines = [(up, bus) for bus, up in enumerate(parents, start=2) if up]
    count = len(parents) + 1
    buses = pd.DataFrame({"id": range(1, count + 1), "name": "", "x": np.nan, "y": np.nan})
    table = pd.DataFrame([*lines, *ties], columns=["from_bus", "to_bus"])
    table = table.assign(id=range(1, len(table) + 1), in_service=np.arange(len(table)) < len(lines))
    stations = pd.DataFrame({"bus": list(substations), "vm_pu": 1.0})
    return Case("tree", "", 1.0, "USD", buses, table, stations, pd.DataFrame())


def curve_table() -> pd.DataFrame:
    beta = np.array([0.0, 0.05, 0.1, 0.2])
    alpha = np.array([0.0, 0.016, 0.033, 0.066])
    return pd.DataFrame(
        {
            "beta": beta, "budget": 1.44 * (1 + beta), "alpha": alpha, "alpha_bound": alpha + 0.01,
            "alpha_floor": [0.0, 0.011, None, 0.06], "objective": 1.44 * (1 + beta), "objective_forecast": 1.45,
            "gap": [None, 0.6, 0.3, 0.15], "verdict": ["feasible", "feasible", "violated", "feasible"],
            "status": "feasible",
        }
    )  # fmt: skip


def crossing_table() -> pd.DataFrame:
    rows = [(0.07, 1.54, 0.02, "today", "tomorrow", ""), (0.18, 1.7, 0.06, "tomorrow", "today", "")]
    return pd.DataFrame(rows, columns=CROSSINGS)


def plans_compared() -> Figure:
    """Three plans as they stand that end close together, one of them with a long name, and two crossings."""
    today, tomorrow = curve_table(), curve_table().assign(alpha=[None, 0.01, 0.034, 0.0665])
    names = {"today": today, "tomorrow": tomorrow, "what the neighbour has built": today}
    return curve_figure(today, None, names, crossing_table(), unit="MWh")


def sample_drivers() -> Drivers:
    quantities = [("load", 0.02, 1.6, 0.15), ("dg_availability", 0.03, 1.5, 0.11), ("price", np.nan, 1.4, -0.01)]
    terms = [("losses", "connected", "MWh", 0.5, 0.1, 0.12, 0.01), ("ens", "islanded", "MWh", 0.5, 2.0, 2.5, 0.25)]
    return Drivers(sample_plan(), pd.DataFrame(quantities, columns=QUANTITIES), pd.DataFrame(terms, columns=TERMS))


def tradeoff_table() -> pd.DataFrame:
    ours, bound, other = [0.03, 0.018, 0.0], [0.031, 0.019, None], [0.0, 0.012, 0.024]
    verdicts = ["feasible", "violated", "feasible"]
    return pd.DataFrame(
        {"alpha_dg_availability": ours, "bound_dg_availability": bound, "verdict": verdicts, "alpha_load": other}
    )


SHAPES = {
    "envelope": Uncertain(quantity="load", shape="envelope", psi=(0.5, 1.0), weight=0.3),
    "diamond": Uncertain(quantity="load", shape="minkowski", norm=1, weight=0.3),
    "one period": Uncertain(quantity="load", shape="budgeted", gamma=1),
}


# The layout


def segments(case: Case) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    layout = feeder_layout(case)
    place = {bus: (row["x"], row["y"]) for bus, row in layout.iterrows()}
    lines = case.lines[case.lines["in_service"]]
    return [(place[i], place[j]) for i, j in zip(lines["from_bus"], lines["to_bus"], strict=True)]


def meet(first: tuple, second: tuple) -> bool:
    """Whether two segments share a point other than a common end."""
    if set(first) & set(second):
        (shared,) = set(first) & set(second)
        (a,), (b,) = set(first) - {shared}, set(second) - {shared}
        return turn(shared, a, b) == 0 and np.dot(np.subtract(a, shared), np.subtract(b, shared)) > 0
    (a, b), (c, d) = first, second
    turns = (turn(a, b, c), turn(a, b, d), turn(c, d, a), turn(c, d, b))
    if turns[0] * turns[1] < 0 and turns[2] * turns[3] < 0:
        return True
    touching = zip(turns, (first, first, second, second), (c, d, a, b), strict=True)
    return any(side == 0 and between(segment, point) for side, segment, point in touching)


def turn(a: tuple, b: tuple, c: tuple) -> float:
    return float(np.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])))


def between(segment: tuple, point: tuple) -> bool:
    (a, b) = segment
    return all(min(a[k], b[k]) <= point[k] <= max(a[k], b[k]) for k in (0, 1))


def crossings(case: Case) -> int:
    return sum(meet(first, second) for first, second in itertools.combinations(segments(case), 2))


@pytest.mark.parametrize("name", ["feeder4", "ieee16", "ieee33", "ieee69"])
def test_lines_in_service_are_parallel_to_an_axis_and_never_cross(name: str) -> None:
    case = load_case(name)
    assert crossings(case) == 0
    assert all(a[0] == b[0] or a[1] == b[1] for a, b in segments(case))


def test_trunk_is_straight_and_holds_the_longest_path() -> None:
    layout = feeder_layout(load_case("ieee33"))
    trunk = layout.loc[1:18]
    assert trunk["y"].nunique() == 1
    assert trunk["x"].tolist() == list(range(18))


@st.composite
def forests(draw: st.DrawFn) -> Case:
    """Radial networks of any shape, with up to two substations, parts without one, and ties."""
    count = draw(st.integers(2, 40))
    shape = draw(st.sampled_from(["any", "comb", "star"]))
    nearest = {"any": 1, "comb": 3, "star": count}[shape]
    parents = [
        draw(st.integers(max(1, bus - nearest) if shape == "comb" else 1, bus - 1)) for bus in range(2, count + 1)
    ]
    cut = draw(st.sets(st.integers(0, count - 2), max_size=2))
    parents = [0 if k in cut else up for k, up in enumerate(parents)]
    second = {k + 2 for k in cut if draw(st.booleans())}
    tie = st.tuples(st.integers(1, count), st.integers(1, count)).filter(lambda ends: ends[0] != ends[1])
    return tree_case(parents, tuple(sorted({1} | second)), tuple(draw(st.lists(tie, max_size=4))))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(forests())
@pytest.mark.slow
def test_layout_of_any_forest_is_free_of_crossings(case: Case) -> None:
    layout = feeder_layout(case)
    assert sorted(layout.index) == sorted(case.buses["id"])
    assert layout.notna().all(axis=None)
    assert not layout.duplicated().any()
    assert crossings(case) == 0


def test_two_substations_get_rows_of_their_own() -> None:
    layout = feeder_layout(tree_case([1, 2, 0, 4, 5], substations=(1, 4)))
    assert layout.loc[[1, 2, 3], "y"].nunique() == 1
    assert layout.loc[[4, 5, 6], "y"].nunique() == 1
    assert layout.loc[1, "y"] != layout.loc[4, "y"]


def test_coordinates_of_the_user_win() -> None:
    case = tree_case([1, 2, 2])
    buses = case.buses.assign(x=[10.0, 20.0, np.nan, 20.0], y=[5.0, 5.0, np.nan, 25.0])
    layout = feeder_layout(dataclasses.replace(case, buses=buses))
    assert layout.loc[[1, 2, 4]].to_numpy().tolist() == [[10.0, 5.0], [20.0, 5.0], [20.0, 25.0]]
    assert layout.loc[3].notna().all()
    assert layout.loc[3].tolist() != [0.0, 0.0]


def test_ties_bend_around_the_buses_between_their_ends() -> None:
    case = tree_case([1, 2, 3, 4], ties=((1, 5),))
    tie = line_routes(case, feeder_layout(case))[5]
    assert tie[[0, -1], 1].tolist() == [0.0, 0.0]
    assert np.abs(tie[5:-5, 1]).min() > 0.2


# Views


def test_view_tells_what_is_closed_and_how_far_each_bus_is_from_its_source() -> None:
    view = plan_view(sample_plan(), "connected")
    assert set(view.lines.index[~view.lines["closed"]]) == {7, 9, 14, 32, 37}
    assert view.period == 3
    lines = sample_plan().case.lines.set_index("id")
    assert view.buses.loc[1, "distance_ohm"] == 0.0
    assert view.buses.loc[3, "distance_ohm"] == pytest.approx(np.hypot(lines["r_ohm"], lines["x_ohm"])[[1, 2]].sum())


def test_view_of_an_island_starts_at_its_source_and_leaves_the_substation_dead() -> None:
    view = plan_view(sample_plan(), "islanded")
    assert view.forming == (25,)
    assert view.buses.loc[25, "distance_ohm"] == 0.0
    assert np.isnan(view.buses.loc[1, "vm_pu"])
    assert not view.lines.loc[1, "live"]


def test_dispatch_view_balances_supply_and_load() -> None:
    view = dispatch_view(sample_plan(), "connected")
    losses = sum(view.supply.values()) - view.load - view.charge
    assert np.all((losses > 0.0) & (losses < 0.1))
    assert view.energy_mwh.tolist() == pytest.approx([0.19] * 4)


def test_curve_view_leaves_out_rows_without_budget_or_alpha() -> None:
    table = curve_table().astype({"alpha": object, "alpha_bound": object})
    table.loc[1, ["alpha", "alpha_bound"]] = [None, None]
    table.loc[2, "alpha"] = None
    table.loc[3, "alpha_bound"] = np.inf
    points = curve_view(table)
    assert points["beta"].tolist() == [0.0, 0.1, 0.2]
    assert points["low"].tolist() == pytest.approx([0.0, 0.043, 0.066])
    assert points["high"].tolist() == pytest.approx([0.01, 0.043, 0.066])


def test_plan_without_ac_state_is_refused_with_its_status() -> None:
    plan = dataclasses.replace(sample_plan(), status="infeasible", ac=None, dispatch=None)
    with pytest.raises(InputError, match="status infeasible"):
        feeder_figure(plan)


@pytest.mark.parametrize(("name", "peak_kw"), [("ieee33", 202.68), ("ieee69", 224.99)])
def test_base_state_against_published_losses(name: str, peak_kw: float) -> None:
    verdict = base_state(load_case(name), periods="peak")
    assert verdict.verdict == "feasible"
    assert 1e3 * verdict.lines["loss_mw"].sum() == pytest.approx(peak_kw, abs=0.01)


# Pictures

PICTURES: dict[str, Callable[[], Figure]] = {
    "feeder": lambda: feeder_figure(sample_plan(), base_state(sample_plan().case)),
    "voltage": lambda: voltage_figure(sample_plan(), base_state(sample_plan().case)),
    "dispatch": lambda: dispatch_figure(sample_plan()),
    "curve": lambda: curve_figure(
        curve_table(), curve_table().assign(budget=1.3), {"today": curve_table()}, unit="MWh"
    ),
    "compared": plans_compared,
    "drivers": lambda: sample_drivers().plot(),
    "tradeoff": lambda: tradeoff_figure(tradeoff_table(), 0.0135),
    "shapes": lambda: shapes_figure(SHAPES),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_repeat_byte_for_byte(name: str, tmp_path: Path) -> None:
    png, svg = ([save(PICTURES[name](), tmp_path / f"{k}") for k in range(2)] for save in (save_png, save_svg))
    for first, second in (png, svg):
        assert first.read_bytes() == second.read_bytes()


def texts_on(figure: Figure, tmp_path: Path) -> list[tuple[str, object]]:
    """Texts of a saved figure with their boxes on paper."""
    save_png(figure, tmp_path / "drawn.png", dpi=100)
    texts = [text for axes in figure.axes for text in axes.texts] + list(figure.texts)
    titles = [axes.title for axes in figure.axes] + [getattr(axes, "_left_title", axes.title) for axes in figure.axes]
    return [(text.get_text(), text.get_window_extent()) for text in {*texts, *titles} if text.get_text()]


def pictured(name: str) -> Figure:
    if name in PICTURES:
        return PICTURES[name]()
    case = load_case(name)
    plan = dataclasses.replace(sample_plan(), case=case)
    opened = {"connected": dict.fromkeys(case.profile["period"], base_open_lines(case))}
    model = plan.model.model_copy(update={"modes": {"connected": plan.model.modes["connected"]}})
    return feeder_figure(dataclasses.replace(plan, model=model, open_lines=opened, ac=base_state(case)))


@pytest.mark.parametrize(
    "name", ["feeder", "ieee69", "voltage", "dispatch", "curve", "compared", "drivers", "tradeoff", "shapes"]
)
def test_no_two_labels_overlap(name: str, tmp_path: Path) -> None:
    boxes = texts_on(pictured(name), tmp_path)
    overlapping = [(a, b) for (a, one), (b, two) in itertools.combinations(boxes, 2) if one.overlaps(two)]
    assert overlapping == []


def test_feeder_picture_of_many_laterals_and_a_single_bus(tmp_path: Path) -> None:
    plan = sample_plan()
    for case in (load_case("feeder4"), load_case("ieee16")):
        model = plan.model.model_copy(update={"modes": {"connected": plan.model.modes["connected"]}})
        empty = {"dg": plan.dg.iloc[:0], "ess": plan.ess.iloc[:0], "open_lines": {}}
        figure = feeder_figure(dataclasses.replace(plan, case=case, model=model, ac=base_state(case), **empty))
        assert save_png(figure, tmp_path / f"{case.name}.png").stat().st_size > 1000


def test_names_are_escaped_in_svg_and_never_read_as_formulas(tmp_path: Path) -> None:
    title = "<script>alert(1)</script> & $\\frac{"
    plan = sample_plan()
    figure = feeder_figure(dataclasses.replace(plan, case=dataclasses.replace(plan.case, title=title)))
    svg = save_svg(figure, tmp_path / "feeder.svg").read_text(encoding="utf-8")
    assert "<script" not in svg
    assert "&lt;script&gt;" in svg
    assert "$\\frac{" in svg


def test_notebooks_show_pictures() -> None:
    assert curve_figure(curve_table())._repr_png_().startswith(b"\x89PNG")


def test_crossings_are_told_in_words_and_numbered() -> None:
    words = [text.get_text() for text in plans_compared().texts]
    assert "1  cross at 1.54 MWh (+7 %), alpha 0.02: below it today is safer, above it tomorrow" in words
    assert any(text.startswith("2  cross at 1.7 MWh") for text in words)


def legend_of(figure: Figure) -> list[str]:
    """Texts of the legend of a curve."""
    legend = figure.axes[0].get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def test_legend_of_a_curve_says_what_is_drawn_and_nothing_else() -> None:
    sound = curve_table().assign(verdict="feasible")
    line, area = "robustness: survived for certain (at the points)", "where alpha lies between the points"
    assert legend_of(curve_figure(sound)) == [line, "between plan and proven bound", area]
    assert legend_of(curve_figure(curve_table()))[-1] == "not confirmed by AC power flow"
    assert legend_of(curve_figure(sound.assign(alpha_bound=sound["alpha"] + 1e-6))) == [line, area]
    assert legend_of(curve_figure(sound.iloc[:1].assign(alpha_bound=None))) == [line]
    proven = sound.assign(alpha_bound=sound["alpha"])
    assert legend_of(curve_figure(None, None, {"today": proven})) == []
    assert legend_of(curve_figure(None, None, {"today": sound})) == ["between plan and proven bound"]


def test_a_curve_marks_costs_that_have_no_alpha_or_no_limit() -> None:
    sound = curve_table().assign(verdict="feasible", alpha_limit=["budget", "budget", "budget", "unbounded"])
    sound.loc[[0, 3], ["alpha", "alpha_bound"]] = None
    figure = curve_figure(sound)
    assert legend_of(figure)[:3][1:] == ["no alpha at this cost", "alpha without limit"]
    marks = {line.get_label(): line.get_xdata() for line in figure.axes[0].lines}
    assert list(marks["no alpha at this cost"]) == [1.44]
    assert list(marks["alpha without limit"]) == pytest.approx([1.728])


def test_a_table_that_is_no_trade_off_is_refused() -> None:
    with pytest.raises(InputError, match="not a table of a trade-off"):
        tradeoff_figure(curve_table())


def test_curve_without_any_point_says_so(tmp_path: Path) -> None:
    figure = curve_figure(curve_table().assign(alpha=None, alpha_bound=None))
    assert "no point" in figure.axes[0].texts[0].get_text()
    save_png(figure, tmp_path / "curve.png")


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = write_whole(tmp_path / "plan.csv", b"old")

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("igdt_planner.report.files.os.fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_whole(target, b"new")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


# Text and tables


def test_summary_names_everything_a_planner_asks_first() -> None:
    text = summary(sample_plan())
    for words in (
        "Robust plan of ieee33, model dual_mode",
        "0.0330   AC: VIOLATED",
        "0.0351   no plan survives more; gap 5.74 %",
        "1.5853 MWh = 1.4412 MWh + 10.00 %",
        "1.5850 MWh at the worst case   AC: VIOLATED",
        "1.5012 MWh at the forecast   AC: VIOLATED",
        "7, 9, 14, 32, 37",
        "bus 25: dg_1mw, 1 MW",
        "bus 18: ess_100kw, 0.1 MW, 0.2 MWh",
        "worst voltage",
    ):
        assert words in text
    assert "\x1b" not in text


def test_summary_of_a_baseline_says_which_problem_its_bound_belongs_to() -> None:
    plan = dataclasses.replace(sample_plan(), kind="solve", robustness={}, bound_of="linear")
    text = summary(plan)
    assert "1.4100 MWh   no plan of the linear-loss model costs less; gap 5.74 %" in text
    assert "alpha" not in text


def test_summary_lists_the_steps_tried() -> None:
    steps = (
        StepTried("milp", "violated", 1.5791, None, None, 0.034, 60.0),
        StepTried("redispatch", "not_checked", None, None, None, 0.034, 0.51),
        StepTried("topology", "feasible", 1.585, 1.584, 0.033, 0.0332, 12.0),
    )
    text = summary(dataclasses.replace(sample_plan(), steps=steps))
    assert "milp, 60.0 s: alpha -, by the model 0.0340   AC: VIOLATED\n" in text
    assert "redispatch, 0.5 s: no plan\n" in text
    assert "topology, 12.0 s: alpha 0.0330, by the model 0.0332   AC: feasible\n" in text
    cost = dataclasses.replace(steps[2], alpha=None, model_alpha=None)
    baseline = dataclasses.replace(sample_plan(), kind="solve", robustness={}, steps=(cost, cost))
    assert "topology, 12.0 s: 1.5850 MWh, by the model 1.5840   AC: feasible\n" in summary(baseline)
    assert "topology" not in summary(dataclasses.replace(baseline, steps=(cost,)))


def test_summary_without_a_plan_explains_itself() -> None:
    plan = dataclasses.replace(
        sample_plan(), status="infeasible", objective=None, ac=None, ac_forecast=None, dispatch=None, open_lines={},
        explanation="bus 18 stays below 0.95 pu\x1b[31m",
    )  # fmt: skip
    text = summary(plan)
    assert "infeasible: no plan can meet what was asked" in text
    assert "bus 18 stays below 0.95 pu\\x1b[31m" in text
    assert "AC: not checked" in text


def test_curve_summary_has_one_aligned_row_per_beta() -> None:
    head, rule, *rows = curve_summary(curve_table()).split("\n\n")[0].splitlines()
    assert len(rows) == 4
    assert rows[2].split() == ["10.00", "%", "1.5840", "0.0330", "0.0430", "-", "1.5840", "1.4500", "30.00", "%",
                               "violated", "feasible"]  # fmt: skip
    assert {row.index("feasible", head.index("status")) for row in rows} == {head.index("status")}
    assert len(rule) >= len(head)


def test_cells_that_start_a_formula_are_escaped_and_numbers_stay_numbers() -> None:
    table = pd.DataFrame({"=name": ["=1+1", "+x", "-y", "@z", "bus 1"], "p_mw": [-1.5, 2.0, np.nan, 0.0, 1e-9]})
    assert csv_text(table) == "'=name,p_mw\n'=1+1,-1.5\n'+x,2.0\n'-y,\n'@z,0.0\nbus 1,1e-09\n"


def test_tables_of_a_plan_come_back_from_csv(tmp_path: Path) -> None:
    plan = sample_plan()
    files = write_plan_tables(plan, tmp_path / "tables")
    assert {path.stem for path in files} == set(plan_tables(plan))
    opened = pd.read_csv(tmp_path / "tables" / "open_lines.csv")
    assert opened.groupby("mode")["line"].agg(set).to_dict() == {
        "connected": {7, 9, 14, 32, 37},
        "islanded": {1, 33, 34, 35, 36, 37},
    }
    buses = pd.read_csv(tmp_path / "tables" / "ac_buses.csv")
    pd.testing.assert_frame_equal(buses, plan.ac.buses.reset_index(drop=True), check_dtype=False)


def test_curve_comes_back_from_csv(tmp_path: Path) -> None:
    table = curve_table()
    back = pd.read_csv(write_csv(table, tmp_path / "curve.csv"))
    pd.testing.assert_frame_equal(back, table, check_dtype=False)
