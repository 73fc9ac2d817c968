"""A plan as one JSON document, and back. Plain values only; null where there is no number."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from igdt_planner.case import case_to_dict, load_case
from igdt_planner.errors import InputError
from igdt_planner.model import load_model
from igdt_planner.plan import (
    AcVerdict,
    Dispatch,
    Factors,
    Plan,
    Realisation,
    StepTried,
    Supply,
    TermValue,
    Topology,
    Violation,
)
from igdt_planner.report.files import write_whole
from igdt_planner.results.document_schema import require_plan_document

SCHEMA = "igdt-planner/1"
ROBUST_FIELDS = (
    "alpha",
    "alpha_bound",
    "alpha_floor",
    "alpha_limit",
    "beta",
    "base_objective",
    "base_bound",
    "base_gap",
    "budget",
    "objective_forecast",
    "same_as_baseline",
    "in_words",
    "worst_case",
)


def plan_to_dict(plan: Plan) -> dict[str, Any]:
    """The JSON document of a plan; the README explains the fields."""
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "kind": plan.kind,
        "status": plan.status,
        "objective": plan.objective,
        "unit": plan.model.unit,
        "model_objective": plan.model_objective,
        "bound": plan.bound,
        "bound_of": plan.bound_of,
        "gap": plan.gap,
        **{name: plan.robustness.get(name) for name in ROBUST_FIELDS if plan.robustness},
        **({"search": plan.search} if plan.search else {}),
        "terms": [dataclasses.asdict(term) for term in plan.ac.terms] if plan.ac else [],
        "open_lines": {mode: lines_by_period(by_period) for mode, by_period in plan.open_lines.items()},
        "dg": records(plan.dg),
        "ess": records(plan.ess),
        "ac": verdict_to_dict(plan.ac),
        "ac_forecast": verdict_to_dict(plan.ac_forecast),
        "redispatched": plan.redispatched,
        "decided_by": plan.decided_by,
        "steps": [dataclasses.asdict(step) for step in plan.steps],
        "least_violation": violation_to_dict(plan.least_violation),
        "seconds": plan.seconds,
        "dispatch": dispatch_to_dict(plan.dispatch),
        "dispatch_forecast": dispatch_to_dict(plan.dispatch_forecast),
        "warnings": list(plan.warnings),
        "explanation": plan.explanation,
        "case": case_to_dict(plan.case),
        "model": plan.model.model_dump(mode="json"),
    }
    return clean(document)


def clean(document: dict[str, Any]) -> dict[str, Any]:
    """A document with null in place of what JSON has no number for, and text for keys."""
    return {str(key): finite(item) for key, item in document.items()}


def finite(value: Any) -> Any:
    """The same value with null in place of what JSON has no number for, and Python's numbers for numpy's."""
    value = plain(value)
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as plain mappings."""
    return [{str(key): plain(value) for key, value in row.items()} for row in table.to_dict("records")]


def plain(value: Any) -> Any:
    """A numpy scalar as its Python value."""
    return value.item() if hasattr(value, "item") else value


def lines_by_period(by_period: dict[int, tuple[int, ...]]) -> list[int] | dict[str, list[int]]:
    """One list where all periods agree, else a list per period."""
    states = set(by_period.values())
    if len(states) == 1:
        return sorted(states.pop())
    return {str(period): sorted(lines) for period, lines in by_period.items()}


def dispatch_to_dict(dispatch: Dispatch | None) -> dict[str, Any] | None:
    """Tables of a dispatch."""
    if dispatch is None:
        return None
    tables = {name: records(getattr(dispatch, name)) for name in DISPATCH_COLUMNS}
    return {"realisation": realisation_to_dict(dispatch.realisation), **tables}


def realisation_to_dict(realisation: Realisation) -> dict[str, Any]:
    """Factors on the forecasts: a number, or rows by component and period; those of 1 but the first are left out."""
    found: dict[str, Any] = {"load": 1.0, "dg_availability": 1.0}
    for name, factors in vars(realisation).items():
        if isinstance(factors, float | int):
            if factors != 1.0 or name in found:
                found[name] = factors
        else:
            keys = [key if isinstance(key, tuple) else (None, key) for key in factors]
            found[name] = [
                {"component": component, "period": period, "factor": factor}
                for (component, period), factor in zip(keys, factors.values(), strict=True)
            ]
    return found


