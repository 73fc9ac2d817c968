"""Random feeders with strong feed-in, planned by the package and by a global reference that shares no code with it.

``make prove`` plans the feeders of many seeds and lists where planner and reference disagree; ``PROVE_ARGS`` names the
seeds. Nothing in this folder but ``judge.py`` and ``__main__.py`` imports the package.
"""
