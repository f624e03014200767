"""A list of trials as a whole, read once before the work: how many, which, and none of them twice.

Only a number of eight bytes a trial is kept.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fakemamba.data.trials import Trial

SHOWN = 5


class TrialListError(ValueError):
    """A list of trials cannot be scored."""


@dataclass(frozen=True)
class TrialList:
    """How many trials there are, and the SHA-256 of their names and paths in their order."""

    count: int
    sha256: str


def survey(
    source: Callable[[], Iterable[Trial]], check: Callable[[Trial], None] | None = None
) -> TrialList:
    """Go through a list of trials once.

    Args:
        source: gives the list anew at every call.
        check: raises an error for a trial that cannot be used.

    Raises:
        TrialListError: no trials, or several with one name.
    """
    digest = hashlib.sha256()
    hashes = array("Q")
    for trial in source():
        if check is not None:
            check(trial)
        path = b"" if trial.path is None else os.fsencode(trial.path)
        digest.update(b"%s\0%s\n" % (os.fsencode(trial.trial_id), path))
        hashes.append(_hash(trial.trial_id))
    if not hashes:
        raise TrialListError("no recordings given: the list of trials is empty")
    ordered = np.sort(np.frombuffer(hashes, dtype=np.uint64))
    suspects = set(ordered[:-1][ordered[:-1] == ordered[1:]].tolist())
    if suspects:  # two names of one hash are unlikely, but no proof: only these are compared
        places: dict[str, list[str]] = {}
        for trial in source():
            if _hash(trial.trial_id) in suspects:
                places.setdefault(trial.trial_id, []).append(str(trial.path))
        _require_once({name: paths for name, paths in places.items() if len(paths) > 1})
    return TrialList(len(hashes), digest.hexdigest())


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(os.fsencode(name), digest_size=8).digest(), "little")


def _require_once(twice: Mapping[str, Sequence[str]]) -> None:
    if twice:
        more = f" and {len(twice) - SHOWN:,} more" if len(twice) > SHOWN else ""
        first = next(iter(twice.values()))
        raise TrialListError(
            f"several recordings are called {', '.join([*twice][:SHOWN])}{more}: their scores "
            f"could not be told apart (as of {first[0]} and {first[1]}); score them in separate "
            "runs, or give each a trial_id in a manifest"
        )
