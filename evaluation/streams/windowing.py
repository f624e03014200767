"""How audio is judged by windows: said once for streams, long recordings, and their calibrations.

What a field is for is also the help of the options, which are its fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro
from pydantic import Field

from fakemamba.data.audio import SAMPLE_RATE_HZ
from fakemamba.records import check_fields

Rule = Literal["latest", "mean", "maximum", "evidence"]
LONGEST_S = 3600.0
Seconds = Annotated[float, Field(gt=0, le=LONGEST_S)]


class WindowingError(ValueError):
    """Audio cannot be cut so; the message says why and what to do."""


@dataclass(frozen=True)
class Windowing:
    """Windows, and how what they say becomes one score.

    Attributes:
        window: Seconds that are judged together: the last ones, and at the beginning as many as
            there are.
        hop: Seconds from one decision to the next.
        rule: What a decision is of: the latest window; the mean of those that ended in the last
            --period seconds; the maximum of suspicion among these, which is the lowest score; or
            the sum of evidence, which halves in each --period.
        period: Seconds, see --rule.
        speech_dbfs: Level of a 20 ms frame from which on it is taken for speech. A window with less
            than 0.1 s of it is silence and gets no verdict, and the first window begins where
            speech does. None judges whatever comes.

    Raises:
        WindowingError: numbers that cannot be, or a hop over a window, which would leave some out.
    """

    window: Annotated[Seconds, tyro.conf.arg(metavar="S")] = 4.0
    hop: Annotated[Seconds, tyro.conf.arg(metavar="S")] = 1.0
    rule: Rule = "mean"
    period: Annotated[Seconds, tyro.conf.arg(metavar="S")] = 10.0
    speech_dbfs: Annotated[
        Annotated[float, Field(le=0, gt=-200)] | None,
        tyro.conf.arg(name="speech-level", metavar="DBFS|None"),
    ] = -50.0

    def __post_init__(self) -> None:
        try:
            check_fields(self)
        except ValueError as error:
            raise WindowingError(str(error)) from error
        if self.hop > self.window:
            raise WindowingError(
                f"--hop {self.hop:g} is more than --window {self.window:g}, so that audio between "
                "windows would not be judged"
            )
        if min(self.window_samples, self.hop_samples) < 1:
            raise WindowingError(f"--hop {self.hop:g}: less than a sample at 16 kHz")

    @property
    def window_samples(self) -> int:
        """Of a full window, at 16 kHz."""
        return round(self.window * SAMPLE_RATE_HZ)

    @property
    def hop_samples(self) -> int:
        """From one decision to the next, at 16 kHz."""
        return round(self.hop * SAMPLE_RATE_HZ)

    def __str__(self) -> str:
        """All of it in words."""
        rule = self.rule if self.rule == "latest" else f"{self.rule} over {self.period:g} s"
        level = "all" if self.speech_dbfs is None else f"speech from {self.speech_dbfs:g} dBFS on"
        return f"windows of {self.window:g} s every {self.hop:g} s, {rule}, {level}"


USUAL = Windowing()
