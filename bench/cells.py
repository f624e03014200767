"""A cell: one point of a sweep, and the record that it always ends in."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PARTS = ("front-end", "encoder", "end-to-end")
PRECISIONS = ("fp32", "bf16", "fp16")
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

    def to_json(self) -> dict[str, Any]:
        """The cell as the field ``extra_info.cell`` of a result."""
        fields = asdict(self)
        del fields["recording"]
        return fields


@dataclass(frozen=True)
class Outcome:
    """How a cell ended: figures in ``details`` if measured, else the ``reason`` why not."""

    cell: Cell
    status: str
    reason: str | None = None
    details: dict[str, Any] = field(default_factory=dict)
    exception: Exception | None = None

    def to_json(self) -> dict[str, Any]:
        """The result's ``extra_info``."""
        recording = self.cell.recording
        return {
            "cell": self.cell.to_json(),
            "status": self.status,
            "reason": self.reason,
            "input": "speech-like" if recording is None else "recording",
            "recording": None if recording is None else recording.name,
            **self.details,
        }
