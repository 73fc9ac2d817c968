"""Served and not served, said everywhere: by the judge, in documents, in words and in pictures.

One plan is made by hand. feeder4 asks for 2, 4 and 4 MW at buses 2, 3 and 4, half of it in period 1, an hour each: that
is 15 MWh.
The island is fed from a DG of 6 MW at bus 3, lines 1 and 2 are open:

    bus 1 --4-- bus 4 --3-- bus 3 (DG)        bus 2 alone: dead

Period 1: bus 2 loses 1 MW, buses 3 and 4 get their 2 MW each. Period 2: bus 2 loses 2 MW, bus 4 gets 1 MW of 4, bus 3
its 4 MW. So 5 MW of 10 are served at the peak, and 4 + 5 = 9 MWh of 15.
"""

import copy
import dataclasses
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hand import hand, with_cells
from matplotlib.figure import Figure
from matplotlib.path import Path as MarkPath
from test_ac_check import dispatch_of, plan_of

import igdt_planner as ip
from igdt_planner.ac import check
from igdt_planner.model import override
from igdt_planner.plan import FORECAST, Plan, Realisation, Supply
from igdt_planner.report.base import base_state
from igdt_planner.report.figures import dispatch_figure, feeder_figure, save_png, voltage_figure
from igdt_planner.report.tables import plan_tables
from igdt_planner.report.text import amount, curve_summary, summary
from igdt_planner.report.views import plan_view
from igdt_planner.unserved import nothing_served

PART = ((1, 2, 1.0), (2, 2, 2.0), (2, 4, 3.0))
"""Period, bus and MW of what is shed."""
ALL = tuple((period, bus, share * mw) for period, share in ((1, 0.5), (2, 1.0)) for bus, mw in ((2, 2), (3, 4), (4, 4)))
PEAK_DARK = (PART[0], *ALL[3:])
"""Period 1 as above, nothing in period 2."""


@cache
def island(
    shed: tuple[tuple[int, int, float], ...] = PART, given: tuple[float, float] = (4.0, 5.0), charge_mw: float = 0.0
) -> Plan:
    """The plan above, judged; or with another load shed, and more DG at bus 3 to charge a storage unit there."""
    technology = {"name": "gas", "p_mw": 6.0, "q_min_mvar": -3.0, "q_max_mvar": 3.0}
    battery = {"name": "battery", "p_mw": 1.0, "energy_mwh": 4.0}
    model = hand(
        "islanded", {"dg.technologies": [technology], "ess.technologies": [battery], "modes.islanded.reactive": True}
    )
    sources = [("islanded", period, 3, 1.0) for period in (1, 2)]
    rows = [("islanded", period, bus, p_mw, p_mw / 2) for period, bus, p_mw in shed]
    dg = [("islanded", period, 3, p_mw, p_mw / 2) for period, p_mw in zip((1, 2), given, strict=True)]
    ess = [("islanded", period, 3, charge_mw, 0.0, 0.95 * charge_mw * period) for period in (1, 2)] if charge_mw else []
    plan = plan_of(
        ip.load_case("feeder4"),
        model,
        {"islanded": dict.fromkeys((1, 2), (1, 2))},
        dispatch_of(FORECAST, sources=sources, shed=rows, dg=dg, ess=ess),
        dg=[(3, "gas", 6.0, -3.0, 3.0)],
        ess=[(3, "battery", 1.0, 4.0)] if charge_mw else (),
    )
    return check(plan)


def dark() -> Plan:
    """The source holds 1 pu, nothing is served and nothing is given."""
    return island(ALL, (0.0, 0.0))


def supply(plan: Plan) -> Supply:
    assert plan.ac is not None
    (found,) = plan.ac.supply
    return found


# The judge


def test_served_and_not_served_by_hand() -> None:
    plan = island()
    assert plan.ac is not None and plan.ac.verdict == "feasible", plan.ac.violations
    by_hand = Supply("islanded", 15.0, 9.0, 6.0, 2, 10.0, 5.0, 5.0)
    assert dataclasses.astuple(supply(plan))[1:] == pytest.approx(dataclasses.astuple(by_hand)[1:])
    peak = plan.ac.buses[plan.ac.buses["period"] == 2].set_index("bus")
    assert peak["demand_mw"].tolist() == [0.0, 2.0, 4.0, 4.0]
    assert peak["served_mw"].tolist() == pytest.approx([0.0, 0.0, 4.0, 1.0])
    assert not peak["idle"].any()


