"""From a formulation to numbers: arrays, bounds, branch and bound, a process of its own."""
