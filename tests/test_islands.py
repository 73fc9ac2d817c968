"""Islands by hand: inverters that give reactive power, a stated voltage, loops, must-take units, storage alone.

Every network is so small that its AC state is a quadratic equation. On 1 MVA and 10 kV the impedance base is 100 ohm.
"""

import math
from typing import Any

import numpy as np
import pytest

import igdt_planner as ip
from igdt_planner.plan import Plan
from igdt_planner.report.text import summary
from igdt_planner.sampled import forecast, operate_samples
from igdt_planner.sampled.realisations import worst
from igdt_planner.starved import starved

R = X = 0.02
"""Series impedance of a line, pu."""


def bus(number: int, p_mw: float = 0.0, q_mvar: float = 0.0, **cells: Any) -> dict[str, Any]:
    return {"id": number, "vn_kv": 10.0, "p_mw": p_mw, "q_mvar": q_mvar, "vm_min_pu": 0.9, "vm_max_pu": 1.1} | cells


def line(number: int, ends: tuple[int, int], share: float = 1.0, **cells: Any) -> dict[str, Any]:
    """A closed line of a share of the impedance ``R + jX``."""
    ohm = {"r_ohm": 100.0 * share * R, "x_ohm": 100.0 * share * X}
    return {"id": number, "from_bus": ends[0], "to_bus": ends[1], "in_service": True, "switchable": True} | ohm | cells


def network(buses: list[Any], lines: list[Any], hours: int = 1, **profile: float) -> dict[str, Any]:
    periods = [{"period": t + 1, "start_h": float(t), "duration_h": 1.0, "load": 1.0} | profile for t in range(hours)]
    substations = [{"bus": 1, "vm_pu": 1.0}]
    own: dict[str, Any] = {"buses": buses, "lines": lines, "substations": substations, "profile": periods}
    return {"name": "hand", "base_mva": 1.0, **own}


def island(**model: Any) -> dict[str, Any]:
    """A model of least energy not served in an island; keys of the mode under ``mode``."""
    mode = {"weight": 1.0} | model.pop("mode", {})
    own: dict[str, Any] = {"modes": {"islanded": mode}, "objective": [{"term": "ens", "mode": "islanded"}]}
    return {"name": "island", "unit": "MWh", **own} | model


def one(technology: dict[str, Any], at: int | None = None) -> dict[str, Any]:
    """At most one unit of a technology, at one bus or at any."""
    return {"max_units": 1, "technologies": [technology]} | ({"buses": [at]} if at else {})


def solve(case: dict[str, Any], model: dict[str, Any], status: str = "optimal") -> Plan:
    """A plan that AC accepts, whose bound is none above it."""
    plan = ip.solve(case, model, time_limit_s=10)
    assert plan.ac is not None and plan.ac.violations == ()
    assert plan.status == status and plan.bound is not None and plan.objective is not None
    assert plan.bound <= plan.objective + 1e-6
    return plan


def vm(plan: Plan, number: int) -> float:
    assert plan.ac is not None
    return float(plan.ac.buses.set_index("bus")["vm_pu"][number])


# One battery and two loads at power factor 0.894: 0.285 of 1.2 MWh come out of it.

BATTERY = {"name": "b", "p_mw": 0.15, "energy_mwh": 0.3, "eta_discharge": 0.95, "energy_start_mwh": 0.3}
TWO_LOADS = network([bus(1), bus(2, 0.1, 0.05), bus(3, 0.2, 0.1)], [line(1, (1, 2)), line(2, (2, 3))], hours=4)
POWER_FACTOR = 2.0 / math.sqrt(5.0)


@pytest.mark.parametrize(
    ("sn_mva", "served_mwh"),
    [(0.2, 0.285), (0.1, 0.285), (0.05, 4 * 0.05 * POWER_FACTOR)],
    ids=["energy ends it", "inverter below p_mw", "inverter ends it"],
)
def test_storage_alone_serves_reactive_load_within_its_inverter(sn_mva: float, served_mwh: float) -> None:
    plan = solve(TWO_LOADS, island(ess=one(BATTERY | {"sn_mva": sn_mva})))
    assert plan.objective == pytest.approx(1.2 - served_mwh, abs=1e-6)
    assert plan.dispatch is not None and plan.warnings == ()
    ess = plan.dispatch.ess
    assert ess["q_mvar"].tolist() == pytest.approx((0.5 * ess["p_discharge_mw"]).tolist(), abs=1e-6)
    assert np.hypot(ess["p_discharge_mw"], ess["q_mvar"]).max() <= sn_mva + 1e-6


