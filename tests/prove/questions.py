"""Questions to the random feeders: what is uncertain, in which shape, and within which budget."""

from __future__ import annotations

import itertools
import random
from typing import Any

from tests.prove.choices import Sites, all_sites, count
from tests.prove.feeders import MOST, Document, Draw
from tests.prove.grid import AVAILABILITY, Grid, read
from tests.prove.reference import Enumeration, Reference, finite, size_of
from tests.prove.sets import Uncertainty

ABOUT = (
    ("load",),
    ("load", "availability"),
    ("availability",),
    ("load",),
    ("price",),
    ("load", "price"),
    ("line_rating", "load"),
    ("availability", "price"),
)
"""What is uncertain, by the seed; loads where no energy is bought, or no line is rated."""
MOST_DISPATCHES = 128
"""Most dispatches of one period that all vertices of a set may need."""
LEAST_BUDGET = 0.02
"""Least budget, as a share of what all energy would cost: the package takes none below 0."""
SHAPES = ("fractional", "fractional", "interval", "envelope", "budgeted", "energy", "minkowski")
OPPORTUNITY, OPPORTUNITY_PRICED = 0.3, 0.1
"""Share of questions that seek; few about prices, of which many are refused."""


def question(seed: int, attempt: int) -> tuple[Document, Document, str]:
    """Case, model and sense of a draw; the budget follows from the optimum at the forecast."""
    case, model = Draw(seed, attempt).documents()
    rng = random.Random(f"question {seed}/{attempt}")
    source = AVAILABILITY[model["dg"]["technologies"][0]["source"]]
    hardened(rng, case, model)
    meant = {"availability": source}
    if not any(term["term"] == "energy_cost" for term in model["objective"]):
        meant["price"] = "load"
    if all(row["max_i_ka"] is None for row in case["lines"]):
        meant["line_rating"] = "load"
    names = dict.fromkeys(meant.get(name, name) for name in ABOUT[seed // 5 % len(ABOUT)])
    entries = [entry(rng, name, len(case["profile"])) for name in names]
    sense = "opportunity" if rng.random() < (OPPORTUNITY_PRICED if "price" in names else OPPORTUNITY) else "robust"
    return case, model | {"uncertain": entries}, sense


def hardened(rng: random.Random, case: Document, model: Document) -> None:
    """Where load is never shed: DG that must be taken in a third of all feeders, or a bus that gives instead of takes.

    There it is the network that ends alpha, at points that are not the costliest.
    """
    if set(model["modes"]) != {"connected"} or model["modes"]["connected"]["shedding"]:
        return
    must, gives = rng.random() < 0.35, rng.random() < 0.25
    for technology in model["dg"]["technologies"] if must else ():
        technology["must_take"] = True
        for name in ("p_mw", "q_min_mvar", "q_max_mvar"):
            technology[name] = round(technology[name] * 0.6, 4)
    loaded = [row for row in case["buses"] if row["p_mw"] > 0.0]
    if gives and len(loaded) > 1:
        row = rng.choice(loaded)
        row |= {"p_mw": -row["p_mw"], "q_mvar": 0.0, "load_may_be_negative": True}


def kind_of(seed: int) -> str:
    """What is uncertain in the question of a seed."""
    return " and ".join(ABOUT[seed // 5 % len(ABOUT)])


def beta(seed: int, attempt: int) -> float:
    """Cost beyond the optimum as a share of it: so much in a third of all questions that limits end alpha."""
    rng = random.Random(f"beta {seed}/{attempt}")
    return round(rng.uniform(0.5, 3.0) if rng.random() < 0.35 else rng.uniform(0.02, 0.3), 3)


def entry(rng: random.Random, name: str, periods: int) -> dict[str, Any]:
    """One uncertain quantity."""
    drawn: dict[str, Any] = {
        "quantity": name,
        "weight": rng.choice([1.0, 1.0, 0.5, 0.3]),
        "direction": rng.choice(["both", "both", "up", "down"]),
        "shape": rng.choice(SHAPES),
        "physical_max": rng.choice([2.0, 2.0, 1.5]),
    }
    if drawn["shape"] == "interval":
        drawn |= {"down": round(rng.uniform(0.2, 1.0), 2), "up": round(rng.uniform(0.2, 1.0), 2)}
    if drawn["shape"] == "envelope":
        drawn["psi"] = [round(rng.uniform(0.2, 1.0), 2) for _ in range(periods)]
    if drawn["shape"] == "budgeted":
        drawn["gamma"] = rng.randint(1, max(1, periods - 1))
    if drawn["shape"] == "minkowski":
        drawn["norm"] = rng.choice([1, 2, "infinity"])
    return drawn


def is_small(grid: Grid, model: Document) -> bool:
    """Whether choices and vertices are few enough to try them all."""
    if count(grid) > MOST:
        return False
    built = {(bus, name) for sites in all_sites(grid) for bus, name in sites.dg}
    every = Sites(dg=tuple({bus: (bus, name) for bus, name in sorted(built)}.values()))
    return 0 < Uncertainty(grid, model["uncertain"], every).size() <= MOST_DISPATCHES * len(grid.periods)


def asked(seed: int) -> tuple[int, float, Reference]:
    """The first draw that can be asked, its budget, and its optimum at the forecast."""
    for attempt in itertools.count():
        case, model, sense = question(seed, attempt)
        grid = read(case, model)
        if not is_small(grid, model):
            continue
        reference = Enumeration(grid).reference()
        best, size = finite(reference.best.primal), size_of(grid)
        if best is None or best <= LEAST_BUDGET * size:
            continue
        share = beta(seed, attempt) if sense == "robust" else -min(beta(seed, attempt), 0.5)
        return attempt, float(f"{best * (1.0 + share):.8g}"), reference
    raise AssertionError
