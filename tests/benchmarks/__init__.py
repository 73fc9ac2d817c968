"""Measurements that take minutes to hours: ``make bench`` and ``make bench-growth``; ``BENCH_ARGS`` names some of them.

Nothing here is part of the test suite: machines differ, and a test must not fail because one is busy.
"""