def test_an_island_that_starves_for_reactive_power_says_so_where_nothing_is_built() -> None:
    plan = solve(TWO_LOADS, island(ess=one(BATTERY)))
    assert plan.objective == pytest.approx(1.2) and plan.ess.empty
    assert set(starved(plan)) <= set(plan.warnings)
    assert starved(plan) == (
        "islanded: no load that asks for reactive power is served: none comes from storage b (sn_mva is empty). "
        "State sn_mva, or set modes.islanded.reactive = false",
    )


def test_without_reactive_load_lines_still_ask_for_it() -> None:
    plan = solve(TWO_LOADS, island(ess=one(BATTERY), mode={"reactive": False}))
    assert plan.objective == pytest.approx(0.915)  # all of it at the bus of the battery
    (warning,) = starved(plan)
    assert "no unit serves more than its own bus, for lines ask for reactive power (x_ohm)" in warning


GAS = {"name": "gas", "p_mw": 0.5, "q_min_mvar": -0.5, "q_max_mvar": 0.5}


def test_of_two_islands_the_one_that_starves_is_named() -> None:
    sites = {"dg": [{"bus": 2, "technology": "gas"}], "ess": [{"bus": 3, "technology": "b"}]}
    model = island(dg=one(GAS), ess=one(BATTERY), fix=sites | {"open_lines": {"islanded": [2]}})
    plan = solve(TWO_LOADS, model)
    assert plan.objective == pytest.approx(0.8)
    (warning,) = starved(plan)
    assert warning.startswith("islanded, island of bus 3: no load that asks for reactive power is served: ")
    joined = solve(TWO_LOADS, island(dg=one(GAS), ess=one(BATTERY), fix=sites))
    assert joined.objective == pytest.approx(0.0, abs=1e-6) and starved(joined) == ()


def test_dg_without_reactive_range_starves_an_island_too() -> None:
    plan = solve(TWO_LOADS, island(dg=one({"name": "pv", "p_mw": 0.5})))
    assert starved(plan) == (
        "islanded: no load that asks for reactive power is served: none comes from DG pv (q_max_mvar is 0). "
        "State q_max_mvar, or set modes.islanded.reactive = false",
    )
    capacitive = network(
        [bus(1), bus(2, 0.1, -0.05, load_may_be_negative=True), bus(3, 0.2, 0.1)], [line(1, (1, 2)), line(2, (2, 3))]
    )
    assert starved(ip.solve(capacitive, island(dg=one({"name": "pv", "p_mw": 0.5})), time_limit_s=20)) == ()


def test_an_empty_battery_gives_reactive_power_when_connected() -> None:
    """Its 0.1 Mvar leave the line the active load alone: ``l v = p^2`` and ``1 = v + 2 r p + z^2 l`` at the load."""
    case = network([bus(1), bus(2, 0.1, 0.1)], [line(1, (1, 2))])
    model: dict[str, Any] = {"modes": {"connected": {"weight": 1.0}}, "name": "losses", "unit": "MWh"}
    model |= {"objective": [{"term": "losses", "mode": "connected"}]}
    plan = solve(case, model | {"ess": one(BATTERY | {"energy_start_mwh": 0.0, "sn_mva": 0.12})})
    assert plan.objective == pytest.approx(losses(0.1, 1.0), rel=1e-5)
    assert plan.dispatch is not None
    assert plan.dispatch.ess["q_mvar"].item() == pytest.approx(0.1, abs=2e-3)


