"""The largest load that holds: doubled until it does not, then narrowed down between the two."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from fakemamba.shares import Verdict

FINE = 1.1  # times, between what holds and what does not
MOST_LEVELS = 30
MOST_HALVINGS = 8  # without one that holds
STEP, MOST_STEPS = 1.25, 8  # times, from one that is undecided to one that fails


@dataclass(frozen=True)
class Bracket:
    """Where the largest load is: at least ``held``, and under ``failed``.

    Attributes:
        held: the largest that held; 0 if none did.
        failed: the smallest that failed; infinite if none did.
    """

    held: float
    failed: float


def search(
    judge: Callable[[float], Verdict], first: float, *, is_whole: bool = False, fine: float = FINE
) -> Bracket:
    """Look for the largest load that holds.

    A load that stays undecided counts as one that does not hold, but not as one that fails, so that
    the bracket is as wide as what is not known.

    Args:
        judge: tries a load.
        first: that is tried.
        is_whole: loads are whole numbers, from 1 on.
        fine: how near the ends get to each other, as a ratio; whole numbers need not be nearer
            than neighbours.
    """
    held, above, failed = 0.0, math.inf, math.inf
    level = _rounded(first, is_whole)
    halvings = 0
    for _ in range(MOST_LEVELS):
        found = judge(level)
        if found == "holds":
            held = max(held, level)
        else:
            above = min(above, level)
        if found == "fails":
            failed = min(failed, level)
        if above == math.inf:
            wanted = 2 * held
        elif held == 0:
            halvings += 1
            wanted = above / 2
            if above <= 1 if is_whole else halvings > MOST_HALVINGS:
                break
        elif above / held <= fine or (is_whole and above - held <= 1):
            break
        else:
            wanted = max(math.sqrt(held * above), held + 1 if is_whole else 0.0)
        level = _rounded(wanted, is_whole)
        if not held < level < above:  # which rounding may do
            break
    level = above
    steps = 0
    while failed == math.inf and above < math.inf and steps < MOST_STEPS:  # it is undecided
        steps += 1
        level = max(_rounded(STEP * level, is_whole), level + 1 if is_whole else 0.0)
        if judge(level) == "fails":
            failed = level
    return Bracket(held, failed)


def _rounded(level: float, is_whole: bool) -> float:
    return float(max(math.floor(level), 1)) if is_whole else float(f"{level:.3g}")
