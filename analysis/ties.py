"""What an interval of a ratio that holds 1 says: a tie, or nothing, as it may be anything."""

from __future__ import annotations

MOST_TIE = 1.25  # times as much, or as little: less is no difference in practice
TIE = f"a tie within noise (less than {MOST_TIE:g} times apart)"
TOO_NOISY = "too noisy to compare"


def is_tie(low: float, high: float) -> bool:
    """Whether a ratio in this interval is surely close to 1."""
    return 1 / MOST_TIE <= low <= 1 <= high <= MOST_TIE


def undecided(low: float, high: float) -> str:
    """What is told of an interval that holds 1."""
    return TIE if is_tie(low, high) else TOO_NOISY