def test_an_inverter_at_its_limit_lets_sun_out_where_the_voltage_is_high() -> None:
    """3 MW leave bus 2 or are stored, at 1.03 pu at most: the less is charged, the more vars the inverter takes.

    With ``P = 3 - c``, ``Q = -sqrt(sn^2 - c^2)`` and ``v l = P^2 + Q^2`` at bus 2: ``1 = v - 2 (r P + x Q) + z^2 l``. A
    relaxation would rather burn power in the line.
    """
    r, x, v, sn = 0.02, 0.05, 1.03**2, 0.335
    lines = [line(1, (1, 2), r_ohm=100.0 * r, x_ohm=100.0 * x)]
    case = network([bus(1), bus(2, vm_max_pu=1.03)], lines, pv=1.0, price_per_mwh=50.0)
    sun = {"name": "sun", "p_mw": 3.0, "must_take": True, "source": "pv"}
    store = {"name": "store", "p_mw": 1.0, "energy_mwh": 2.0, "sn_mva": sn}
    model: dict[str, Any] = {"modes": {"connected": {"weight": 1.0}}, "name": "sold", "unit": "money"}
    model |= {"objective": [{"term": "energy_cost", "mode": "connected"}], "dg": one(sun), "ess": one(store)}
    fixed = {"dg": [{"bus": 2, "technology": "sun"}], "ess": [{"bus": 2, "technology": "store"}]}
    low, high = 0.0, 0.06
    for _ in range(60):
        c = 0.5 * (low + high)
        p, q = 3.0 - c, -math.sqrt(sn**2 - c**2)
        current = (p**2 + q**2) / v
        low, high = (low, c) if v - 2.0 * (r * p + x * q) + (r**2 + x**2) * current > 1.0 else (c, high)
    assert 0.01 < c < 0.05
    plan = ip.solve(case, model | {"fix": fixed}, time_limit_s=10)
    assert plan.ac is not None and plan.ac.violations == ()
    assert plan.objective == pytest.approx(-50.0 * (p - r * current), rel=1e-6)
    assert plan.dispatch is not None
    found = plan.dispatch.ess.iloc[0]
    assert (found["p_charge_mw"], found["q_mvar"]) == pytest.approx((c, q), abs=1e-5)


def voltage_at_load(p: float, vm_pu: float, r: float = R) -> float:
    """Squared voltage of a load without vars behind ``r + jr`` from a bus at ``vm_pu``."""
    free = vm_pu**2 - 2.0 * r * p
    return 0.5 * (free + math.sqrt(free**2 - 8.0 * r**2 * p**2))


def losses(p: float, vm_pu: float, r: float = R) -> float:
    return r * p**2 / voltage_at_load(p, vm_pu, r)


# A stated voltage: the grid-forming bus holds it.

ONE_LOAD = network([bus(1), bus(2), bus(3, 0.4, vm_min_pu=0.98)], [line(1, (1, 2)), line(2, (2, 3))])


def voltages(**mode: float) -> Plan:
    """Gas at bus 2 serves bus 3 at least losses, or sheds what its voltage does not allow."""
    terms = [{"term": "ens", "mode": "islanded"}, {"term": "losses", "mode": "islanded", "weight": 0.1}]
    return solve(ONE_LOAD, island(dg=one(GAS, at=2), objective=terms, mode=mode))


def test_without_a_set_point_the_voltage_of_an_island_is_free() -> None:
    plan = voltages()
    assert vm(plan, 2) == pytest.approx(1.1, abs=1e-5)  # losses are least there
    assert "1.1000 pu at grid-forming buses, free within their limits" in summary(plan)
    assert vm(plan, 3) == pytest.approx(math.sqrt(voltage_at_load(0.4, 1.1)), abs=1e-5)


def test_the_grid_forming_bus_holds_its_set_point() -> None:
    plan = voltages(vm_pu=1.03)
    assert plan.dispatch is not None and plan.dispatch.sources["vm_pu"].tolist() == [1.03]
    assert "1.0300 pu at the grid-forming bus, as modes.islanded.vm_pu states" in summary(plan)
    assert vm(plan, 3) == pytest.approx(math.sqrt(voltage_at_load(0.4, 1.03)), abs=1e-6)
    assert plan.objective == pytest.approx(0.1 * losses(0.4, 1.03), rel=1e-4)


def test_a_low_set_point_costs_load() -> None:
    """At 0.985 pu the voltage of 0.98 at the load leaves ``z^2 p^2 / v + 2 r p = 0.985^2 - v``."""
    plan = voltages(vm_pu=0.985)
    v = 0.98**2
    a, b, c = 2.0 * R**2 / v, 2.0 * R, v - 0.985**2
    served = (-b + math.sqrt(b**2 - 4.0 * a * c)) / (2.0 * a)
    assert plan.ac is not None
    assert plan.ac.terms[0].value == pytest.approx(0.4 - served, abs=1e-4)
    assert vm(plan, 3) == pytest.approx(0.98, abs=1e-5)


