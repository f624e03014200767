"""Metrics of resampled trials without copying trials: how often each was drawn, over one sort.

A trial that was drawn w times counts as w trials of the same score. Bona fide trials come first,
then spoof; within a class they are in any order. The kernels hold no lock, so that replicates run
on all cores; each is computed by one thread, so that their number changes no value.
"""
# mypy: disable-error-code="untyped-decorator"
# numba's decorators have no types; the kernels under them do.

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from numba import njit

from fakemamba.evaluation.metrics.checks import Counts, Floats

Draws = npt.NDArray[np.int32]  # how often each trial was drawn (n,)
Draw = Callable[[np.random.Generator, Draws], None]  # fills it

CHUNK = 1 << 14  # random numbers at a time: they stay in the cache, and no memory is asked for


class Resampled(Protocol):
    """What can be measured of any draw of its trials."""

    def __len__(self) -> int:
        """How many trials there are."""
        ...

    def measure(self, counts: Draws) -> Floats:
        """Its figures (m,) of trials that were drawn so often (n,); NaN where there is none."""
        ...


@dataclass(frozen=True, eq=False)
class SortedTrials:
    """What metrics of one system's trials need, sorted once.

    ``order`` (n,) lists trials by ascending score, bona fide first in a tie. ``costs`` (m, 3) are
    what m linear costs charge in any case, for a miss and for a false accept. ``losses`` (q, n) are
    what single trials cost in q metrics that are the sum of both classes' means.
    """

    bonafide: int
    order: Counts
    costs: Floats
    losses: Floats

    def __len__(self) -> int:
        """How many trials there are."""
        return len(self.order)

    def measure(self, counts: Draws) -> Floats:
        """The EER, the least of each linear cost, each sum of means (1 + m + q,).

        NaN, all of them, if nothing of a class was drawn.
        """
        values = np.empty(1 + len(self.costs) + len(self.losses))
        least, sums = np.split(values[1:], [len(self.costs)])
        values[0] = sweep(counts, self.order, self.bonafide, self.costs, least)
        sum_means(counts, self.bonafide, self.losses, sums)
        return values


def draw_trials(bonafide: int, spoof: int) -> Draw:
    """Trials drawn with replacement, as many of each class as there are."""

    def draw(rng: np.random.Generator, counts: Draws) -> None:
        _draw_into(counts[:bonafide], rng)
        _draw_into(counts[bonafide:], rng)

    return draw


def draw_clusters(memberships: Sequence[Counts]) -> Draw:
    """Clusters drawn with replacement, several partitions of the trials independently.

    A trial is drawn as often as the product over partitions says (the pigeonhole bootstrap: Owen,
    Annals of Applied Statistics 1, 2007).

    Args:
        memberships: for each partition the number of each trial's cluster, from 0 up, and -1 for
            trials that it leaves as they are (n,).
    """
    sizes = [int(membership.max()) + 1 for membership in memberships]

    def draw(rng: np.random.Generator, counts: Draws) -> None:
        counts[:] = 1
        for membership, size in zip(memberships, sizes, strict=True):
            of_clusters = np.empty(size, np.int32)
            _draw_into(of_clusters, rng)
            multiply(counts, membership, of_clusters)

    return draw


def replicate(
    systems: Sequence[Resampled], draw: Draw, replicates: int, seed: int
) -> npt.NDArray[np.float64]:
    """Metrics of all systems on the same draws (replicates, systems, metrics).

    Each replicate has its own stream of random numbers, so that it is the same in any thread.
    """
    workers = min(os.cpu_count() or 1, replicates)

    def measure(streams: Sequence[np.random.SeedSequence]) -> list[list[Floats]]:
        counts = np.empty(len(systems[0]), np.int32)
        measured = []
        for stream in streams:
            draw(np.random.default_rng(stream), counts)
            measured.append([system.measure(counts) for system in systems])
        return measured

    streams = np.random.SeedSequence(seed).spawn(replicates)
    with ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(measure, (streams[first::workers] for first in range(workers))))
    found = np.empty((replicates, *np.shape(parts[0])[1:]))
    for first, part in enumerate(parts):
        found[first::workers] = part
    return found


def _draw_into(counts: Draws, rng: np.random.Generator) -> None:
    """Draw as many things as there are, with replacement; count how often each was drawn (n,)."""
    counts[:] = 0
    for first in range(0, len(counts), CHUNK):
        size = min(CHUNK, len(counts) - first)
        count(counts, rng.integers(len(counts), size=size, dtype=np.uint32))


@njit(cache=True, nogil=True)
def count(counts: Draws, drawn: npt.NDArray[np.uint32]) -> None:
    """Add one to ``counts`` (n,) for each number (k,) that was drawn."""
    for one in drawn:
        counts[one] += 1