def test_what_the_planner_serves_by_hand() -> None:
    """cases/feeder4/SOURCE.md: 7 MW of DG and 1.2 MWh from storage leave 1.8 of 15 MWh, all of it at the peak."""
    found = supply(ip.solve("feeder4", hand("islanded")))
    assert found.not_served_mwh == pytest.approx(1.8, rel=5e-3)
    assert found.served_mwh == pytest.approx(13.2, rel=5e-3)
    assert (found.peak_period, found.peak_demand_mw) == (2, 10.0)
    assert found.peak_served_mw == pytest.approx(8.2, rel=5e-3)


def test_connected_all_is_served() -> None:
    verdict = base_state(ip.load_case("feeder4"))
    assert verdict.supply == (Supply("connected", 15.0, 15.0, 0.0, 2, 10.0, 10.0, 0.0),)


def test_generation_among_the_loads_asks_for_nothing() -> None:
    """Bus 3 gives 4 MW instead: 2 + 4 MW are asked for at the peak, 1 MW of it is served; and 9 MWh, of which 3."""
    plan = island()
    buses = plan.case.buses.assign(p_mw=[0.0, 2.0, -4.0, 4.0])
    found = supply(check(dataclasses.replace(plan, case=dataclasses.replace(plan.case, buses=buses))))
    assert (found.demand_mwh, found.not_served_mwh, found.peak_demand_mw) == (9.0, 6.0, 6.0)
    assert (found.served_mwh, found.peak_served_mw) == (3.0, 1.0)


def test_without_an_ac_solution_nothing_is_known() -> None:
    plan = island()
    assert plan.dispatch is not None
    dispatch = dataclasses.replace(plan.dispatch, realisation=Realisation(load=1e5))
    lost = check(dataclasses.replace(plan, dispatch=dispatch, dispatch_forecast=None))
    found = supply(lost)
    assert found.demand_mwh == pytest.approx(15e5)
    assert (found.served_mwh, found.not_served_mwh, found.peak_served_mw, found.peak_not_served_mw) == (None,) * 4
    assert "not known of 1500000.00 MWh, as AC power flow has no solution" in summary(lost)
    assert ip.plan_from_dict(ip.plan_to_dict(lost)).ac.supply == (found,)


# A source that gives nothing


def test_an_island_in_which_nothing_moves_is_idle_and_has_no_worst_voltage() -> None:
    plan = dark()
    assert plan.ac is not None and plan.ac.verdict == "feasible", plan.ac.violations
    assert plan.ac.buses.loc[plan.ac.buses["idle"], "bus"].tolist() == [1, 3, 4, 1, 3, 4]
    assert plan.ac.vm_min_pu is None
    view = plan_view(plan, "islanded")
    assert view.forming == () and not view.lines["live"].any()
    assert view.buses["vm_pu"].isna().all() and view.buses["distance_ohm"].isna().all()


def test_only_the_period_in_which_nothing_moves_is_idle() -> None:
    plan = island(PEAK_DARK, (4.0, 0.0))
    assert plan.ac is not None
    assert plan.ac.buses.loc[plan.ac.buses["idle"], "period"].unique().tolist() == [2]
    assert plan_view(plan, "islanded", 1).forming == (3,)
    assert plan_view(plan, "islanded", 2).forming == ()


def test_an_island_that_charges_storage_is_not_idle() -> None:
    """The DG charges the storage at its own bus: to the network that bus gives nothing."""
    plan = island(ALL, (0.5, 0.5), 0.5)
    assert plan.ac is not None and plan.ac.verdict == "feasible", plan.ac.violations
    assert plan.ac.sources["p_mw"].abs().max() < 1e-9
    assert not plan.ac.buses["idle"].any()
    assert plan_view(plan, "islanded").forming == (3,)


def test_a_substation_without_load_is_not_idle() -> None:
    verdict = base_state(with_cells("feeder4", "buses", p_mw=0.0, q_mvar=0.0))
    assert not verdict.buses["idle"].any()


# Warnings


def test_a_mode_that_serves_nothing_is_warned_of() -> None:
    assert nothing_served(dark()) == ("islanded: nothing of 15 MWh is served: DG gives 0 MW",)
    assert nothing_served(island()) == ()
    assert nothing_served(island(PEAK_DARK, (4.0, 0.0))) == (), "something is served in period 1"
    charging = island(ALL, (0.5, 0.5), 0.5)
    words = "islanded: nothing of 15 MWh is served: DG gives at most 0.5 MW, storage gives 0 MW"
    assert nothing_served(charging) == (words,)


