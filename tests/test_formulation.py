"""The formulation against what it must be: golden rows, invariance, and the relaxation property.

``UPDATE_GOLDEN=1 pytest tests/test_formulation.py`` writes the golden files anew; read each changed row against the
equation of its tag in ``models/README.md`` before you commit it.
"""

import os
from functools import cache
from pathlib import Path

import pyomo.environ as pyo
import pytest
from golden.studies import tiny
from golden.writer import rows

from igdt_planner.formulation import Formulation, build

GOLDEN = Path(__file__).parent / "golden"

ROWS = {
    "S1": "dg_count both",
    "S2": "ess_count both",
    "S3": "dg_one_per_bus both",
    "S4": "ess_one_per_bus both",
    "R1": "one_parent both",
    "R2": "arc_switch both",
    "R3": "commodity_balance both",
    "R4": "commodity_upper both",
    "R5": "commodity_lower switching",
    "I1": "root_needs_source both meshed",
    "I2": "energised_tree both",
    "I3": "energised_mesh meshed",
    "I4": "island_commodity both",
    "I5": "island_commodity_root both",
    "I6": "commodity_upper_island both",
    "I7": "arc_switch_island both",
    "I8": "mesh_switch meshed",
    "I9": "energised_alike both",
    "I10": "dead_is_shed both robust",
    "F1": "balance_p both one_way robust",
    "F2": "balance_q both one_way meshed robust",
    "F3": "voltage_drop_upper both one_way",
    "F4": "voltage_drop_lower both one_way",
    "F5": "p_open_forward robust one_way",
    "F6": "p_open_reverse robust one_way",
    "F7": "q_open_forward robust one_way",
    "F8": "q_open_reverse robust one_way",
    "L1": "current_open both one_way",
    "L2": "loss_tangent both one_way",
    "D1": "dg_available both meshed robust",
    "D2": "dg_q_upper robust",
    "D3": "dg_q_lower robust",
    "D4": "shed_limit switching robust",
    "D5": "rating one_way",
    "D6": "switched_on switching",
    "D7": "switched_off switching",
    "D8": "switching_limit switching",
    "D9": "voltage_below switching",
    "D10": "voltage_above switching",
    "B1": "charge_limit both",
    "B2": "discharge_limit both",
    "B3": "energy_limit both",
    "B4": "energy_recursion both",
    "B5": "energy_end both meshed",
    "B6": "charge_or meshed",
    "B7": "or_discharge meshed",
    "C0": "objective both switching",
    "C1": "losses both",
    "C2": "ens both",
    "C3": "lost_load_cost switching",
    "C4": "energy_cost both",
    "C5": "generation_cost both",
    "C6": "investment_cost both",
    "C7": "emissions both",
    "C8": "voltage_deviation switching",
    "C9": "switching switching",
    "C10": "p_injection both",
    "C11": "q_injection both",
    "G1": "dg_capacity robust opportunity",
    "G2": "alpha_built_upper robust",
    "G3": "alpha_built_alpha robust",
    "G4": "alpha_built_lower robust",
    "G5": "within_budget robust",
    "G6": "objective robust opportunity",
}
"""Tag: component, and the tiny studies whose rows stand in its golden file."""


@cache
def written(name: str) -> Formulation:
    return build(tiny(name))


@pytest.mark.parametrize("tag", ROWS)
def test_rows_are_the_golden_rows(tag: str) -> None:
    component, *studies = ROWS[tag].split()
    lines = [f"\\ {tag} {component}"]
    for study in studies:
        lines += ["", f"\\ study {study}", *rows(written(study), component)]
    text = "\n".join(lines) + "\n"
    path = GOLDEN / f"{tag}.lp"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_every_constraint_of_the_tiny_studies_is_golden() -> None:
    golden = {entry.split()[0] for entry in ROWS.values()}
    names = ("both", "switching", "one_way", "meshed", "robust", "opportunity")
    components = [part for name in names for part in written(name).model.component_objects(pyo.Constraint)]
    assert {part.local_name for part in components} <= golden
    assert {path.stem for path in GOLDEN.glob("*.lp")} == set(ROWS)
