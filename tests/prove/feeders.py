"""Random feeders with strong feed-in, each a pure function of its seed, in the JSON forms that the package reads."""

from __future__ import annotations

import itertools
import math
import random
from typing import Any

from tests.prove.choices import count
from tests.prove.grid import read

MOST = 12
"""Most combinations of sites and topologies of a feeder."""
KINDS = ("connected", "connected", "islanded", "connected", "both")
"""Modes by the last digit of the seed: three feeders of five are connected."""
YEAR_H = 8760.0

Document = dict[str, Any]


def kind_of(seed: int) -> str:
    """Modes of a feeder."""
    return KINDS[seed % len(KINDS)]


def feeder(seed: int) -> tuple[Document, Document]:
    """Case and model of a seed: the first draw with few enough combinations."""
    for attempt in itertools.count():
        case, model = Draw(seed, attempt).documents()
        if count(read(case, model)) <= MOST:
            return case, model
    raise AssertionError


class Draw:
    """One draw of a feeder; a method a table."""

    def __init__(self, seed: int, attempt: int) -> None:
        self.seed, self.kind = seed, kind_of(seed)
        self.random = random.Random(f"{seed}/{attempt}")
        self.buses = list(range(1, self.random.randint(3, 8) + 1))
        self.load_mw = self.uniform(0.8, 6.0)
        self.money = self.chance(0.7)
        self.shedding = self.kind != "connected" or self.chance(0.25)

    def uniform(self, low: float, high: float) -> float:
        """A number with four digits behind the point."""
        return round(self.random.uniform(low, high), 4)

    def chance(self, share: float) -> bool:
        """True in a share of all draws."""
        return self.random.random() < share

    def documents(self) -> tuple[Document, Document]:
        """Case and model."""
        buses, profile = self.bus_rows(), self.profile()
        case = {
            "name": f"prove{self.seed}",
            "base_mva": self.random.choice([1.0, 10.0]),
            "currency": "USD",
            "buses": buses,
            "lines": self.line_rows(buses),
            "substations": [{"bus": 1, "vm_pu": self.v_source}],
            "profile": profile,
        }
        return case, self.model(profile)

    def bus_rows(self) -> list[Document]:
        """Loads of about the same size, some buses without, and limits of which three in five are tight."""
        self.v_min, self.v_max = self.random.choice([(0.97, 1.03)] * 3 + [(0.95, 1.05), (0.9, 1.1)])
        self.v_source = self.random.choice([1.0, 1.0, 1.01, 1.02, 0.99])
        kv, unserved = self.random.choice([6.6, 10.0, 12.66, 15.0, 20.0]), self.uniform(200.0, 3000.0)
        shares = [
            0.0 if self.chance(0.7 if bus == 1 else 0.12) else self.random.uniform(0.3, 1.0) for bus in self.buses
        ]
        shares[-1] = shares[-1] or 1.0
        return [
            {
                "id": bus,
                "vn_kv": kv,
                "p_mw": round(self.load_mw * share / sum(shares), 4),
                "q_mvar": round(self.load_mw * share / sum(shares) * self.random.choice([0.0, 0.1, 0.2, 0.3, 0.45]), 4),
                "vm_min_pu": 0.9 if bus == 1 else self.v_min,
                "vm_max_pu": 1.1 if bus == 1 else self.v_max,
                "priority": self.random.choice([1.0, 1.0, 0.5, 2.0]),
                "value_of_lost_load_per_mwh": round(unserved * self.random.choice([1.0, 1.0, 3.0]), 2),
            }
            for bus, share in zip(self.buses, shares, strict=True)
        ]

    def line_rows(self, buses: list[Document]) -> list[Document]:
        """A tree scaled to a voltage drop at full load that is mostly allowed, with ties, switches and ratings."""
        self.parent = {bus: bus - 1 if self.chance(0.65) else self.random.randint(1, bus - 1) for bus in self.buses[1:]}
        pairs = [(parent, bus) for bus, parent in self.parent.items()]
        pairs += self.ties()
        r_over_x = self.random.uniform(0.5, 3.0)
        x = [self.random.uniform(0.5, 1.5) for _ in pairs]
        z = [(r_over_x * each * self.random.uniform(0.8, 1.25), each) for each in x]
        room = self.v_source - self.v_min
        drop = self.uniform(1.2, 2.0) * room if self.chance(0.4) else self.uniform(0.3, 0.9) * min(room, 0.05)
        scale = drop / self.worst_drop(buses, z)
        switches = self.switches(len(pairs))
        ratings = self.ratings(buses, len(pairs))
        return [
            {
                "id": number,
                "from_bus": i,
                "to_bus": j,
                "r_ohm": round(r * scale, 5),
                "x_ohm": round(x * scale, 5),
                "max_i_ka": ratings[number - 1],
                "in_service": number < len(self.buses),
                "switchable": switches[number - 1],
            }
            for number, ((i, j), (r, x)) in enumerate(zip(pairs, z, strict=True), 1)
        ]

    def ties(self) -> list[tuple[int, int]]:
        """Open lines between buses that no line joins."""
        apart = [pair for pair in itertools.combinations(self.buses, 2) if self.parent[pair[1]] != pair[0]]
        wanted = self.random.choice([0, 0, 1, 1, 2] if self.kind == "connected" else [0, 0, 1])
        return self.random.sample(apart, min(wanted, len(apart)))

    def switches(self, lines: int) -> list[bool]:
        """All lines, or the ties and some others."""
        some = self.uniform(0.1, 0.5)
        every = self.kind == "connected" and self.chance(0.4)
        return [every or number >= len(self.buses) or self.chance(some) for number in range(1, lines + 1)]

    def below(self, buses: list[Document]) -> dict[int, complex]:
        """Load behind the line to each bus, MVA."""
        load = {bus["id"]: complex(bus["p_mw"], bus["q_mvar"]) for bus in buses}
        for bus in reversed(self.buses[1:]):
            load[self.parent[bus]] += load[bus]
        return load

    def worst_drop(self, buses: list[Document], z: list[tuple[float, float]]) -> float:
        """Largest voltage drop in pu, to first order, in the base topology."""
        load, drop = self.below(buses), {1: 0.0}
        for bus, (r, x) in zip(self.buses[1:], z, strict=False):
            own = (r * load[bus].real + x * load[bus].imag) / buses[0]["vn_kv"] ** 2
            drop[bus] = drop[self.parent[bus]] + own
        return max(drop.values())

    def ratings(self, buses: list[Document], lines: int) -> list[float | None]:
        """None at all, or for some lines a little more than the load behind them needs, or than a third of all."""
        rated, load = self.chance(0.5), self.below(buses)
        ampere = 1.0 / (math.sqrt(3.0) * buses[0]["vn_kv"])
        ratings: list[float | None] = []
        for number in range(1, lines + 1):
            behind = abs(load[number + 1]) if number < len(self.buses) else 0.0
            margin = self.uniform(0.6, 0.95) if self.chance(0.08) else self.uniform(1.08, 2.2)
            size = max(behind, self.load_mw / 3.0) * margin / self.v_min
            ratings.append(round(size * ampere, 5) if rated and self.chance(0.6) else None)
        return ratings

    def profile(self) -> list[Document]:
        """One to four periods; one has full load, one much sun; prices are negative at times."""
        periods = self.random.choice([1, 2, 3, 4, 4])
        loads = [self.uniform(0.4, 1.0) for _ in range(periods)]
        loads[self.random.randrange(periods)] = 1.0
        sun = [self.random.choice([0.0, self.uniform(0.1, 0.9), 1.0]) for _ in range(periods)]
        sun[self.random.randrange(periods)] = self.uniform(0.8, 1.0)
        below_zero = 0.4 if self.chance(0.4) else 0.0
        hours = [self.random.choice([1.0, 2.0, 3.0]) for _ in range(periods)]
        return [
            {
                "period": number + 1,
                "start_h": sum(hours[:number]),
                "duration_h": hours[number],
                "load": loads[number],
                "dg": self.random.choice([1.0, 1.0, 0.8]),
                "pv": sun[number],
                "wind": self.uniform(0.1, 1.0),
                "price_per_mwh": self.uniform(-90.0, -5.0) if self.chance(below_zero) else self.uniform(25.0, 160.0),
            }
            for number in range(periods)
        ]

    def model(self, profile: list[Document]) -> Document:
        """What may be decided and is wanted."""
        dg, ess = self.dg(), self.ess()
        annual = self.money and self.kind != "islanded" and self.chance(0.2)
        names = ("connected", "islanded") if self.kind == "both" else (self.kind,)
        shares = {"connected": 1.0, "islanded": 1.0 if self.kind == "islanded" else self.uniform(0.02, 0.5)}
        year = YEAR_H / sum(period["duration_h"] for period in profile) / sum(shares[name] for name in names)
        if annual:
            for unit in (*dg["technologies"], *ess["technologies"]):
                unit["investment_cost"] = round(unit["p_mw"] * self.uniform(1e5, 8e5), 0)
        return {
            "name": f"prove{self.seed}",
            "unit": "USD" if self.money else "MWh",
            "losses": "balance",
            "objective": [term for name in names for term in self.terms(name)]
            + ([{"term": "investment_cost"}] if annual else []),
            "modes": {name: self.mode(name, shares[name] * (year if annual else 1.0)) for name in names},
            "dg": dg,
            "ess": ess,
            "solver": {"gap": 0.001},
            **self.fix(dg, ess),
        }

    def mode(self, name: str, weight: float) -> Document:
        """A mode; where both are planned, they are switched less often."""
        static = self.chance(0.7 if self.kind != "both" else 0.35)
        mode = {"weight": weight, "topology": "static" if static else "fixed"}
        if name == "connected":
            return mode | {"shedding": self.shedding}
        return mode | {"vm_pu": 1.0} if self.chance(0.15) else mode

    def terms(self, mode: str) -> list[Document]:
        """Money, or energy lost and not served."""
        names = ["losses", "ens"] if not self.money else ["energy_cost", "generation_cost", "lost_load_cost"]
        possible = [name for name in names if not (name == "energy_cost" and mode == "islanded")]
        served = self.shedding or mode == "islanded"
        chosen = [name for name in possible if served or name not in ("ens", "lost_load_cost")]
        return [{"term": name, "mode": mode} for name in chosen]

    def dg(self) -> Document:
        """DG of up to 300 % of the load in all, at one to three buses that tend to be far out."""
        units = self.random.choice([1, 1, 2])
        ratio = self.uniform(1.2, 3.0) if self.chance(0.75) else self.uniform(0.4, 1.2)
        technologies = [self.dg_technology("a", ratio if self.chance(0.5) else ratio / units)]
        if self.chance(0.15):
            technologies.append(self.dg_technology("b", self.uniform(0.3, 1.0)))
        return {"max_units": units, "buses": self.candidates(3), "technologies": technologies}

    def dg_technology(self, name: str, ratio: float) -> Document:
        """A size of DG; one in six must be taken."""
        p_mw = round(ratio * self.load_mw, 4)
        low, high = self.random.choice([(0.0, 0.0), (0.0, 0.0), (-0.3, 0.3), (-0.4, 0.1), (-0.2, 0.5)])
        if self.kind != "connected":
            low, high = -0.4, self.uniform(0.2, 0.6)
        return {
            "name": name,
            "source": self.random.choice(["pv", "pv", "pv", "dg", "wind"]),
            "p_mw": p_mw,
            "q_min_mvar": round(low * p_mw, 4),
            "q_max_mvar": round(high * p_mw, 4),
            "generation_cost_per_mwh": self.random.choice([0.0, 0.0, 0.0, self.uniform(1.0, 70.0)]),
            "must_take": self.chance(1 / 6 if self.kind == "connected" else 1 / 15),
            "grid_forming": self.chance(0.9),
        }

    def ess(self) -> Document:
        """No storage, or up to two units at one or two buses."""
        if self.chance(0.45):
            return {"max_units": 0, "technologies": []}
        p_mw = round(self.load_mw * self.uniform(0.2, 1.5), 4)
        energy_mwh = round(p_mw * self.uniform(1.0, 4.0), 4)
        technology = {
            "name": "s",
            "p_mw": p_mw,
            "energy_mwh": energy_mwh,
            "eta_charge": self.random.choice([0.95, 0.9, 1.0]),
            "eta_discharge": self.random.choice([0.95, 0.9, 1.0]),
            "energy_start_mwh": round(energy_mwh * self.random.choice([0.0, 0.25, 0.5, 1.0]), 4),
            "energy_end": self.random.choice(["free", "at_least_start", "equal_start"]),
            "grid_forming": self.chance(0.75),
        }
        if self.chance(0.25 if self.kind == "connected" else 0.6):
            technology["sn_mva"] = round(1.1 * p_mw, 4)
        return {"max_units": self.random.choice([1, 1, 2]), "buses": self.candidates(2), "technologies": [technology]}

    def candidates(self, most: int) -> list[int]:
        """One to ``most`` buses but the substation's, most of them among the last half."""
        far = self.buses[len(self.buses) // 2 :] if self.chance(0.7) else self.buses[1:]
        return sorted(self.random.sample(far, min(self.random.randint(1, most), len(far))))

    def fix(self, dg: Document, ess: Document) -> Document:
        """Sites stated in one feeder of four."""
        if not self.chance(0.25):
            return {}
        stated = {}
        for kind, choice in (("dg", dg), ("ess", ess)):
            units = min(choice["max_units"], len(choice.get("buses", [])))
            if units:
                buses = sorted(self.random.sample(choice["buses"], units))
                stated[kind] = [{"bus": bus, "technology": choice["technologies"][0]["name"]} for bus in buses]
        return {"fix": stated}