def test_a_question_is_warned_of_at_both_ends() -> None:
    one = dark()
    both = dataclasses.replace(one, kind="robust")
    words = "islanded: nothing of 15 MWh is served {}: DG gives 0 MW"
    assert nothing_served(both) == (words.format("in the worst case"), words.format("at the forecast"))
    fed = island()
    at_worst = dataclasses.replace(both, ac_forecast=fed.ac, dispatch_forecast=fed.dispatch)
    assert nothing_served(at_worst) == (words.format("in the worst case"),)


def test_a_plan_that_builds_nothing_says_so_in_its_document() -> None:
    plan = ip.solve("feeder4", hand("islanded", {"dg.max_units": 0, "ess.max_units": 0}))
    assert plan.status == "optimal"
    assert ip.plan_to_dict(plan)["warnings"] == ["islanded: nothing of 15 MWh is served: no unit is built"]


def test_units_that_follow_serve_nothing() -> None:
    model = hand("islanded", {"ess.max_units": 0})
    follower = model.dg.technologies[0].model_dump() | {"grid_forming": False}
    plan = ip.solve(
        "feeder4",
        override(model, {"dg.technologies": [follower], "fix.dg": [{"bus": 3, "technology": follower["name"]}]}),
    )
    assert plan.warnings == ("islanded: nothing of 15 MWh is served: no unit that is built can form a grid",)


def test_a_robust_plan_whose_island_is_dark_in_the_worst_case_says_so() -> None:
    """Twice the cost of the forecast is more than all that the island can lose: alpha ends where DG gives 0."""
    model = hand("islanded", {"uncertain": [{"quantity": "dg_availability"}], "ess.max_units": 0})
    plan = ip.robust("feeder4", model, budget=16.0)
    assert plan.robustness["alpha"] == pytest.approx(1.0)
    assert plan.warnings == ("islanded: nothing of 15 MWh is served in the worst case: DG gives 0 MW",)
    assert "warnings          islanded: nothing of 15 MWh is served in the worst case" in summary(plan)


# Words and tables


def test_summary_says_what_is_served() -> None:
    energy = "islanded: 9.00 of 15.00 MWh (60 %), 6.00 MWh not served"
    words = f"served            {energy}; at the peak 5.00 of 10.00 MW, 5.00 MW not served"
    assert words in summary(island())
    assert "served            islanded: nothing of 15.00 MWh; at the peak 10.00 MW not served" in summary(dark())
    all_of_it = dataclasses.replace(island(), ac=base_state(ip.load_case("feeder4")))
    assert "served            connected: all of 15.00 MWh; at the peak 10.00 MW" in summary(all_of_it)


def test_summary_of_a_question_says_it_at_both_ends() -> None:
    text = summary(dataclasses.replace(island(), kind="robust", ac_forecast=dark().ac))
    assert "islanded, worst case: 9.00 of 15.00 MWh" in text
    assert "islanded, forecast: nothing of 15.00 MWh" in text


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [(1.234, 2.8, "1.23"), (0.0, 2.8, "0.00"), (0.004, 2.8, "0.004"), (0.05, 0.05, "0.0500"), (2e-5, 0.05, "2e-05")],
)
def test_what_is_there_is_never_shown_as_zero(part: float, whole: float, words: str) -> None:
    assert amount(part, whole) == words


def test_tables_tell_what_is_served() -> None:
    table = plan_tables(island())["ac_supply"]
    assert table[["mode", "demand_mwh", "peak_period"]].values.tolist() == [["islanded", 15.0, 2]]
    assert table["served_mwh"].tolist() == pytest.approx([9.0])


def test_a_curve_tells_what_is_not_served_where_anything_is_not() -> None:
    base = dataclasses.replace(island(), robustness={"beta": 0.0})
    table = ip.Curve(base, (base,)).table
    assert table["not_served_islanded_mwh"].tolist() == pytest.approx([6.0])
    assert curve_summary(table).splitlines()[0].endswith("not served islanded, MWh")
    assert "not served" not in curve_summary(table.assign(not_served_islanded_mwh=0.0))


# Documents


def test_documents_keep_what_is_served(tmp_path: Path) -> None:
    plan = island()
    loaded = ip.load_plan(ip.save_plan(plan, tmp_path / "plan.json"))
    assert loaded.ac is not None and loaded.ac.supply == plan.ac.supply
    pd.testing.assert_frame_equal(loaded.ac.buses, plan.ac.buses, check_dtype=False)
    assert ip.plan_to_dict(plan)["ac"]["supply"] == [dataclasses.asdict(supply(plan))]


