"""From a cell to something that can be called: the model, its input, and the part that is run.

Models, inputs and front-end features are kept while cells follow one another that need them.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fakemamba.bench.cells import Cell
from fakemamba.data.audio import SAMPLE_RATE_HZ, read_audio
from fakemamba.data.synthetic import speech_like
from fakemamba.models.detector import Detector
from fakemamba.models.frontend import Frontend, create_frontend
from fakemamba.models.mamba import set_scan_backend
from fakemamba.models.registry import build_detector

SEED = 1234
AUTOCAST_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class DetectorWorkload:
    """A part of a detector and what it is given."""

    cell: Cell
    part: nn.Module
    given: Tensor
    device: torch.device

    def run(self) -> Tensor:
        """The part's output in the cell's precision."""
        return self._run_in(self.cell.precision)

    def check(self, output: Tensor) -> dict[str, Any]:
        """The largest difference to fp32, where the cell is in another precision.

        Raises:
            ArithmeticError: the output is not finite.
        """
        if not bool(torch.isfinite(output).all()):
            raise ArithmeticError(
                f"the output of {self.cell.part} is not finite in {self.cell.precision}"
            )
        if self.cell.precision == "fp32":
            return {"max_abs_error": None}
        return {"max_abs_error": float((output.float() - self._run_in("fp32")).abs().max())}

    def figures(self, latency_s: float) -> dict[str, Any]:
        """Real-time factor (at batch 1), throughput in audio seconds per second, parameters."""
        duration_s, batch_size = self.cell.duration_s, self.cell.batch_size
        return {
            "rtf": latency_s / duration_s if batch_size == 1 else None,
            "throughput": batch_size * duration_s / latency_s,
            "n_parameters": sum(parameter.numel() for parameter in self.part.parameters()),
        }

    def _run_in(self, precision: str) -> Tensor:
        with torch.inference_mode(), _precision(precision, self.device):
            output = self.part(self.given)
        return output[0] if isinstance(output, tuple) else output


class WorkloadCache:
    """Makes workloads, and keeps the latest front-end, detector, input and features."""

    def __init__(self) -> None:
        self._frontend: tuple[object, Frontend] | None = None
        self._detector: tuple[object, Detector] | None = None
        self._waveforms: tuple[object, Tensor] | None = None
        self._features: tuple[object, Tensor] | None = None

    def prepare(self, cell: Cell) -> DetectorWorkload:
        """Make what the cell measures: weights are random but the same in every run.

        Raises:
            ValueError: the detector cannot take this input, or the recording cannot be read.
        """
        device = torch.device(cell.device)
        detector = self._get_detector(cell)
        waveforms = self._get_waveforms(cell)
        detector.check_input(waveforms, None)
        part: nn.Module = detector if cell.part == "end-to-end" else detector.parts[cell.part]
        given = waveforms
        if cell.part == "encoder":
            given = self._get_features(cell, detector, waveforms)
        return DetectorWorkload(cell, part, given, device)

    def release(self) -> None:
        """Let go of input and features, as after memory has ended."""
        self._waveforms = self._features = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _get_detector(self, cell: Cell) -> Detector:
        key = (cell.detector, cell.frontend, cell.attention, cell.device)
        if self._detector is None or self._detector[0] != key:
            self._detector = self._features = None
            frontend = self._get_frontend(cell)
            torch.manual_seed(SEED)
            detector = build_detector(cell.detector, frontend.config, {}, frontend)
            self._detector = (key, detector.to(cell.device).eval())
        set_scan_backend(self._detector[1], "auto" if cell.backend == "none" else cell.backend)
        return self._detector[1]

    def _get_frontend(self, cell: Cell) -> Frontend:
        key = (cell.frontend, cell.attention, cell.device)
        if self._frontend is None or self._frontend[0] != key:
            self._frontend = None
            torch.manual_seed(SEED)
            self._frontend = (key, create_frontend(cell.frontend, cell.attention).to(cell.device))
        return self._frontend[1]

    def _get_waveforms(self, cell: Cell) -> Tensor:
        """(batch, samples): different speech-like rows, or the recording in every row."""
        key = (cell.duration_s, cell.recording, cell.batch_size, cell.device)
        if self._waveforms is None or self._waveforms[0] != key:
            if cell.recording is not None:
                rows = [read_audio(cell.recording)] * cell.batch_size
            else:
                num_samples = max(1, round(cell.duration_s * SAMPLE_RATE_HZ))
                rows = [speech_like(num_samples, SEED + row) for row in range(cell.batch_size)]
            self._waveforms = (key, torch.from_numpy(np.stack(rows)).to(cell.device))
        return self._waveforms[1]

    def _get_features(self, cell: Cell, detector: Detector, waveforms: Tensor) -> Tensor:
        """The front-end's fp32 output, which every precision of the encoder is given."""
        input_key = self._waveforms and self._waveforms[0]
        key = (cell.frontend, cell.attention, input_key)
        if self._features is None or self._features[0] != key:
            self._features = None
            with torch.inference_mode():
                self._features = (key, detector.frontend(waveforms)[0])
        return self._features[1]


def _precision(name: str, device: torch.device) -> AbstractContextManager[object]:
    if name == "fp32":
        return nullcontext()
    return torch.autocast(device.type, dtype=AUTOCAST_DTYPES[name])