def realisation_from_dict(document: Mapping[str, Any]) -> Realisation:
    """The realisation that :func:`realisation_to_dict` wrote."""

    def read(factors: Any) -> Factors:
        if not isinstance(factors, list):
            return float(factors)
        rows = [(row["component"], row["period"], row["factor"]) for row in factors]
        return {period if component is None else (component, period): factor for component, period, factor in rows}

    return Realisation(**{name: read(factors) for name, factors in document.items()})


def verdict_to_dict(verdict: AcVerdict | None) -> dict[str, Any]:
    """A verdict with its tables; ``not_checked`` where there is none."""
    if verdict is None:
        return {"verdict": "not_checked"}
    scalars = {
        f.name: getattr(verdict, f.name)
        for f in dataclasses.fields(verdict)
        if f.name not in ("terms", "supply", "violations", *AC_TABLES)
    }
    return {
        **scalars,
        "terms": [dataclasses.asdict(term) for term in verdict.terms],
        "supply": [dataclasses.asdict(supply) for supply in verdict.supply],
        "violations": [dataclasses.asdict(violation) for violation in verdict.violations],
        **{name: records(getattr(verdict, name)) for name in AC_TABLES},
    }


def violation_to_dict(violation: Violation | None) -> dict[str, Any] | None:
    """A violation and its excess as a share of the limit; null where AC power flow refuses nothing."""
    return None if violation is None else {"excess": violation.excess, **dataclasses.asdict(violation)}


AC_TABLES = {
    "buses": ["mode", "period", "bus", "vm_pu", "energised", "demand_mw", "served_mw", "idle"],
    "lines": ["mode", "period", "line", "p_mw", "q_mvar", "i_ka", "loading", "loss_mw"],
    "sources": ["mode", "period", "bus", "p_mw", "q_mvar"],
}
DISPATCH_COLUMNS = {
    "dg": ["mode", "period", "bus", "p_mw", "q_mvar"],
    "ess": ["mode", "period", "bus", "p_charge_mw", "p_discharge_mw", "energy_mwh", "q_mvar"],
    "shed": ["mode", "period", "bus", "p_mw", "q_mvar"],
    "sources": ["mode", "period", "bus", "vm_pu"],
}
DG_COLUMNS = ["bus", "technology", "p_mw", "q_min_mvar", "q_max_mvar"]
ESS_COLUMNS = ["bus", "technology", "p_mw", "energy_mwh"]
DTYPES = dict.fromkeys(["mode", "technology"], "object") | dict.fromkeys(["period", "bus", "line"], "int64")
DTYPES |= dict.fromkeys(["energised", "idle"], "bool")


