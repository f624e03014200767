"""A cell: one point of a sweep.

There are three kinds: a part of a detector, or its decisions on a stream (`Cell`), one of the two
scans by itself (`ScanCell`), and the search for the largest cell of a kind (`LimitCell`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fakemamba.result_schema import STREAM_PARTS as STREAM_PARTS

PARTS = ("front-end", "encoder", "end-to-end")
TRAINING_PARTS = ("training-step", "training-step-frozen")  # frozen: the front-end
FRAMES_PER_S = 50  # of the audio that a scan by itself stands for


@dataclass(frozen=True)
class Cell:
    """What is measured: detector × part × duration × batch × precision × backend × device ...

    ``backend`` is the scan's (``none`` where a detector has no Mamba), ``execution`` and
    ``attention`` are explained in `execution`, ``clock`` in `instruments.clock`. ``recording`` is
    the audio file, None for speech-like input. A part of ``STREAM_PARTS`` is a decision on a window
    of ``duration_s``, of which ``hop_s`` has come since the last one; others have no ``hop_s``.
    """

    detector: str
    frontend: str
    part: str
    duration_s: float
    batch_size: int = 1
    precision: str = "fp32"
    backend: str = "none"
    execution: str = "eager"
    device: str = "cpu"
    attention: str = "sdpa"
    clock: str = "latency"
    recording: Path | None = None
    hop_s: float | None = None

    @property
    def id(self) -> str:
        """A name that is unique in a sweep and readable in a test report."""
        length = f"{self.duration_s:g}s"
        if self.hop_s is not None:
            length += f"-every-{self.hop_s:g}s"
        source = length
        if self.recording is not None:
            source = f"{self.recording.parent.name}-{self.recording.stem}-{length}"
        parts = (self.detector, self.frontend, self.part, source, f"b{self.batch_size}")
        how = (self.precision, self.backend, self.execution, self.attention, self.clock)
        return "-".join((*parts, *how))

    @property
    def row(self) -> tuple[object, ...]:
        """What it shares with the cells that differ in duration alone."""
        return tuple(
            value for name, value in vars(self).items() if name not in ("duration_s", "recording")
        )

    @property
    def size(self) -> float:
        """What memory grows with along a row."""
        return self.duration_s

    @property
    def size_text(self) -> str:
        """The size with its unit."""
        return f"{self.duration_s:g} s"

    @property
    def audio_s(self) -> float:
        """Seconds of audio that a call stands for, which is new in it."""
        return self.batch_size * (self.duration_s if self.hop_s is None else self.hop_s)

    @property
    def of_window(self) -> Cell:
        """Of a stream's: a window of it alone, end to end."""
        return replace(self, part="end-to-end", hop_s=None)

    @property
    def group(self) -> str:
        """Cells with one group stand in one table of pytest-benchmark."""
        every = "" if self.hop_s is None else f" every {self.hop_s:g} s"
        return f"{self.part}, {self.duration_s:g} s{every} x {self.batch_size}, {self.precision}"

    def to_json(self) -> dict[str, Any]:
        """Its fields in ``extra_info``."""
        fields = asdict(self)
        del fields["recording"]
        return {
            "cell_id": self.id,
            "cell": fields,
            "input": "speech-like" if self.recording is None else "recording",
            "recording": None if self.recording is None else self.recording.name,
        }


@dataclass(frozen=True)
class ScanCell:
    """One call of a scan: backend × frames × batch × precision × directions × passes.

    ``directions`` is ``one``, or ``both-shared`` (PN-BiMamba, Hydra: one set of weights) or
    ``both-separate`` (two); ``passes`` is ``forward`` or ``forward+backward``; ``scan`` is
    ``selective`` or ``ssd``, whose ``channels`` are those of all heads.
    """

    backend: str
    num_frames: int
    batch_size: int
    precision: str
    directions: str
    passes: str
    device: str
    execution: str = "eager"
    clock: str = "latency"
    channels: int = 288
    states: int = 16
    scan: str = "selective"

    @property
    def id(self) -> str:
        """A name that is unique in a sweep and readable in a test report."""
        return f"{self.backend}-{self.group}"

    @property
    def row(self) -> tuple[object, ...]:
        """What it shares with the cells that differ in length alone."""
        return tuple(value for name, value in vars(self).items() if name != "num_frames")

    @property
    def duration_s(self) -> float:
        """Of the audio that gives so many frames."""
        return self.num_frames / FRAMES_PER_S

    @property
    def audio_s(self) -> float:
        """Seconds of audio that a call stands for."""
        return self.batch_size * self.duration_s

    @property
    def size(self) -> float:
        """What memory grows with along a row."""
        return self.num_frames

    @property
    def size_text(self) -> str:
        """The size with its unit."""
        return f"{self.num_frames} frames"

    @property
    def group(self) -> str:
        """Cells with one group stand in one table of pytest-benchmark."""
        kind = () if self.scan == "selective" else (self.scan,)
        shape = (f"{self.num_frames}f", f"b{self.batch_size}")
        how = (self.precision, self.directions, self.passes, self.execution, self.clock)
        return "-".join((*kind, *shape, *how))

    def to_json(self) -> dict[str, Any]:
        """Its fields in ``extra_info``, with those that it shares with detectors' cells."""
        shared = {
            "detector": f"{self.scan}-scan",
            "frontend": None,
            "part": "scan",
            "duration_s": self.duration_s,
            "attention": None,
            "hop_s": None,
        }
        fields = shared | asdict(self)
        del fields["scan"]
        return {"cell_id": self.id, "cell": fields, "input": "random", "recording": None}


@dataclass(frozen=True)
class LimitCell:
    """The search for the largest ``duration_s`` or ``batch_size`` (``vary``) of a ``base``."""

    base: Cell
    vary: str

    @property
    def id(self) -> str:
        """A name that is unique in a sweep and readable in a test report."""
        return f"{self.base.id}-largest-{self.vary}"

    @property
    def row(self) -> tuple[object, ...]:
        """Itself: a search learns nothing from another."""
        return (self,)

    @property
    def size(self) -> float:
        """Where the search begins."""
        return self.base.size

    @property
    def size_text(self) -> str:
        """The size with its unit."""
        return self.base.size_text

    @property
    def group(self) -> str:
        """Cells with one group stand in one table of pytest-benchmark."""
        return f"{self.base.part}, largest {self.vary}"

    @property
    def device(self) -> str:
        """Where it is measured."""
        return self.base.device

    @property
    def duration_s(self) -> float:
        """Of the audio where the search begins."""
        return self.base.duration_s

    @property
    def batch_size(self) -> int:
        """Where the search begins."""
        return self.base.batch_size

    def to_json(self) -> dict[str, Any]:
        """The base's fields; an outcome has the largest cell's in their place."""
        return self.base.to_json() | {"cell_id": self.id, "vary": self.vary}


Measurable = Cell | ScanCell
AnyCell = Measurable | LimitCell
