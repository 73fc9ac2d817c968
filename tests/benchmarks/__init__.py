"""Measurements that take minutes; ``make bench`` runs them all, ``make bench BENCH_ARGS="ROW ..."`` some."""