def test_storage_that_forms_a_grid_holds_the_set_point() -> None:
    plan = solve(TWO_LOADS, island(ess=one(BATTERY | {"sn_mva": 0.2}), mode={"vm_pu": 1.02}))
    assert plan.objective == pytest.approx(0.915, abs=1e-6)
    assert plan.dispatch is not None and set(plan.dispatch.sources["vm_pu"]) == {1.02}


def test_storage_leaves_the_set_point_to_a_dg_of_its_island() -> None:
    sites = {"dg": [{"bus": 2, "technology": "gas"}], "ess": [{"bus": 3, "technology": "b"}]}
    model = island(dg=one(GAS), ess=one(BATTERY | {"sn_mva": 0.2}), mode={"vm_pu": 1.0}, fix=sites)
    joined = solve(TWO_LOADS, model | {"fix": sites | {"open_lines": {"islanded": []}}})
    assert joined.dispatch is not None and set(joined.dispatch.sources["bus"]) == {2}
    apart = solve(TWO_LOADS, model | {"fix": sites | {"open_lines": {"islanded": [2]}}})
    assert apart.dispatch is not None and set(apart.dispatch.sources["bus"]) == {2, 3}
    assert apart.objective == pytest.approx(0.8 - 0.285, abs=1e-6)


# Loops: the same rules, and the state of a network with a loop.

RING = network(
    [bus(1), bus(2), bus(3, 0.4)], [line(1, (2, 3)), line(2, (2, 1), 0.5), line(3, (1, 3), 0.5, in_service=False)]
)
"""Two ways of equal impedance from bus 2 to bus 3: together they are half of one."""
LEAST_LOSSES = [{"term": "ens", "mode": "islanded"}, {"term": "losses", "mode": "islanded", "weight": 0.1}]


@pytest.mark.parametrize(("radial", "r"), [(True, R), (False, 0.5 * R)], ids=["radial", "loop"])
def test_a_loop_halves_the_losses(radial: bool, r: float) -> None:
    mode = {"radial": radial, "vm_pu": 1.0}
    plan = solve(RING, island(dg=one(GAS, at=2), objective=LEAST_LOSSES, mode=mode))
    assert len(plan.open_lines["islanded"][1]) == int(radial)
    assert plan.ac is not None
    assert [term.value for term in plan.ac.terms] == pytest.approx([0.0, losses(0.4, 1.0, r)], abs=1e-6)
    assert vm(plan, 3) == pytest.approx(math.sqrt(voltage_at_load(0.4, 1.0, r)), abs=1e-6)


def test_flows_in_a_loop_follow_impedances_where_losses_would_rather_not() -> None:
    """Two ways from bus 2 to 3: ``0.02 + 0.02j`` and, by bus 1, ``0.02 + 0.08j``; losses alone would halve the flow."""
    lines = [line(1, (2, 3)), line(2, (2, 1), 0.5), line(3, (1, 3), 0.5, x_ohm=7.0, in_service=False)]
    case = network([bus(1), bus(2), bus(3, 0.4)], lines)
    fixed = {"open_lines": {"islanded": []}}
    mode = {"radial": False, "vm_pu": 1.0}
    plan = solve(case, island(dg=one(GAS, at=2), objective=LEAST_LOSSES, mode=mode, fix=fixed), "feasible")
    direct, around = 0.02 + 0.02j, 0.02 + 0.08j
    v = 1.0 + 0.0j
    for _ in range(50):
        v = 1.0 - (0.4 / v).conjugate() * direct * around / (direct + around)
    current = (0.4 / v).conjugate()
    lost = 0.02 * sum(abs(current * other / (direct + around)) ** 2 for other in (direct, around))
    assert plan.ac is not None and plan.ac.terms[1].value == pytest.approx(lost, abs=1e-7)
    assert plan.model_objective == pytest.approx(0.1 * lost, rel=1e-5)


