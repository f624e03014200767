"""A cell: one point of a sweep, and the record that it always ends in.

There are two kinds: a part of a detector (`Cell`), and the selective scan by itself (`ScanCell`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PARTS = ("front-end", "encoder", "end-to-end")
PRECISIONS = ("fp32", "bf16", "fp16")
FRAMES_PER_S = 50  # of every XLS-R front-end
STATUSES = ("measured", "out-of-memory", "unsupported", "failed")


@dataclass(frozen=True)
class Cell:
    """What is measured: detector × part × duration × batch × precision × backend × device.

    ``backend`` is the selective scan's (``none`` where a detector has no Mamba), ``execution`` how
    torch runs the model. ``recording`` is the audio file, None for speech-like input.
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
    recording: Path | None = field(default=None, compare=False)

    @property
    def id(self) -> str:
        """A name that is unique in a sweep and readable in a test report."""
        length = f"{self.duration_s:g}s"
        source = length if self.recording is None else f"{self.recording.stem}-{length}"
        parts = (self.detector, self.frontend, self.part, source, f"b{self.batch_size}")
        return "-".join((*parts, self.precision, self.backend, self.execution, self.attention))

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
    def group(self) -> str:
        """Cells with one group stand in one table of pytest-benchmark."""
        return f"{self.part}, {self.duration_s:g} s x {self.batch_size}, {self.precision}"

    def to_json(self) -> dict[str, Any]:
        """Its fields in ``extra_info``."""
        fields = asdict(self)
        del fields["recording"]
        return {
            "cell": fields,
            "input": "speech-like" if self.recording is None else "recording",
            "recording": None if self.recording is None else self.recording.name,
        }


@dataclass(frozen=True)
class ScanCell:
    """One call of the selective scan: backend × frames × batch × precision × directions × passes.

    ``directions`` is ``one``, or ``both-shared`` (PN-BiMamba: one set of weights) or
    ``both-separate`` (two); ``passes`` is ``forward`` or ``forward+backward``.
    """

    backend: str
    num_frames: int
    batch_size: int
    precision: str
    directions: str
    passes: str
    device: str
    channels: int = 288
    states: int = 16

    @property
    def id(self) -> str:
        """A name that is unique in a sweep and readable in a test report."""
        shape = f"{self.num_frames}f-b{self.batch_size}"
        return f"{self.backend}-{shape}-{self.precision}-{self.directions}-{self.passes}"

    @property
    def row(self) -> tuple[object, ...]:
        """What it shares with the cells that differ in length alone."""
        return tuple(value for name, value in vars(self).items() if name != "num_frames")

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
        return self.id.removeprefix(f"{self.backend}-")

    def to_json(self) -> dict[str, Any]:
        """Its fields in ``extra_info``, with those that it shares with detectors' cells."""
        shared = {
            "detector": "selective-scan",
            "frontend": None,
            "part": "scan",
            "duration_s": self.num_frames / FRAMES_PER_S,
            "execution": "eager",
            "attention": None,
        }
        return {"cell": shared | asdict(self), "input": "random", "recording": None}


AnyCell = Cell | ScanCell


@dataclass(frozen=True)
class Outcome:
    """How a cell ended: figures in ``details`` if measured, else the ``reason`` why not."""

    cell: AnyCell
    status: str
    reason: str | None = None
    details: dict[str, Any] = field(default_factory=dict)
    exception: Exception | None = None

    def to_json(self) -> dict[str, Any]:
        """The result's ``extra_info``."""
        return {
            **self.cell.to_json(),
            "status": self.status,
            "reason": self.reason,
            **self.details,
        }
