"""Search over radial topologies on plain arrays: batched AC power flow, moves between trees, a family of algorithms."""

from igdt_planner.search.enumeration import radial_topologies
from igdt_planner.search.network import RadialNetwork, loads_of, network_of
from igdt_planner.search.radial_flow import RadialFlow, radial_power_flow
from igdt_planner.search.reconfiguration import Reconfiguration, least_losses
from igdt_planner.search.tree import Tree, base_tree, nearest_tree, random_tree, shake

__all__ = [
    "RadialFlow",
    "RadialNetwork",
    "Reconfiguration",
    "Tree",
    "base_tree",
    "least_losses",
    "loads_of",
    "nearest_tree",
    "network_of",
    "radial_power_flow",
    "radial_topologies",
    "random_tree",
    "shake",
]