@pytest.mark.parametrize("radial", [True, False])
def test_storage_alone_forms_a_grid_with_or_without_loops(radial: bool) -> None:
    """0.15 MW leave bus 2 at 1.1 pu; what reaches bus 3 is short of it by the losses there."""
    battery = BATTERY | {"sn_mva": 0.2}
    r = R if radial else 0.5 * R
    plan = solve(RING, island(ess=one(battery, at=2), mode={"radial": radial}))
    arriving = 0.15
    for _ in range(50):
        arriving = 0.15 - losses(arriving, 1.1, r)
    assert plan.objective == pytest.approx(0.4 - arriving, abs=2e-6)


# Must-take: what is live takes all of it, or is dead.

SUN = {"name": "sun", "p_mw": 0.3, "must_take": True, "grid_forming": False}
STORE = {"name": "store", "p_mw": 0.2, "energy_mwh": 1.0, "energy_start_mwh": 0.1, "sn_mva": 0.25}
SUN_AT_2 = {"dg": [{"bus": 2, "technology": "sun"}]}


@pytest.mark.parametrize("radial", [True, False])
@pytest.mark.parametrize(
    ("load_mw", "store", "charge_mw", "unserved_mwh"),
    [
        (0.2, STORE, 0.1, 0.0),
        (0.4, STORE, -0.095, 0.005),
        (0.05, STORE, 0.0, 0.05),
        (0.2, STORE | {"p_mw": 0.05}, 0.0, 0.2),
    ],
    ids=["surplus is stored", "0.095 MWh come out of it", "more surplus than storage takes", "storage too small"],
)
def test_must_take_units_of_an_island_with_storage(
    radial: bool, load_mw: float, store: dict[str, Any], charge_mw: float, unserved_mwh: float
) -> None:
    case = network(
        [bus(1), bus(2, load_mw), bus(3)], [line(1, (1, 2)), line(2, (2, 3)), line(3, (1, 3), in_service=False)], pv=1.0
    )
    units = {"dg": one(SUN | {"source": "pv"}), "ess": one(store, at=2)}
    surplus_in_loops = not radial and charge_mw == 0.0  # which a relaxation burns in lines, so that its bound stays low
    status = "feasible" if surplus_in_loops else "optimal"
    plan = solve(case, island(**units, fix=SUN_AT_2, mode={"radial": radial}), status)
    assert plan.objective == pytest.approx(unserved_mwh, abs=1e-6)
    assert plan.dispatch is not None
    net = plan.dispatch.ess["p_charge_mw"].sum() - plan.dispatch.ess["p_discharge_mw"].sum()
    assert net == pytest.approx(charge_mw, abs=1e-6)


# Uncertain load: reactive power of storage follows it.

SMALL_GAS = GAS | {"p_mw": 0.2, "q_min_mvar": 0.0, "q_max_mvar": 0.02}


@pytest.mark.parametrize(
    "mode", [pytest.param({}, id="voltage free"), pytest.param({"vm_pu": 1.05}, id="set point", marks=pytest.mark.slow)]
)
def test_reactive_power_of_storage_follows_the_samples(mode: dict[str, float]) -> None:
    """The schedule of storage stands before the load is known; what its inverter has left does not."""
    uncertain = [{"quantity": "load", "direction": "up", "physical_max": 1.5}]
    sites = {"dg": [{"bus": 2, "technology": "gas"}], "ess": [{"bus": 3, "technology": "b"}]}
    fixed = sites | {"open_lines": {"islanded": []}}
    model = island(dg=one(SMALL_GAS), ess=one(BATTERY | {"sn_mva": 0.2}), fix=fixed, uncertain=uncertain, mode=mode)
    plan = ip.robust(TWO_LOADS, model, budget=0.35, time_limit_s=20)
    assert plan.ac is not None and plan.ac.verdict == "feasible" and plan.robustness["alpha"] > 0.0
    assert plan.dispatch is not None and plan.dispatch_forecast is not None
    assert plan.dispatch.ess["q_mvar"].sum() > 0.1
    for samples, objective in ((forecast(plan), plan.robustness["objective_forecast"]), (worst(plan), plan.objective)):
        found = operate_samples(plan, samples)
        assert found.objective.tolist() == pytest.approx([objective], rel=1e-4)
        assert not found.broken.any()
    held = {float(vm_pu) for dispatch in (plan.dispatch, plan.dispatch_forecast) for vm_pu in dispatch.sources["vm_pu"]}
    assert not mode or held == {1.05}
    seen = ip.evidence(plan, samples=200, seed=1)
    assert seen.holds
