"""The shipped cases give the values of their reference.toml, and cases survive the trip through the inline form."""

import itertools
import json
import math
import os
import tomllib
from collections.abc import Collection, Mapping
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import power_grid_model as pgm
import pytest
from power_grid_model.errors import IterationDiverge
from scipy.optimize import linprog

from igdt_planner.case import Case, case_to_dict, list_cases, load_case
from igdt_planner.errors import InputError
from igdt_planner.model import Model
from igdt_planner.network import base_open_lines, count_radial_topologies, is_radial, parents

NAMES = ["feeder4", "ieee16", "ieee33", "ieee33_14sw", "ieee69"]
FOLDER = Path(str(resources.files("igdt_planner.cases")))


def reference(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / name / "reference.toml").read_text(encoding="utf-8"))


def sweep(case: Case, open_lines: Collection[int], load: float) -> tuple[float, pd.Series]:
    """Losses in kW and voltages of a radial network by backward-forward sweep, in kV, kA and MVA per phase-to-phase."""
    buses, lines = case.buses.set_index("id"), case.lines.set_index("id")
    tree = parents(case, open_lines)
    power = {bus: load * complex(row.p_mw, row.q_mvar) for bus, row in buses.iterrows()}
    start = buses["vn_kv"].astype(complex)
    for source in case.substations.itertuples():
        start[source.bus] *= source.vm_pu
    impedance = {bus: complex(lines.at[line, "r_ohm"], lines.at[line, "x_ohm"]) for bus, (_, line) in tree.items()}
    voltage = dict(start)
    for _ in range(60):
        current = {bus: np.conj(power[bus] / voltage[bus]) for bus in tree}
        for bus, (parent, _) in reversed(tree.items()):
            if parent in tree:
                current[parent] += current[bus]
        for bus, (parent, _) in tree.items():
            voltage[bus] = voltage[parent] - impedance[bus] * current[bus]
    losses_mw = sum(impedance[bus].real * abs(current[bus]) ** 2 for bus in tree)
    return 1e3 * losses_mw, abs(pd.Series(voltage)) / buses["vn_kv"]


def power_grid_model_losses_kw(case: Case, open_lines: Collection[int], load: float) -> float:
    buses, lines = case.buses, case.lines
    node = pgm.initialize_array("input", "node", len(buses))
    node["id"], node["u_rated"] = buses["id"], 1e3 * buses["vn_kv"]
    line = pgm.initialize_array("input", "line", len(lines))
    line["id"], line["from_node"], line["to_node"] = 1000 + lines["id"], lines["from_bus"], lines["to_bus"]
    line["from_status"] = line["to_status"] = ~lines["id"].isin(list(open_lines))
    line["r1"], line["x1"], line["c1"], line["tan1"] = lines["r_ohm"], lines["x_ohm"], 0.0, 0.0
    demand = pgm.initialize_array("input", "sym_load", len(buses))
    demand["id"], demand["node"], demand["status"], demand["type"] = 2000 + buses["id"], buses["id"], 1, 0
    demand["p_specified"], demand["q_specified"] = 1e6 * load * buses["p_mw"], 1e6 * load * buses["q_mvar"]
    source = pgm.initialize_array("input", "source", len(case.substations))
    source["id"], source["node"] = 3000 + case.substations["bus"], case.substations["bus"]
    source["status"], source["u_ref"], source["sk"] = 1, case.substations["vm_pu"], 1e20
    grid = pgm.PowerGridModel({"node": node, "line": line, "sym_load": demand, "source": source})
    try:
        flow = grid.calculate_power_flow(error_tolerance=1e-10)["line"]
    except IterationDiverge:  # a topology too weak to carry the load
        return math.inf
    return float((flow["p_from"] + flow["p_to"]).sum() / 1e3)


def test_list_of_shipped_cases() -> None:
    assert list_cases() == NAMES