@njit(cache=True, nogil=True)
def multiply(counts: Draws, membership: Counts, of_clusters: Draws) -> None:
    """Multiply each trial's count (n,) by its cluster's, unless it has none."""
    for trial in range(len(counts)):
        if membership[trial] >= 0:
            counts[trial] *= of_clusters[membership[trial]]


@njit(cache=True, nogil=True)
def sweep(counts: Draws, order: Counts, bonafide: int, costs: Floats, least: Floats) -> float:
    """The EER over single steps, copies of a trial included; the least linear costs in ``least``.

    A linear cost only falls while spoofs are rejected, so it is looked at before each bona fide
    trial, and at the end.
    """
    total_bonafide, total_spoof = counts[:bonafide].sum(), counts[bonafide:].sum()
    if total_bonafide == 0 or total_spoof == 0:
        least[:] = np.nan
        return np.nan
    least[:] = costs[:, 0] + costs[:, 2]  # all accepted
    eer, met = 0.0, False
    missed, accepted = 0, total_spoof
    for trial in order:
        drawn = counts[trial]
        is_bonafide = trial < bonafide
        if is_bonafide:
            miss, false_accept = missed / total_bonafide, accepted / total_spoof
            for one in range(len(costs)):
                value = costs[one, 0] + costs[one, 1] * miss + costs[one, 2] * false_accept
                least[one] = min(least[one], value)
            missed += drawn
        else:
            accepted -= drawn
        if not met and missed * total_spoof >= accepted * total_bonafide:
            met = True
            eer = mean_where_nearest(missed, accepted, is_bonafide, total_bonafide, total_spoof)
    for one in range(len(costs)):
        least[one] = min(least[one], costs[one, 0] + costs[one, 1])  # all rejected
    return eer


@njit(cache=True, nogil=True)
def mean_where_nearest(
    missed: int, accepted: int, is_bonafide: bool, total_bonafide: int, total_spoof: int
) -> float:
    """The mean rate at the copy of a trial where both rates are nearest.

    They have met within the copies of the trial that was passed last: at the first of them after
    which the miss rate is not the lower one. That or the copy before is nearest, which counts in a
    tie.
    """
    excess = missed * total_spoof - accepted * total_bonafide  # in whole numbers, 0 or more
    if is_bonafide:
        back = excess // total_spoof
        missed -= back
        before = (missed - 1) / total_bonafide, accepted / total_spoof
    else:
        back = excess // total_bonafide
        accepted += back
        before = missed / total_bonafide, (accepted + 1) / total_spoof
    after = missed / total_bonafide, accepted / total_spoof
    nearest = after if abs(after[0] - after[1]) < abs(before[0] - before[1]) else before
    return (nearest[0] + nearest[1]) / 2


@njit(cache=True, nogil=True)
def sum_means(counts: Draws, bonafide: int, losses: Floats, sums: Floats) -> None:
    """For each loss (n,) its mean over bona fide plus its mean over spoof, in ``sums`` (q,).

    Two losses at a time, as a sum of numbers in their order has to wait for each addition.
    """
    sums[:] = 0.0
    for first, last in ((0, bonafide), (bonafide, len(counts))):
        drawn = counts[first:last].sum()
        for one in range(0, len(losses), 2):
            other = min(one + 1, len(losses) - 1)  # the same, if one is left
            of_one, of_other = 0.0, 0.0
            for trial in range(first, last):
                of_one += counts[trial] * losses[one, trial]
                of_other += counts[trial] * losses[other, trial]
            sums[one] += of_one / drawn if drawn else np.nan
            if other != one:
                sums[other] += of_other / drawn if drawn else np.nan


@njit(cache=True, nogil=True)
def sweep_time(
    counts: Draws, owners: Counts, spoof_s: Floats, bonafide_s: Floats, ends: Counts
) -> float:
    """The EER over time whose pieces (n,) count as often as their owners, by ascending score.

    ``ends`` (d,) is where the pieces of each distinct score end, which pass at once. NaN if no time
    of a class was drawn.
    """
    total_spoof_s, total_bonafide_s = 0.0, 0.0
    for piece in range(len(owners)):
        total_spoof_s += counts[owners[piece]] * spoof_s[piece]
        total_bonafide_s += counts[owners[piece]] * bonafide_s[piece]
    if total_spoof_s <= 0 or total_bonafide_s <= 0:
        return np.nan
    missed_s, accepted_s = 0.0, total_spoof_s
    miss, false_accept = 0.0, 1.0
    piece = 0
    for end in ends:
        before = miss, false_accept
        while piece < end:
            missed_s += counts[owners[piece]] * bonafide_s[piece]
            accepted_s -= counts[owners[piece]] * spoof_s[piece]
            piece += 1
        miss, false_accept = missed_s / total_bonafide_s, accepted_s / total_spoof_s
        if miss >= false_accept:  # they have met: here or one score before they are nearest
            if before[1] - before[0] <= miss - false_accept:
                miss, false_accept = before
            break
    return (miss + false_accept) / 2
