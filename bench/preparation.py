"""From a cell to its workload: makes models and inputs, and keeps what the next cells need too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from fakemamba.bench.cells import TRAINING_PARTS, Cell
from fakemamba.bench.training_step import TrainingWorkload, make_training_workload
from fakemamba.bench.workload import DetectorWorkload, Truth, running_as
from fakemamba.data.audio import SAMPLE_RATE_HZ, read_audio
from fakemamba.data.recordings import real_speech
from fakemamba.data.synthetic import speech_like
from fakemamba.models.detector import Detector
from fakemamba.models.execution.modes import (
    OPTIMIZED,
    check_setting,
    executed,
    quantised,
    running_in,
)
from fakemamba.models.execution.optimized import with_fast_frontend
from fakemamba.models.frontend import Frontend
from fakemamba.models.frontend_sources import create_frontend
from fakemamba.models.mamba import set_scan_backend
from fakemamba.models.registry import build_detector

SEED = 1234
ROTATED_INPUTS = 4
SPEECH_BATCHES = 2
RAGGED_SAMPLES = (16_000, 10_400)  # 1 s and 0.65 s


class WorkloadCache:
    """Makes workloads; keeps the latest front-end and detector, and fp32 outputs of theirs.

    A workload is for use before the next one is made: they share a model.
    """

    def __init__(self) -> None:
        self._frontend: tuple[object, Frontend] | None = None
        self._detector: tuple[object, Detector] | None = None
        self._quantised: tuple[object, nn.Module] | None = None
        self._fast: tuple[object, Detector] | None = None
        self._ragged: dict[object, tuple[Tensor, Tensor]] = {}  # of the latest detector
        self._outputs: dict[object, Tensor] = {}  # for its latest input; on a CPU, to burden no GPU
        self._outputs_of: object = None

    def prepare(self, cell: Cell) -> DetectorWorkload | TrainingWorkload:
        """Make what the cell measures: weights are random but the same in every run.

        Raises:
            UnsupportedSettingError: the device cannot run this precision, execution, ...
            UnsupportedInputError: the detector cannot take this input.
            ValueError: the recording cannot be read.
        """
        device = torch.device(cell.device)
        check_setting(device, cell.precision, cell.execution)
        detector = self._get_detector(cell)
        if self._outputs_of != _input_key(cell):
            self._outputs.clear()
            self._outputs_of = _input_key(cell)
        waveforms = self._waveforms(cell)
        detector.check_input(waveforms, None)
        _set_kernels(detector, cell.attention, cell.backend)
        if cell.part in TRAINING_PARTS:
            self._detector = self._frontend = self._fast = None  # a step changes them
            return make_training_workload(cell, detector, _rotated(waveforms))
        run = detector
        if cell.execution == OPTIMIZED:
            run = self._get_fast(cell, detector)
            _set_kernels(run, cell.attention, cell.backend)
        part = _part(run, cell)
        if cell.precision == "int8":
            part = self._get_quantised(cell, part)
        first = self._given(cell, detector, waveforms, "input")
        eager = _first_output(part)
        with torch.inference_mode(), running_as(cell, cell.precision):
            call = executed(eager, cell.execution, first)
        truth = Truth(
            lambda given: _run_plain(cell, detector, given),
            lambda: self._speech_with_outputs(cell, detector),
            lambda: self._ragged_batch(cell, run),
        )

        def countable(given: Tensor) -> Tensor:
            # Flops of a scan are the same by every backend, but mamba-ssm's fused mixer hides them.
            with _kernels(cell, detector, cell.attention, "auto"):
                return eager(given)

        return DetectorWorkload(cell, part, countable, call, _rotated(first), truth, device)

    def release(self) -> None:
        """Let go of all but the models, as after memory has ended."""
        self._outputs.clear()
        self._quantised = self._fast = self._outputs_of = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _get_detector(self, cell: Cell) -> Detector:
        """The cell's detector on its device, in evaluation mode."""
        key = (cell.detector, cell.frontend, cell.device)
        if self._detector is None or self._detector[0] != key:
            self._detector = self._quantised = self._fast = self._outputs_of = None
            self._ragged.clear()
            frontend = self._get_frontend(cell)
            torch.manual_seed(SEED)
            detector = build_detector(cell.detector, frontend.config, {}, frontend)
            self._detector = (key, detector.to(cell.device).eval())
        return self._detector[1]

    def _waveforms(self, cell: Cell) -> Tensor:
        """(batch, samples): different speech-like rows, or the recording in every row."""

        def waveforms() -> Tensor:
            if cell.recording is not None:
                rows = [read_audio(cell.recording)] * cell.batch_size
            else:
                seeds = range(SEED, SEED + cell.batch_size)
                rows = [speech_like(_num_samples(cell), seed) for seed in seeds]
            return torch.from_numpy(np.stack(rows))

        return self._keep("waveforms", waveforms).to(cell.device)

    def _get_frontend(self, cell: Cell) -> Frontend:
        key = (cell.frontend, cell.device)
        if self._frontend is None or self._frontend[0] != key:
            self._frontend = None
            torch.manual_seed(SEED)
            self._frontend = (key, create_frontend(cell.frontend).to(cell.device))
        return self._frontend[1]

    def _get_quantised(self, cell: Cell, part: nn.Module) -> nn.Module:
        key = (cell.part, cell.backend, cell.attention)
        if self._quantised is None or self._quantised[0] != key:
            self._quantised = None
            self._quantised = (key, quantised(part))
        return self._quantised[1]

    def _get_fast(self, cell: Cell, detector: Detector) -> Detector:
        if self._fast is None or self._fast[0] != cell.precision:
            self._fast = None
            self._fast = (cell.precision, with_fast_frontend(detector, cell.precision))
        return self._fast[1]

    def _given(self, cell: Cell, detector: Detector, waveforms: Tensor, name: object) -> Tensor:
        """What the part takes: waveforms, or their plain features, which are kept by ``name``."""
        if cell.part != "encoder":
            return waveforms

        def features() -> Tensor:
            with torch.inference_mode(), _plain(cell, detector):
                return detector.frontend(waveforms)[0].cpu()

        return self._keep(("features", name), features).to(cell.device)

    def _speech_with_outputs(self, cell: Cell, detector: Detector) -> list[tuple[Tensor, Tensor]]:
        """Real speech in the shape of the cell's input, and what the plain part makes of it."""
        return [self._speech(cell, detector, batch) for batch in range(SPEECH_BATCHES)]

    def _speech(self, cell: Cell, detector: Detector, batch: int) -> tuple[Tensor, Tensor]:
        if cell.recording is not None:
            waveforms = self._waveforms(cell).roll(batch * _num_samples(cell) // 2, dims=1)
        else:
            first = batch * cell.batch_size
            speakers = range(first, first + cell.batch_size)
            rows = [real_speech(_num_samples(cell), speaker) for speaker in speakers]
            waveforms = torch.from_numpy(np.stack(rows)).to(cell.device)
        given = self._given(cell, detector, waveforms, batch)

        def outputs() -> Tensor:
            return torch.cat([_run_plain(cell, detector, row[None]) for row in given]).cpu()

        return given, self._keep(("speech", cell.part, batch), outputs).to(cell.device)

    def _ragged_batch(self, cell: Cell, detector: Detector) -> tuple[Tensor, Tensor]:
        """Scores of two utterances together, and of each alone, in the cell's precision."""
        precision = "fp32" if cell.precision == "int8" else cell.precision
        key = (precision, cell.backend, cell.attention, cell.execution == OPTIMIZED)
        if key not in self._ragged:
            # The flash kernel takes no mask: there, both utterances have the same length.
            has_mask = cell.attention != "flash"
            lengths = RAGGED_SAMPLES if has_mask else RAGGED_SAMPLES[:1] * 2
            rows = [torch.from_numpy(real_speech(n, k)) for k, n in enumerate(lengths)]
            batch = nn.utils.rnn.pad_sequence(rows, batch_first=True).to(cell.device)
            with torch.inference_mode(), running_as(cell, precision):
                alone = [detector(row[None].to(cell.device)) for row in rows]
                together = detector(batch, torch.tensor(lengths) if has_mask else None)
            self._ragged[key] = (together, torch.cat(alone))
        return self._ragged[key]

    def _keep(self, key: object, make: Callable[[], Tensor]) -> Tensor:
        if key not in self._outputs:
            self._outputs[key] = make()
        return self._outputs[key]


def _input_key(cell: Cell) -> tuple[object, ...]:
    return (cell.duration_s, cell.recording, cell.batch_size)


def _rotated(first: Tensor) -> tuple[Tensor, ...]:
    """Inputs (B, T, ...) of the same values in another order, so that no result can be reused."""
    steps = [k * first.shape[1] // ROTATED_INPUTS for k in range(ROTATED_INPUTS)]
    return tuple(first.roll(step, dims=1) for step in steps)


def _num_samples(cell: Cell) -> int:
    return max(1, round(cell.duration_s * SAMPLE_RATE_HZ))


def _part(detector: Detector, cell: Cell) -> nn.Module:
    return detector if cell.part == "end-to-end" else detector.parts[cell.part]


def _first_output(part: nn.Module) -> Callable[[Tensor], Tensor]:
    """The part's tensor, without the lengths that a front-end returns beside it."""

    def call(given: Tensor) -> Tensor:
        output = part(given)
        return output[0] if isinstance(output, tuple) else output

    return call


def _set_kernels(detector: Detector, attention: str, backend: str) -> None:
    detector.frontend.set_attention("eager" if attention == "eager" else "sdpa")
    set_scan_backend(detector, "auto" if backend == "none" else backend)


@contextmanager
def _kernels(cell: Cell, detector: Detector, attention: str, backend: str) -> Iterator[None]:
    """Other kernels for a while, the cell's own afterwards."""
    _set_kernels(detector, attention, backend)
    try:
        yield
    finally:
        _set_kernels(detector, cell.attention, cell.backend)


@contextmanager
def _plain(cell: Cell, detector: Detector) -> Iterator[None]:
    """fp32, scaled dot-product attention, the torch scan."""
    with (
        _kernels(cell, detector, "sdpa", "torch"),
        running_in(torch.device(cell.device), "fp32", "sdpa"),
    ):
        yield


def _run_plain(cell: Cell, detector: Detector, given: Tensor) -> Tensor:
    with torch.inference_mode(), _plain(cell, detector):
        return _first_output(_part(detector, cell))(given)
