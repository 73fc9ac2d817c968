"""Rows of a formulation as text that can be read and compared: sorted, with nine significant digits."""

import re
from collections.abc import Iterator
from typing import Any

import pyomo.environ as pyo
from pyomo.repn import generate_standard_repn

from igdt_planner.formulation import Formulation
from igdt_planner.formulation.cost import TERMS, investment_cost

MODE = re.compile(r"mode\[(\w+)\]\.")
ROUNDING = 1e-15


def rows(formulation: Formulation, name: str) -> list[str]:
    """Every row of the constraint, expression or objective term called ``name``, in every block that has it."""
    model = formulation.model
    texts = list(term_rows(model, name))
    further = [block for scenario in model.further.values() for block in (scenario, *scenario.mode.values())]
    for block in (model, *model.mode.values(), *further):
        part = block.component(name)
        if part is not None and part.ctype is not pyo.Var:
            texts += [row(short(part[index].name), part[index]) for index in sorted(part, key=natural)]
    return texts


def term_rows(model: Any, name: str) -> Iterator[str]:
    """The objective term called ``name`` in every mode that the objective names."""
    if name == "investment_cost":
        yield expression("investment_cost", investment_cost(model))
    elif name in TERMS:
        modes = [term.mode for term in model.study.model.objective if term.term == name]
        yield from (expression(f"{mode}.{name}", TERMS[name](model.mode[mode])) for mode in modes)


def row(label: str, data: Any) -> str:
    """``label: terms <= constant`` of a constraint, ``label: terms + constant`` of an expression or objective."""
    if data.ctype is not pyo.Constraint:
        return expression(label, data.expr)
    repn = generate_standard_repn(data.body, quadratic=False)
    assert repn.is_linear(), f"{label} is not linear"
    lower, upper = (None if bound is None else pyo.value(bound) for bound in (data.lower, data.upper))
    sense = "=" if lower == upper else "<=" if lower is None else ">="
    bound = (upper if lower is None else lower) - repn.constant
    return f"{label}: {linear(repn, label)} {sense} {number(bound)}"


def expression(label: str, expr: Any) -> str:
    """``label: terms + constant``."""
    repn = generate_standard_repn(expr, quadratic=False)
    assert repn.is_linear(), f"{label} is not linear"
    constant = f" + {number(repn.constant)}" if repn.constant else ""
    return f"{label}: {linear(repn, label)}{constant}"


def linear(repn: Any, label: str) -> str:
    """Terms in the order of their names; variables of the row's own block without its name."""
    home = label.rpartition(".")[0] + "."
    pairs = zip(repn.linear_coefs, repn.linear_vars, strict=True)
    terms = {short(variable.name).removeprefix(home): coefficient for coefficient, variable in pairs}
    parts = [term(terms[name], name) for name in sorted(terms, key=natural) if abs(terms[name]) > ROUNDING]
    return " ".join(parts).removeprefix("+ ") or "0"


def term(coefficient: float, name: str) -> str:
    """``+ 0.5 name``, ``- name``."""
    size = number(abs(coefficient))
    return f"{'-' if coefficient < 0 else '+'} {'' if size == '1' else size + ' '}{name}"


def number(value: float) -> str:
    """Nine significant digits, and 0 for what is 0 up to rounding."""
    return f"{value if abs(value) > ROUNDING else 0.0:.9g}"


def short(name: str) -> str:
    """``connected.line_on[1,1]`` for ``mode[connected].line_on[1,1]``."""
    return MODE.sub(r"\1.", name)


def natural(key: object) -> list[tuple[int, int | str]]:
    """Sort key by which 2 comes before 10."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", str(key))]