def older(plan: Plan) -> Plan:
    """The plan from a document that was saved before it said what is served."""
    document = copy.deepcopy(ip.plan_to_dict(plan))
    for name in ("ac", "ac_forecast"):
        del document[name]["supply"]
        for row in document[name]["buses"]:
            del row["demand_mw"], row["served_mw"], row["idle"]
    return ip.plan_from_dict(document)


def test_older_documents_still_load_and_are_drawn() -> None:
    plan = older(island())
    assert plan.ac is not None and plan.ac.supply == () and not plan.ac.buses["idle"].any()
    assert "  served " not in summary(plan)
    assert not any(words.startswith("served") for words in texts(feeder_figure(plan)))
    assert pies(feeder_figure(plan)) == []
    assert check(plan).ac.supply == island().ac.supply


# Pictures


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for found in figure.legends for text in found.get_texts()]


def pies(figure: Figure) -> list[float]:
    """Shares of the full circle that slices fill, as drawn."""
    marks = [line.get_marker() for axes in figure.axes for line in axes.lines]
    rims = [mark.vertices for mark in marks if isinstance(mark, MarkPath)]
    return [area(rim) / np.pi for rim in rims]


def area(points: np.ndarray) -> float:
    x, y = points.T
    return float(abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2)


def test_a_bus_served_in_part_is_a_pie_and_a_dead_one_is_white() -> None:
    figure = feeder_figure(island())
    assert pies(figure) == pytest.approx([0.25], abs=1e-4)
    filled = [str(line.get_markerfacecolor()) for line in figure.axes[0].lines if line.get_marker() in ("o", "s")]
    assert "(1.0, 1.0, 1.0, 1.0)" in filled
    assert "served 5.00 of 10.00 MW at the peak; 9.00 of 15.00 MWh" in texts(figure)
    assert legend(figure) == [
        "widest at its rating", "closed by the plan", "opened by the plan", "substation", "DG",
        "forms the island's grid", "bus served in part", "bus without supply",
    ]  # fmt: skip


def test_another_period_is_told_apart_from_the_peak() -> None:
    figure = feeder_figure(island(), period=1)
    assert "served 4.00 of 5.00 MW in period 1; 9.00 of 15.00 MWh" in texts(figure)
    assert pies(figure) == []
    assert "bus served in part" not in legend(figure)


def test_a_source_that_gives_nothing_forms_no_visible_grid() -> None:
    figure = feeder_figure(dark())
    assert {"period 2, no supply", "served 0.00 of 10.00 MW at the peak; 0.00 of 15.00 MWh"} <= set(texts(figure))
    assert legend(figure) == [
        "line without supply", "opened by the plan", "substation", "DG", "bus without supply",
    ]  # fmt: skip
    colours = {str(line.get_markerfacecolor()) for line in figure.axes[0].lines if line.get_marker() in ("o", "s")}
    assert colours == {"(1.0, 1.0, 1.0, 1.0)", "none", "#2f855a"}, "white buses, their edges, and the badge of the DG"


def test_voltages_of_a_dead_island_are_not_drawn() -> None:
    figure = voltage_figure(dark())
    assert "no bus has supply" in texts(figure)
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["plan: no supply"]


def test_names_of_the_lowest_buses_do_not_overlap(tmp_path: Path) -> None:
    """Before and plan are the same, so that both names belong to one point but for a thousandth."""
    case = ip.load_case("ieee16")
    plan = ip.solve(case, "reconfiguration", time_limit_s=20.0)
    figure = voltage_figure(plan, base_state(case, periods=plan.model.periods))
    save_png(figure, tmp_path / "voltage.png", dpi=100)
    one, other = (text.get_window_extent() for text in figure.axes[0].texts if text.get_text().startswith("bus"))
    assert not one.overlaps(other)


def test_dispatch_picture_tells_what_is_served_and_lists_what_it_shows() -> None:
    figure = dispatch_figure(island())
    assert "served 5.00 of 10.00 MW at the peak; 9.00 of 15.00 MWh" in texts(figure)
    assert legend(figure) == ["load", "DG", "load not served"]
    assert legend(dispatch_figure(dark())) == ["load", "load not served"]


@pytest.mark.parametrize("draw", [feeder_figure, dispatch_figure])
def test_legends_lie_inside_the_picture(draw: Callable[[Plan], Figure], tmp_path: Path) -> None:
    figure = draw(island(ALL, (0.5, 0.5), 0.5))
    save_png(figure, tmp_path / "drawn.png", dpi=100)
    (box,) = (found.get_window_extent() for found in figure.legends)
    assert box.x0 >= 0.0 and box.y0 >= 0.0
    assert box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
