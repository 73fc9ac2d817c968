"""What the tables of a case contain: columns, kinds, ranges and defaults, and the document a reader hands over."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from igdt_planner.errors import Finding

SCHEMA: Final = "igdt-planner/case/1"
REQUIRED: Final = object()
MAX_WHOLE: Final = 2**31 - 1

Kind = Literal["whole", "number", "flag", "text", "name"]


@dataclass(frozen=True)
class Column:
    """One column of a table, or one key of ``case.toml``.

    Attributes
    ----------
    kind : str
        ``whole``, ``number``, ``flag``, ``text``, or ``name`` (text that may stand in a file name).
    default : object
        Taken where the column is left out altogether; ``REQUIRED`` where it may not be.
    low, high : float
        Smallest and largest value allowed.
    positive : bool
        Whether the value must also exceed 0.
    may_be_empty : bool
        Whether an empty cell is allowed; it is NaN then.
    hint : str
        What to think of when the value is out of range.
    """

    kind: Kind
    default: object = REQUIRED
    low: float = -math.inf
    high: float = math.inf
    positive: bool = False
    may_be_empty: bool = False
    hint: str = ""


_ID = Column("whole", low=0, high=MAX_WHOLE)
_ANY = Column("number")
_POSITIVE = Column("number", positive=True)
_NOT_NEGATIVE = Column("number", low=0.0)
_COORDINATE = Column("number", default=math.nan, may_be_empty=True)

HEAD: Final[dict[str, Column]] = {
    "schema": Column("text", default=SCHEMA),
    "name": Column("name"),
    "title": Column("text", default=""),
    "base_mva": _POSITIVE,
    "currency": Column("text", default="USD"),
    "periods": Column("whole", default=None, low=1),
    "step_h": Column("number", default=None, positive=True),
    "accept_implausible": Column("flag", default=False),
}

REQUIRED_IN_FILE: Final = frozenset({"schema", "name", "base_mva", "periods"})

TABLES: Final[dict[str, dict[str, Column]]] = {
    "buses": {
        "id": _ID,
        "name": Column("text", default=""),
        "vn_kv": Column("number", positive=True, high=1000.0, hint="the unit is kV"),
        "p_mw": _ANY,
        "q_mvar": _ANY,
        "vm_min_pu": _POSITIVE,
        "vm_max_pu": Column("number", positive=True, high=2.0, hint="the unit is per unit of vn_kv"),
        "priority": Column("number", default=1.0, low=0.0),
        "value_of_lost_load_per_mwh": Column("number", default=0.0, low=0.0),
        "load_may_be_negative": Column("flag", default=False),
        "x": _COORDINATE,
        "y": _COORDINATE,
    },
    "lines": {
        "id": _ID,
        "from_bus": _ID,
        "to_bus": _ID,
        "r_ohm": _NOT_NEGATIVE,
        "x_ohm": _NOT_NEGATIVE,
        "max_i_ka": Column(
            "number",
            default=math.nan,
            positive=True,
            high=100.0,
            may_be_empty=True,
            hint="the unit is kA; leave the cell empty where there is no limit",
        ),
        "in_service": Column("flag"),
        "switchable": Column("flag"),
    },
    "substations": {"bus": _ID, "vm_pu": Column("number", positive=True, high=2.0)},
    "profile": {
        "period": Column("whole", low=1, high=MAX_WHOLE),
        "start_h": _ANY,
        "duration_h": _POSITIVE,
        "load": _NOT_NEGATIVE,
        "dg": Column("number", default=1.0, low=0.0, high=1.0),
        "pv": Column("number", default=1.0, low=0.0, high=1.0),
        "wind": Column("number", default=1.0, low=0.0, high=1.0),
        "price_per_mwh": Column("number", default=0.0),
        "emissions_t_per_mwh": Column("number", default=0.0, low=0.0),
    },
}

KEY: Final = {"buses": "id", "lines": "id", "substations": "bus", "profile": "period"}
"""The column that identifies a record of each table."""

COMPONENT: Final = {"buses": "bus", "lines": "line", "substations": "substation at bus", "profile": "period"}
"""What a record of each table is called in a message, before its key."""


@dataclass(frozen=True)
class Document:
    """A case as it was read, before anything in it is believed.

    Attributes
    ----------
    head : mapping
        Keys of ``case.toml``, or of the inline form without its tables.
    tables : mapping
        Table name to its records; a table that could not be read is absent.
    file_rows : mapping
        Table name to the row in its file of each record; empty for the inline form.
    head_rows : mapping
        Key to its row in ``case.toml``; empty for the inline form.
    is_text : bool
        Whether cells are text from a file (True) or JSON values (False).
    findings : tuple of Finding
        Faults met while reading.
    """

    head: Mapping[str, object]
    tables: Mapping[str, list[dict[str, object]]]
    file_rows: Mapping[str, list[int]] = field(default_factory=dict)
    head_rows: Mapping[str, int] = field(default_factory=dict)
    is_text: bool = False
    findings: tuple[Finding, ...] = ()