@pytest.mark.parametrize("name", NAMES)
class TestShippedCase:
    def test_says_where_it_comes_from(self, name: str) -> None:
        assert f"# {name}" in (FOLDER / name / "SOURCE.md").read_text(encoding="utf-8")
        assert load_case(name).name == name

    def test_totals(self, name: str) -> None:
        case, wanted = load_case(name), reference(name)["totals"]
        assert (len(case.buses), len(case.lines)) == (wanted["buses"], wanted["lines"])
        assert case.buses["p_mw"].sum() == pytest.approx(wanted["p_mw"])
        assert case.buses["q_mvar"].sum() == pytest.approx(wanted["q_mvar"])

    def test_base_losses_and_lowest_voltage(self, name: str) -> None:
        case, wanted = load_case(name), reference(name)["base"]
        flows = [sweep(case, base_open_lines(case), load) for load in case.profile["load"]]
        assert [losses for losses, _ in flows] == pytest.approx(wanted["losses_kw"], abs=1e-4)
        lowest = min((voltage for _, voltage in flows), key=min)
        assert (lowest.min(), lowest.idxmin()) == (pytest.approx(wanted["vm_min_pu"], abs=1e-6), wanted["vm_min_bus"])

    def test_base_losses_against_power_grid_model(self, name: str) -> None:
        case, wanted = load_case(name), reference(name)["base"]
        losses = [power_grid_model_losses_kw(case, base_open_lines(case), load) for load in case.profile["load"]]
        assert losses == pytest.approx(wanted["losses_kw"], abs=1e-4)

    def test_number_of_radial_topologies(self, name: str) -> None:
        assert count_radial_topologies(load_case(name)) == reference(name)["topologies"]["radial"]

    def test_best_switching(self, name: str) -> None:
        case, wanted = load_case(name), reference(name)["best_switching"]
        losses, voltage = sweep(case, wanted["open_lines"], load=1.0)
        assert (losses, voltage.min()) == (
            pytest.approx(wanted["losses_kw"], abs=1e-4),
            pytest.approx(wanted["vm_min_pu"], abs=1e-6),
        )

    def test_no_single_exchange_improves_the_best_switching(self, name: str) -> None:
        case, best = load_case(name), reference(name)["best_switching"]
        closed = set(case.lines.loc[case.lines["switchable"], "id"]) - set(best["open_lines"])
        exchanges = [
            {*best["open_lines"], closes} - {opens}
            for opens, closes in itertools.product(best["open_lines"], sorted(closed))
        ]
        radial = [open_lines for open_lines in exchanges if is_radial(case, open_lines)]
        assert radial
        for open_lines in radial[:: max(1, len(radial) // 40)]:
            assert power_grid_model_losses_kw(case, open_lines, load=1.0) > best["losses_kw"] - 1e-4

    def test_inline_form_and_back(self, name: str) -> None:
        case = load_case(name)
        inline = json.loads(json.dumps(case_to_dict(case), allow_nan=False))
        again = load_case(inline)
        assert case_to_dict(again) == inline
        for table in ("buses", "lines", "substations", "profile"):
            pd.testing.assert_frame_equal(getattr(again, table), getattr(case, table))


def test_best_switching_of_16_buses_is_the_best_of_all() -> None:
    case, best = load_case("ieee16"), reference("ieee16")["best_switching"]
    radial = [choice for choice in itertools.combinations(case.lines["id"], 3) if is_radial(case, choice)]
    losses = {choice: power_grid_model_losses_kw(case, choice, load=1.0) for choice in radial}
    assert min(losses, key=lambda choice: losses[choice]) == tuple(best["open_lines"])


def test_14_switches_are_the_only_difference() -> None:
    all_switches, few = load_case("ieee33"), load_case("ieee33_14sw")
    pd.testing.assert_frame_equal(all_switches.buses, few.buses)
    pd.testing.assert_frame_equal(all_switches.lines.drop(columns="switchable"), few.lines.drop(columns="switchable"))
    switches = few.lines.loc[few.lines["switchable"], "id"].tolist()
    assert switches == [4, 7, 9, 14, 18, 20, 23, 27, 32, 33, 34, 35, 36, 37]


# feeder4: the steps of its SOURCE.md, in exact fractions

LOADS = {2: Fraction(2), 3: Fraction(4), 4: Fraction(4)}
SHARE = {1: Fraction(1, 2), 2: Fraction(1)}
MW_PER_SQUARE = Fraction(125, 1_000_000)
RATING = Fraction(5)


def squares(open_line: int, load: Fraction, dg_bus: int | None, dg_limit: Fraction) -> Fraction:
    """Sum of P^2 over the lines of the ring at the best output of the DG, in MW^2."""
    clockwise = list(range(2, open_line + 1))  # lines 1, 2, 3 feed buses 2, 3, 4; line 4 feeds bus 4 backwards
    backwards = list(range(4, open_line, -1))
    total = Fraction(0)
    for buses in (clockwise, backwards):
        flows = [sum(LOADS[bus] * load for bus in buses[k:]) for k in range(len(buses))]
        relieved = buses.index(dg_bus) + 1 if dg_bus in buses else 0
        mean = sum(flows[:relieved]) / relieved if relieved else Fraction(0)
        output = min(mean, dg_limit)
        total += sum((flow - output) ** 2 for flow in flows[:relieved]) + sum(flow**2 for flow in flows[relieved:])
    return total


def losses_mwh(open_line: int, dg_bus: int | None = None, available: Fraction = Fraction(1)) -> Fraction:
    return MW_PER_SQUARE * sum(squares(open_line, load, dg_bus, RATING * available) for load in SHARE.values())


def test_feeder4_switching() -> None:
    wanted = reference("feeder4")["hand_switching"]
    by_line = {line: float(losses_mwh(line)) for line in (1, 2, 3, 4)}
    assert by_line[4] == pytest.approx(wanted["base_losses_mwh"])
    assert min(by_line, key=lambda line: by_line[line]) == wanted["open_lines"][0]
    assert min(by_line.values()) == pytest.approx(wanted["losses_mwh"])


def test_feeder4_siting() -> None:
    wanted = reference("feeder4")["hand_connected"]
    table = {(line, bus): losses_mwh(line, bus) for line in (1, 2, 3, 4) for bus in LOADS}
    assert [float(table[2, bus] / MW_PER_SQUARE) for bus in LOADS] == [100.0, 17.0, 34.0]
    best = min(table, key=lambda choice: table[choice])
    assert best == (wanted["open_lines"][0], wanted["dg_bus"])
    assert float(table[best]) == pytest.approx(wanted["losses_mwh"])


@pytest.mark.parametrize(("kind", "sign", "k"), [("robust", -1, 0), ("robust", -1, 1), ("opportunity", 1, 0)])
def test_feeder4_alpha_of_siting(kind: str, sign: int, k: int) -> None:
    """At the hand alpha the best plan costs exactly the budget, and no other plan costs as little."""
    wanted = reference("feeder4")["hand_connected"][kind][k]
    available = 1 + sign * Fraction(str(wanted["alpha"]))
    table = {(line, bus): losses_mwh(line, bus, available) for line in (1, 2, 3, 4) for bus in LOADS}
    best = min(table, key=lambda choice: table[choice])
    assert best == (wanted["open_lines"][0], wanted["dg_bus"])
    assert float(table[best]) == pytest.approx(wanted["budget_mwh"], rel=1e-12)


def test_feeder4_reversal_of_preference() -> None:
    assert (
        losses_mwh(2, 3, Fraction(725, 1000))
        == losses_mwh(3, 3, Fraction(725, 1000))
        == MW_PER_SQUARE * Fraction("26.28125")
    )


def ens_mwh(dg: float, load: float, storage: bool = True) -> float:
    """Least energy not served of the islanded ring as a linear program over charge, discharge and shedding."""
    charge, give = 0.8, 0.75 if storage else 0.0
    cost = [0, 0, 0, 1, 1]  # p_charge in period 1, p_discharge in period 2, unused DG in period 1, shed in 1 and 2
    balance = [[1, 0, 1, -1, 0], [0, -1, 0, 0, -1]]
    supply = [7 * dg - 5 * load, 7 * dg - 10 * load]
    limits = [(0, 3.0), (0, 3.0), (0, None), (0, None), (0, None)]
    store = [[-charge, 1 / give if storage else 1e9, 0, 0, 0], [charge, 0, 0, 0, 0]]
    equal = {"A_eq": [balance[0]], "b_eq": [supply[0]]}
    met = [balance[1]]
    result = linprog(cost, A_ub=store + met, b_ub=[0.0, 3.0, supply[1]], bounds=limits, **equal)
    assert result.success
    return float(result.fun)


def test_feeder4_energy_not_served() -> None:
    wanted = reference("feeder4")["hand_islanded"]
    assert ens_mwh(1.0, 1.0) == pytest.approx(wanted["ens_mwh"])
    assert ens_mwh(1.0, 1.0, storage=False) == pytest.approx(wanted["ens_without_storage_mwh"])


@pytest.mark.parametrize(
    ("kind", "sign", "k"), [("robust", 1, 0), ("robust", 1, 1), ("robust", 1, 2), ("opportunity", -1, 0)]
)
def test_feeder4_alpha_islanded(kind: str, sign: int, k: int) -> None:
    islanded = reference("feeder4")["hand_islanded"]
    wanted = islanded[kind][k]
    alpha, uncertain = sign * wanted["alpha"], wanted["uncertain"]
    dg = 1.0 - alpha if "dg_availability" in uncertain else 1.0
    load = 1.0 + alpha if "load" in uncertain else 1.0
    assert ens_mwh(dg, load) == pytest.approx(wanted["budget_mwh"])
    assert wanted["budget_mwh"] == pytest.approx((1 + sign * wanted["beta"]) * islanded["ens_mwh"])


def test_feeder4_hand_losses_agree_with_ac() -> None:
    case, connected = load_case("feeder4"), reference("feeder4")["hand_connected"]
    losses_kwh = 0.0
    for load, dg_mw in ((0.5, 3.0), (1.0, 5.0)):
        buses = case.buses.assign(load_may_be_negative=True)
        buses.loc[buses["id"] == connected["dg_bus"], ["p_mw", "q_mvar"]] -= [dg_mw / load, dg_mw / load / 2]
        losses_kwh += sweep(load_case(case_to_dict(case) | {"buses": records(buses)}), connected["open_lines"], load)[0]
    assert losses_kwh == pytest.approx(1e3 * connected["losses_mwh"], rel=0.01)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{key: None if value != value else value for key, value in row.items()} for row in frame.to_dict("records")]


@pytest.mark.parametrize("name", ["hand_switching", "hand_connected", "hand_islanded"])
def test_feeder4_hand_models_are_models(name: str) -> None:
    model = Model(**tomllib.loads((FOLDER / "feeder4" / f"{name}.toml").read_text(encoding="utf-8")))
    assert model.name == name


# load_case


def minimal() -> dict[str, Any]:
    """The smallest inline case, without optional fields."""
    limits = {"vn_kv": 10.0, "vm_min_pu": 0.9, "vm_max_pu": 1.1, "q_mvar": 0.0}
    line = {"id": 7, "from_bus": 1, "to_bus": 2, "r_ohm": 0.1, "x_ohm": 0.1, "in_service": True, "switchable": False}
    return {
        "name": "minimal",
        "base_mva": 1,
        "buses": [{"id": 1, "p_mw": 0.0} | limits, {"id": 2, "p_mw": 1.0} | limits],
        "lines": [line],
        "substations": [{"bus": 1, "vm_pu": 1.0}],
        "profile": [{"period": 1, "start_h": 0, "duration_h": 1, "load": 1}],
    }


def test_optional_fields_have_the_documented_defaults() -> None:
    case = load_case(minimal())
    bus = case.buses.iloc[1]
    assert (case.title, case.currency, case.accept_implausible) == ("", "USD", False)
    assert (bus["name"], bus["priority"], bus["value_of_lost_load_per_mwh"], bus["load_may_be_negative"]) == (
        "",
        1,
        0,
        False,
    )
    assert np.isnan([bus["x"], bus["y"], case.lines.at[0, "max_i_ka"]]).all()
    assert case.profile.loc[0, ["dg", "price_per_mwh", "emissions_t_per_mwh"]].tolist() == [1.0, 0.0, 0.0]


def test_column_types_do_not_depend_on_how_numbers_were_written() -> None:
    case = load_case(minimal())
    assert (case.lines["id"].dtype, case.profile["load"].dtype, case.lines["switchable"].dtype) == (
        "int64",
        "float64",
        "bool",
    )
    assert isinstance(case.base_mva, float)


def test_a_case_passes_through() -> None:
    case = load_case("feeder4")
    assert load_case(case) is case


def test_loading_leaves_the_inline_form_alone() -> None:
    given, untouched = minimal(), minimal()
    load_case(given)
    assert given == untouched


def test_a_folder_by_text_and_by_path() -> None:
    for source in (str(FOLDER / "feeder4"), FOLDER / "feeder4"):
        assert case_to_dict(load_case(source)) == case_to_dict(load_case("feeder4"))


def test_a_shipped_name_wins_over_a_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "feeder4").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_case("feeder4").name == "feeder4"
    for folder in (Path("feeder4"), f".{os.sep}feeder4"):
        with pytest.raises(InputError, match=r"case\.toml: there is no such file"):
            load_case(folder)


def test_waived_plausibility_survives_the_inline_form() -> None:
    odd: Mapping[str, Any] = minimal() | {"accept_implausible": True}
    assert case_to_dict(load_case(odd))["accept_implausible"] is True
    assert "accept_implausible" not in case_to_dict(load_case(minimal()))
