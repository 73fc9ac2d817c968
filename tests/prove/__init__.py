"""Random feeders with strong feed-in, planned by the package and by a global reference that shares no code with it.

``make prove`` plans the feeders of many seeds and lists where planner and reference disagree; ``PROVE_ARGS`` names the
seeds. With ``--questions`` each is asked how far forecasts may be wrong within a budget, robust or as an opportunity;
there the reference bisects alpha over a global dispatch at all vertices of the set and at points between. Nothing in
this folder but ``judge.py``, ``judge_questions.py`` and ``__main__.py`` imports the package.
"""
