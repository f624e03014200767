"""What is undecided, in one line, and the one command that decides it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fakemamba.analysis.grouping import grouped
from fakemamba.analysis.report.words import enumerate_names
from fakemamba.analysis.scaling.advice import GOOD_DURATIONS, WORDS
from fakemamba.analysis.scaling.curves import FORMULA
from fakemamba.analysis.scaling.fit import LEAST_DURATIONS, TOP
from fakemamba.analysis.scaling.verdicts import Scaling
from fakemamba.analysis.setting import Group
from fakemamba.result_schema import OWN_FRONTEND
from fakemamba.typed import FOLDER, sweep_command

FEW_NAMES = 3
BUDGET_S = 600
OPTIONS = {  # of a setting's fields, with what a sweep does if they are not given
    "frontend": ("--bench-frontend", OWN_FRONTEND),
    "device": ("--bench-device", "cpu"),
    "precision": ("--bench-precision", "fp32"),
    "batch_size": ("--bench-batch-sizes", 1),
    "execution": ("--bench-execution", "eager"),
    "attention": ("--bench-attention", "sdpa"),
    "clock": ("--bench-clock", "latency"),
}


@dataclass(frozen=True)
class Undecided:
    """``line`` says what is undecided; ``command`` decides it, None where more time does not."""

    line: str
    command: str | None


def undecided_verdicts(groups: Sequence[Group], scalings: Sequence[Scaling]) -> Undecided | None:
    """Group the undecided verdicts of all settings; None if every one is decided.

    What was measured at one duration alone was not asked how it grows: it is counted apart. What
    was not measured at all stands with what failed.
    """
    asked = [one for one in scalings if one.durations > 1 or one.verdict != "undecided"]
    undecided = [one for one in asked if one.verdict == "undecided"]
    alone = len(_timed([one for one in scalings if one.durations == 1]) - _timed(asked))
    told = []
    if alone:
        nouns = "detector was" if alone == 1 else "detectors were"
        told.append(f"{alone} {nouns} measured at one duration, which shows no growth.")
    if undecided:
        what = "; ".join(_in_words(undecided))
        told.append(f"Undecided are {len(undecided)} of {len(asked)} verdicts: {what}.")
    if not told:
        return None
    return Undecided(" ".join(told), _command(groups, undecided))


def _timed(scalings: Sequence[Scaling]) -> set[str]:
    """The detectors with a latency."""
    return {one.detector for one in scalings if one.quantity == "latency"}


def _in_words(undecided: Sequence[Scaling]) -> Iterator[str]:
    """Such as ``latency and flops of encoder and end-to-end, 10 detectors``."""
    detectors = grouped(((one.quantity, one.part), one.detector) for one in undecided)
    parts = grouped(
        ((quantity, _names(names)), part) for (quantity, part), names in detectors.items()
    )
    quantities = grouped(
        ((enumerate_names(them), those), WORDS.get(quantity, quantity))
        for (quantity, those), them in parts.items()
    )
    for (of_parts, those), them in quantities.items():
        yield f"{enumerate_names(them)} of {of_parts} ({those})"


def _names(names: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(names))
    if len(distinct) > FEW_NAMES:
        return f"{len(distinct)} detectors"
    return enumerate_names(distinct)


def _command(groups: Sequence[Group], undecided: Sequence[Scaling]) -> str | None:
    """A sweep of what is undecided in the setting where most is, longer and at more durations."""
    undecided = [one for one in undecided if one.figure != FORMULA]
    counts = Counter(one.setting for one in undecided)
    group = max(groups, key=lambda one: counts[one.setting], default=None)
    if group is None or not counts[group.setting]:
        return None
    own = [one for one in undecided if one.setting == group.setting]
    shortest_s = min(one.t_min_s for one in own if one.t_min_s is not None)
    longest_s = max(one.t_max_s for one in own if one.t_max_s is not None)
    if all(one.durations >= LEAST_DURATIONS for one in own):
        longest_s *= 2  # where the quadratic part is twice as large beside the linear one
    longest_s = max(longest_s, 2 * TOP * shortest_s)
    durations = np.geomspace(shortest_s, longest_s, GOOD_DURATIONS)
    words = [FOLDER]
    words += ["--bench-detectors", ",".join(dict.fromkeys(one.detector for one in own))]
    words += ["--bench-parts", ",".join(dict.fromkeys(one.part for one in own))]
    words += ["--bench-durations", ",".join(f"{one:.3g}" for one in durations)]
    for name, value in vars(group.setting).items():
        option, usual = OPTIONS.get(name, (None, None))
        if option is not None and value is not None and value != usual:
            words += [option, str(value)]
    words += ["--bench-budget", f"{BUDGET_S:g}", "--benchmark-json=longer.json"]
    return sweep_command(words)
