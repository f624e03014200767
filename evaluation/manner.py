"""How recordings become scores: said once for commands, functions and records of scoring.

What a field is for is also the help of the options of ``fakemamba score``, which are its fields.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import torch
import tyro

from fakemamba.data.audio import SAMPLE_RATE_HZ
from fakemamba.data.batches import Batch, batches
from fakemamba.data.trials import Trial
from fakemamba.models.execution import optimized
from fakemamba.models.execution.engines.frontend import ENGINES
from fakemamba.models.execution.modes import (
    UnsupportedSettingError,
    check_setting,
    slower_than_fp32,
)

PLAIN: Final = "plain"
Precision = Literal["fp32", "tf32", "bf16", "fp16", "int8"]
Execution = Literal["plain", "eager", "compile", "graph", "onnxruntime", "openvino"]
PRECISIONS = {PLAIN: ("fp32", "bf16", "int8"), **optimized.PRECISIONS}  # by execution
MOST_WORKERS = 8


@dataclass(frozen=True)
class Manner:
    """How recordings are scored, or embedded.

    Attributes:
        detector: The detector that the checkpoint must be of; needed for an official .pth.
        length: Cut or tile every clip to so many samples (the papers: 66800 or 64600).
        precision: bf16 is for front-end and encoder, and with another execution than plain for the
            front-end alone; the head is in fp32, and so are the scores. int8 is for linear layers,
            on a CPU: of all of the detector if plain, of the front-end with an engine.
        execution: All but plain are the optimized detector; graph (CUDA graphs) is the fastest on a
            GPU. onnxruntime and openvino run the front-end on a CPU, in fp32 or int8 (and openvino
            in bf16).
        batch_seconds: Audio in a batch with its padding; halved where memory ends.
        workers: Threads that decode; by default a core's each, up to 8.
        allow_damaged: Score what is left of damaged recordings; OUT.json says which these are.
        device: auto, cpu, cuda, or cuda:0 and so on.

    Raises:
        ValueError: a number that cannot be.
    """

    detector: str | None = None
    length: Annotated[int | None, tyro.conf.arg(metavar="SAMPLES")] = None
    precision: Precision = "fp32"
    execution: Execution = PLAIN
    batch_seconds: Annotated[float, tyro.conf.arg(metavar="S")] = 64.0
    workers: int | None = None
    allow_damaged: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.length is not None and self.length < 1:
            raise ValueError(f"--length {self.length}: a clip cannot be cut to that")
        if not 0 < self.batch_seconds < float("inf"):
            raise ValueError(f"--batch-seconds {self.batch_seconds}: no recording fits into that")
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"--workers {self.workers}: give 1 or more")

    def check_on(self, device: torch.device) -> None:
        """Refuse what this device cannot score with, before any work.

        Raises:
            ValueError: no such precision or execution, or not on this device.
        """
        if self.execution not in PRECISIONS:
            known = ", ".join(PRECISIONS)
            raise ValueError(f"execution {self.execution!r} is not one of {known}")
        precisions = PRECISIONS[self.execution]
        if self.precision not in precisions:
            raise ValueError(
                f"precision {self.precision!r} is not one of {', '.join(precisions)}, those of "
                f"execution {self.execution}"
            )
        if self.execution != PLAIN:
            optimized.check_optimized(device, self.precision, self.execution)
            return
        check_setting(device, self.precision, "eager")
        if slow := slower_than_fp32(device, self.precision):
            raise UnsupportedSettingError(slow)

    def engine_versions(self) -> str | None:
        """What runs the front-end, if an engine does, with the versions of its packages."""
        engine = ENGINES.get(self.execution)
        return None if engine is None else engine.versions(self.precision)

    @property
    def budget_samples(self) -> int:
        """Padded samples that a batch may have."""
        return max(1, round(self.batch_seconds * SAMPLE_RATE_HZ))

    def threads(self, processes: int = 1) -> int:
        """Threads that decode in each of so many processes on this machine."""
        cores = (os.cpu_count() or 1) // processes
        return max(1, min(MOST_WORKERS, cores)) if self.workers is None else self.workers

    def batches(self, trials: Iterable[Trial], *, pinned: bool = False) -> Iterator[Batch]:
        """The recordings of trials as `fakemamba.data.batches.batches` gives them."""
        return batches(
            trials,
            budget_samples=self.budget_samples,
            workers=self.threads(),
            num_samples=self.length,
            pinned=pinned,
            allow_damaged=self.allow_damaged,
        )
