"""What plans are measured by: every objective term that a search can compute from a batch of AC power flows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from igdt_planner.model import TermName
from igdt_planner.search.network import Bools, Complexes, Floats, RadialNetwork
from igdt_planner.search.radial_flow import RadialFlow


@dataclass(frozen=True, eq=False)
class Rates:
    """What energy and units cost and emit.

    Attributes
    ----------
    price, emissions : array, shape (periods,)
        Of bought energy, per MWh.
    dg_cost, dg_emissions : array, shape (technologies,)
        Of energy from generators, per MWh.
    annual_cost : array, shape (technologies,)
        Of a generator.
    """

    price: Floats
    emissions: Floats
    dg_cost: Floats
    dg_emissions: Floats
    annual_cost: Floats


@dataclass(frozen=True, eq=False)
class Batch:
    """Plans with their AC power flow.

    Attributes
    ----------
    network : RadialNetwork
    hours : array, shape (periods,)
    rates : Rates
    line_on : array of bool, shape (plans, lines)
    demand_mw, dg_mw : array, shape (plans, periods)
        What all loads draw and all generators deliver.
    dg_cost, dg_emissions : array, shape (plans, periods)
        Of what all generators deliver, per hour.
    annual_cost : array, shape (plans,)
        Of all generators.
    flow : RadialFlow
    """

    network: RadialNetwork
    hours: Floats
    rates: Rates
    line_on: Bools
    demand_mw: Floats
    dg_mw: Floats
    dg_cost: Floats
    dg_emissions: Floats
    annual_cost: Floats
    flow: RadialFlow

    @property
    def bought_mw(self) -> Floats:
        """Power from the substations, shape (plans, periods)."""
        return np.asarray(self.demand_mw + self.flow.loss_mw - self.dg_mw)


def losses(batch: Batch) -> Floats:
    """Energy lost in lines, MWh."""
    return np.asarray(batch.flow.loss_mw @ batch.hours)


def voltage_deviation(batch: Batch) -> Floats:
    """Distance of voltages from 1 pu, summed over buses and periods."""
    return np.asarray(np.abs(np.abs(batch.flow.v) - 1.0).sum(axis=(1, 2)))


def energy_cost(batch: Batch) -> Floats:
    """Energy bought, money."""
    return np.asarray(batch.bought_mw @ (batch.hours * batch.rates.price))


def generation_cost(batch: Batch) -> Floats:
    """Energy from generators, money."""
    return np.asarray(batch.dg_cost @ batch.hours)


def investment_cost(batch: Batch) -> Floats:
    """Annual cost of the generators, money."""
    return batch.annual_cost


def emissions(batch: Batch) -> Floats:
    """Of energy bought and generated, tCO2."""
    bought = batch.bought_mw @ (batch.hours * batch.rates.emissions)
    return np.asarray(bought + batch.dg_emissions @ batch.hours)


def switching(batch: Batch) -> Floats:
    """Lines whose state is not that of the base topology."""
    return np.asarray((batch.line_on != batch.network.closed).sum(axis=1).astype(float))


def nothing(batch: Batch) -> Floats:
    """What is always 0 where no load is shed."""
    return np.zeros(len(batch.line_on))


COMPUTED: dict[TermName, Callable[[Batch], Floats]] = {
    "losses": losses,
    "ens": nothing,
    "lost_load_cost": nothing,
    "energy_cost": energy_cost,
    "generation_cost": generation_cost,
    "investment_cost": investment_cost,
    "emissions": emissions,
    "voltage_deviation": voltage_deviation,
    "switching": switching,
}


def measured(batch: Batch, terms: Sequence[TermName]) -> Floats:
    """Values of terms, shape (plans, terms)."""
    return np.stack([COMPUTED[term](batch) for term in terms], axis=1)


def total_mw(network: RadialNetwork, power: Complexes) -> Floats:
    """Active power summed over the last axis."""
    return np.asarray(network.base_mva * power.real.sum(axis=-1))
