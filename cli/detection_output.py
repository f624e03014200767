"""What ``fakemamba detect`` says of recordings: a table, what its figures mean, and JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from rich.table import Column
from rich.text import Text

from fakemamba.cli.printing import TextTable, right
from fakemamba.data.trials import BONA_FIDE
from fakemamba.evaluation.calibration import Calibration
from fakemamba.evaluation.judgement import Judgement, OperatingPoint, bona_fide_from

LEAST_SHOWN = 0.001  # of a probability, at either end: no calibration knows more
MOST_STRETCHES = 20  # of a recording's windows that are printed
CALIBRATE = "fakemamba calibrate DEV_SCORES --key DEV_KEY --out calibration.json"


@dataclass(frozen=True)
class Stretch:
    """A window of a recording: from where to where, and what was made of it; None in silence."""

    start_s: float
    end_s: float
    judgement: Judgement | None

    @property
    def score(self) -> float | None:
        """Of the window alone."""
        return None if self.judgement is None else self.judgement.score

    @property
    def spoof_probability(self) -> float | None:
        """Of the window alone, where single windows are calibrated."""
        return None if self.judgement is None else self.judgement.spoof_probability

    def to_json(self) -> dict[str, float | None]:
        """All of it in one flat object; unknown is null."""
        llr = None if self.judgement is None else self.judgement.llr
        return {
            "start_s": self.start_s,
            "end_s": self.end_s,
            "score": self.score,
            "llr": llr,
            "spoof_probability": self.spoof_probability,
        }


@dataclass(frozen=True)
class Row:
    """A recording, and what was made of it or why nothing was.

    Attributes:
        file: as it was given.
        judged_s: seconds that the score is of.
        judgement: None where there is no score.
        reason: why there is none.
        damage: what is missing of the recording, if it is not all.
        picture: of its frame evidence or its windows, if one was drawn.
        stretches: its windows, if it was judged by windows.
    """

    file: Path
    judged_s: float | None = None
    judgement: Judgement | None = None
    reason: str | None = None
    damage: str | None = None
    picture: Path | None = None
    stretches: tuple[Stretch, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """All of it in one flat object; unknown is null."""
        nothing = dict.fromkeys(field.name for field in fields(Judgement))
        return {
            "file": str(self.file),
            "judged_s": self.judged_s,
            **(nothing if self.judgement is None else asdict(self.judgement)),
            "reason": self.reason,
            "damage": self.damage,
            "picture": None if self.picture is None else str(self.picture),
            "windows": self.stretches and [one.to_json() for one in self.stretches],
        }


def table(rows: Sequence[Row], *, calibrated: bool) -> TextTable:
    """A line a recording."""
    heads = ["seconds", "score", *["llr", "P(spoof)"] * calibrated]
    shown = TextTable(
        Column("file", overflow="fold"),
        *(right(head) for head in heads),
        "verdict",
    )
    for row in rows:
        name = Text(str(row.file))  # not markup, whatever brackets it has
        if row.judgement is None or row.judged_s is None:
            why = (row.reason or "").removeprefix(f"{row.file}: ")
            shown.add_row(name, *["-"] * len(heads), Text(f"not judged: {why}"))
            continue
        one = row.judgement
        figures = [f"{row.judged_s:.2f}", f"{one.score:.4f}"]
        if one.llr is not None and one.spoof_probability is not None:
            figures += [f"{one.llr:+.2f}", per_cent(one.spoof_probability)]
        shown.add_row(name, *figures, "-" if one.verdict is None else verdict_words(one.verdict))
    return shown


def many(stretches: Sequence[Stretch]) -> str:
    """What is to be said where `stretch_table` does not have all of them."""
    few = len(stretches) <= MOST_STRETCHES
    return "" if few else f", the {MOST_STRETCHES} lowest scores of {len(stretches):,}"


def stretch_table(stretches: Sequence[Stretch], *, calibrated: bool) -> TextTable:
    """A line a window of a recording; of many, those that look most like a spoof."""
    shown = sorted(stretches, key=lambda one: math.inf if one.score is None else one.score)
    shown = sorted(shown[:MOST_STRETCHES], key=lambda one: one.end_s)
    heads = ["from (s)", "to (s)", "score", *["llr", "P(spoof)"] * calibrated]
    found = TextTable(*(right(head) for head in heads), box=None)
    for one in shown:
        place = f"{one.start_s:.2f}", f"{one.end_s:.2f}"
        judged = one.judgement
        if judged is None:
            found.add_row(*place, "silence")
        elif judged.llr is None or judged.spoof_probability is None:
            found.add_row(*place, f"{judged.score:.4f}")
        else:
            figures = f"{judged.llr:+.2f}", per_cent(judged.spoof_probability)
            found.add_row(*place, f"{judged.score:.4f}", *figures)
    return found


def per_cent(probability: float) -> str:
    """A probability for people, without digits that nobody can know."""
    if probability < LEAST_SHOWN:
        return f"< {LEAST_SHOWN:.1%}"
    if probability > 1 - LEAST_SHOWN:
        return f"> {1 - LEAST_SHOWN:.1%}"
    return f"{probability:.1%}"


def verdict_words(verdict: str) -> str:
    """A label as it is written in text."""
    return "bona fide" if verdict == BONA_FIDE else verdict


def headline(file: Path, one: Judgement, point: OperatingPoint | None) -> str:
    """A recording and what was made of it, for the title of its picture."""
    words = [f"score {one.score:.4g}"]
    if one.spoof_probability is not None:
        words.append(f"P(spoof) {per_cent(one.spoof_probability)}")
    if one.verdict is not None and point is not None:
        reason = bona_fide_from(point.threshold)
        words.append(f"verdict {verdict_words(one.verdict)} ({reason})")
    return f"{file.name}: {', '.join(words)}"


def explanation(
    path: Path | None,
    calibration: Calibration | None,
    point: OperatingPoint | None,
    pi_spoof: float,
) -> Iterator[str]:
    """What probability and verdict rest on, line by line.

    Args:
        path: of the calibration.
        calibration: None where there is none.
        point: None where there is no verdict.
        pi_spoof: prior of the probabilities.
    """
    if calibration is None:
        yield f"A score is no probability: that needs a --calibration, made with\n  {CALIBRATE}"
    else:
        smoothed = ", which do not overlap" if calibration.smoothed else ""
        yield (
            f"calibration: {path}, fitted to {calibration.bonafide:,} bona fide and "
            f"{calibration.spoof:,} spoof development trials{smoothed} (EER {calibration.eer:.2%})"
        )
        if calibration.origin is None:
            yield "It does not say which detector it is of: make sure that it is of this one."
        yield (
            f"P(spoof): if {100 * pi_spoof:.4g} % of such recordings are spoofs, and if they are "
            "like the development trials. For others it can be wrong and look sure."
        )
    yield "no verdict: there is no threshold" if point is None else f"verdict: {point.in_words}"
