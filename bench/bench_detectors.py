"""Latency, memory and real-time factor of every detector: the sweep that ``--bench-*`` describes."""


def bench_detector(cell, measure):
    """One cell: a part of a detector at one duration; see the options under "fakemamba sweep"."""
    measure(cell)