def plan_from_dict(document: Mapping[str, Any]) -> Plan:
    """A plan from its JSON document.

    Raises
    ------
    InputError
        When the document is not a plan of this schema.
    """
    if not isinstance(document, Mapping) or document.get("schema") != SCHEMA or "open_lines" not in document:
        got = document.get("schema") if isinstance(document, Mapping) else type(document).__name__
        raise InputError.of(f"not a plan document of schema {SCHEMA}", path="/schema", got=got)
    require_plan_document(document)
    try:
        return _plan(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError.of(f"plan document is damaged: {type(error).__name__} {error}", path="/") from None


def _plan(document: Mapping[str, Any]) -> Plan:
    case, model = load_case(document["case"]), load_model(document["model"])
    profile = case.profile
    periods = [int(t) for t in profile["period"]]
    if model.periods == "peak":
        periods = [periods[int(profile["load"].to_numpy(float).argmax())]]
    open_lines: Topology = {}
    for mode, stated in document["open_lines"].items():
        by_period = (
            {int(t): lines for t, lines in stated.items()}
            if isinstance(stated, Mapping)
            else dict.fromkeys(periods, stated)
        )
        open_lines[mode] = {t: tuple(int(line) for line in lines) for t, lines in by_period.items()}
    return Plan(
        kind=document["kind"],
        case=case,
        model=model,
        status=document["status"],
        open_lines=open_lines,
        dg=table(document["dg"], DG_COLUMNS),
        ess=table(document["ess"], ESS_COLUMNS),
        dispatch=_dispatch(document["dispatch"]),
        dispatch_forecast=_dispatch(document["dispatch_forecast"]),
        objective=document["objective"],
        model_objective=document["model_objective"],
        bound=document["bound"],
        bound_of=document["bound_of"],
        gap=document["gap"],
        ac=_verdict(document["ac"]),
        ac_forecast=_verdict(document["ac_forecast"]),
        redispatched=document["redispatched"],
        seconds=document["seconds"],
        robustness={name: document[name] for name in ROBUST_FIELDS if name in document},
        search=dict(document.get("search", {})),
        decided_by=document.get("decided_by", "redispatch" if document["redispatched"] else "milp"),
        steps=tuple(step_of(row) for row in document.get("steps", ())),
        warnings=tuple(document["warnings"]),
        explanation=document["explanation"],
    )


def step_of(row: Mapping[str, Any]) -> StepTried:
    """A step from its row; keys of later versions are left out, those that earlier ones do not have are not known."""
    return StepTried(**{f.name: row[f.name] for f in dataclasses.fields(StepTried) if f.name in row})


def supply_of(row: Mapping[str, Any]) -> Supply:
    """What a mode is served, from its row, read like a step."""
    return Supply(**{f.name: row[f.name] for f in dataclasses.fields(Supply)})


def table(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    """A table from its rows; null is NaN in a column of numbers, even where there is nothing else."""
    dtypes = {column: DTYPES.get(column, "float64") for column in columns}
    return pd.DataFrame(rows, columns=columns).astype(dtypes)


def _dispatch(document: Mapping[str, Any] | None) -> Dispatch | None:
    if document is None:
        return None
    rows = {**document, "ess": [{"q_mvar": 0.0, **row} for row in document["ess"]]}  # of before storage gave any
    tables = {name: table(rows[name], columns) for name, columns in DISPATCH_COLUMNS.items()}
    return Dispatch(realisation=realisation_from_dict(document["realisation"]), **tables)


def _verdict(document: Mapping[str, Any]) -> AcVerdict | None:
    if "objective" not in document:
        return None
    known = {f.name for f in dataclasses.fields(AcVerdict)}
    values = {name: value for name, value in document.items() if name in known}
    values["terms"] = tuple(TermValue(**term) for term in values["terms"])
    values["supply"] = tuple(supply_of(row) for row in document.get("supply", ()))
    values["violations"] = tuple(Violation(**violation) for violation in values["violations"])
    rows = {**document, "buses": [{"idle": False} | row for row in document["buses"]]}  # older ones do not say so
    values |= {name: table(rows[name], columns) for name, columns in AC_TABLES.items()}
    return AcVerdict(**values)


def to_json(document: Any) -> str:
    """JSON text with a fixed layout: same document, same bytes."""
    return json.dumps(finite(document), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def save_plan(plan: Plan, path: str | os.PathLike[str]) -> Path:
    """Write a plan as JSON, whole or not at all."""
    return write_whole(Path(path), to_json(plan_to_dict(plan)).encode())


def load_plan(path: str | os.PathLike[str]) -> Plan:
    """Read a plan that :func:`save_plan` wrote.

    Raises
    ------
    InputError
        When the file cannot be read or is not a plan.
    """
    return plan_from_dict(load_document(path))


def load_document(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a JSON object from a file, strictly.

    Raises
    ------
    InputError
        When the file cannot be read or holds no JSON object.
    """
    document = read_json(Path(path).name, _text(Path(path)))
    if not isinstance(document, dict):
        raise InputError.of(f"{path}: not a JSON object")
    return document


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError.of(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError.of(f"{path}: is not UTF-8 text") from None


def read_json(name: str, text: str) -> Any:
    """Strict JSON: no NaN, no duplicate keys, no absurd numbers or depth.

    Raises
    ------
    InputError
        Naming what is wrong and where.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise InputError.of(f"{name}: key {twice[0]!r} stands twice", got=twice[0])
        return dict(pairs)

    def refuse(constant: str) -> None:
        raise InputError.of(
            f"{name}: {constant} is not a JSON number", got=constant, hint="use null where there is no value"
        )

    def number(digits: str) -> float:
        value = float(digits)
        if not math.isfinite(value):
            refuse(digits)
        return value

    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=refuse, parse_float=number)
    except RecursionError:
        raise InputError.of(f"{name}: nested too deeply") from None
    except ValueError as error:
        raise InputError.of(f"{name}: not JSON: {error}") from None
