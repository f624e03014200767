"""From a cell to its workload: makes models and inputs, and keeps what the next cells need too."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fakemamba.bench.cells import STREAM_PARTS, TRAINING_PARTS, Cell
from fakemamba.bench.measuring.external import (
    detector_of_its_own,
    external_workload,
    tensor_of,
)
from fakemamba.bench.measuring.stream import (
    StreamWorkload,
    check_streamable,
    stream_workload,
)
from fakemamba.bench.measuring.training_step import (
    Trainee,
    TrainingWorkload,
    check_trainable,
    make_trainee,
    make_training_workload,
)
from fakemamba.bench.measuring.verification import time_axis
from fakemamba.bench.measuring.within import Features, standing_in
from fakemamba.bench.measuring.workload import (
    SEED,
    DetectorWorkload,
    Truth,
    running_as,
    set_kernels,
)
from fakemamba.data.audio import SAMPLE_RATE_HZ, read_audio
from fakemamba.data.recordings import real_speech, speech_examples
from fakemamba.data.synthetic import speech_like
from fakemamba.models.detector import Detector
from fakemamba.models.execution.engines.frontend import ENGINES
from fakemamba.models.execution.modes import (
    OPTIMIZED,
    OTHER_FRONTENDS,
    check_setting,
    executed,
    quantised,
    running_in,
)
from fakemamba.models.execution.optimized import (
    engine_frontend,
    optimized_frontend,
    with_frontend,
)
from fakemamba.models.external.detector import ExternalDetector
from fakemamba.models.frontend import Frontend
from fakemamba.models.frontend_sources import create_frontend
from fakemamba.models.registry import build_detector, is_ours
from fakemamba.result_schema import OWN_FRONTEND

SPEECH_S = 2.0
FEATURES_S = 2.0
MOST_FEATURES = 16
RAGGED_SAMPLES = (4_000, 2_600)  # 0.25 s and 0.16 s


class WorkloadCache:
    """Makes workloads; keeps front-ends, which detectors share, detectors, and features.

    Workloads share models: whoever takes a workload's `inputs` has set them to run as its cell's.
    """

    def __init__(self) -> None:
        self._frontends: dict[object, Frontend] = {}
        self._detectors: dict[object, Detector] = {}
        self._variants: dict[object, nn.Module] = {}  # quantised parts, fast front-ends
        self._ragged: dict[object, tuple[Tensor, Tensor]] = {}
        self._trainees: dict[object, Trainee] = {}
        self._errors: dict[object, dict[str, Any]] = {}  # on speech that is as long in many cells
        # On a CPU, to burden no GPU.
        self._features: dict[object, Features] = {}

    def prepare(self, cell: Cell) -> DetectorWorkload | StreamWorkload | TrainingWorkload:
        """Make what the cell measures: weights are random but the same in every run.

        Raises:
            UnsupportedSettingError: the device cannot run this precision, execution, ...
            UnsupportedInputError: the detector cannot take this input.
            ValueError: the recording cannot be read.
        """
        check_setting(torch.device(cell.device), cell.precision, cell.execution)
        if cell.part in TRAINING_PARTS:
            check_trainable(cell)
            trainee, waveforms = self._get_trainee(cell), self._waveforms(cell)
            trainee.detector.check_input(waveforms, None)
            return make_training_workload(cell, trainee, waveforms)
        if cell.part in STREAM_PARTS:
            check_streamable(cell)
            return stream_workload(cell, self._prepare_part(cell.of_window))
        return self._prepare_part(cell)

    def _prepare_part(self, cell: Cell) -> DetectorWorkload:
        """A part of a detector, or all of it."""
        device = torch.device(cell.device)
        detector = self._get_detector(cell)
        detector.check_input(torch.empty(cell.batch_size, _num_samples(cell), device="meta"), None)
        if isinstance(detector, ExternalDetector):
            waveforms = self._waveforms(cell)
            return external_workload(
                cell, detector, waveforms, lambda part: self._in_precision(cell, part)
            )
        run = self._get_fast(cell, detector) if cell.execution in OTHER_FRONTENDS else detector
        set_kernels(run, cell.attention, cell.backend)
        part = self._in_precision(cell, _part(run, cell))
        first = self._first_input(cell, detector)
        eager = _first_output(part)
        with torch.inference_mode(), running_as(cell, cell.precision):
            call = executed(eager, cell.execution, first)
        truth = Truth(
            lambda given: _run_plain(cell, detector, given),
            lambda timed: self._on_speech(cell, detector, timed),
            lambda: self._ragged_batch(cell, run),
            self._errors.setdefault(_speech_key(cell), {}),
        )

        def countable(given: Tensor) -> Tensor:
            # Flops of a scan are the same by every backend, but mamba-ssm's fused mixer hides them.
            with _kernels(cell, detector, cell.attention, "auto"):
                return eager(given)

        return DetectorWorkload(cell, run, part, countable, call, first, truth, device)

    def release(self) -> None:
        """Let go of all but the models, as after memory has ended."""
        self._features.clear()
        self._variants.clear()
        self._trainees.clear()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _get_detector(self, cell: Cell) -> Detector:
        """The cell's detector on its device, in evaluation mode."""
        key = (cell.detector, cell.frontend, cell.device)
        if key not in self._detectors and cell.frontend == OWN_FRONTEND:
            self._detectors[key] = detector_of_its_own(cell.detector).to(cell.device)
        elif key not in self._detectors and not is_ours(cell.detector):
            # Code of others may change the front-end that it is given.
            self._detectors[key] = _new_detector(cell, _new_frontend(cell))
        elif key not in self._detectors:
            frontend_key = (cell.frontend, cell.device)
            if frontend_key not in self._frontends:
                self._frontends[frontend_key] = _new_frontend(cell)
            self._detectors[key] = _new_detector(cell, self._frontends[frontend_key])
        return self._detectors[key]

    def _get_trainee(self, cell: Cell) -> Trainee:
        """A detector that is changed by steps of whatever length; nothing else is run on it."""
        key = (*_model_key(cell), cell.part)
        if key not in self._trainees:
            frontend = None if cell.frontend == OWN_FRONTEND else _new_frontend(cell)
            detector = _new_detector(cell, frontend)
            self._trainees[key] = make_trainee(detector, cell.part)
        return self._trainees[key]

    def _waveforms(self, cell: Cell) -> Tensor:
        """(batch, samples): different speech-like rows, or the recording in every row."""
        if cell.recording is not None:
            rows = [read_audio(cell.recording)] * cell.batch_size
        else:
            seeds = range(SEED, SEED + cell.batch_size)
            rows = [speech_like(_num_samples(cell), seed) for seed in seeds]
        return torch.from_numpy(np.stack(rows)).to(cell.device)

    def _in_precision(self, cell: Cell, part: nn.Module) -> nn.Module:
        """The part, or what int8 makes of it; an engine has done that already."""
        if cell.precision != "int8" or cell.execution in ENGINES:
            return part
        key = ("int8", *_model_key(cell), cell.part, cell.backend, cell.attention)
        if key not in self._variants:
            self._variants[key] = quantised(part)
        return self._variants[key]

    def _get_fast(self, cell: Cell, detector: Detector) -> Detector:
        """The detector with the front-end of its execution, shared as the plain one is."""
        of_own = "" if is_ours(cell.detector) else cell.detector
        taken = (cell.frontend, detector.config.frontend)
        key = (cell.execution, *taken, of_own, cell.device, cell.precision)
        if key not in self._variants and cell.execution == OPTIMIZED:
            self._variants[key] = optimized_frontend(detector, cell.precision)
        elif key not in self._variants:
            self._variants[key] = engine_frontend(
                detector, cell.execution, cell.precision, speech_examples()
            )
        return with_frontend(detector, self._variants[key])

    def _first_input(self, cell: Cell, detector: Detector) -> Tensor:
        """What the part takes: waveforms, as prepared for a front-end, or as many plain features.

        Speech-like features are of the same two seconds for every duration.
        """
        if cell.part == "end-to-end":
            return self._waveforms(cell)
        if cell.part == "front-end":
            return detector.prepared(self._waveforms(cell))[0]
        source = cell if cell.recording is not None else replace(cell, duration_s=FEATURES_S)
        return self._features_for(cell, detector, self._waveforms(source), _num_samples(cell))

    def _features_for(
        self, cell: Cell, detector: Detector, waveforms: Tensor, num_samples: int
    ) -> Tensor:
        """Plain features (B, T, hidden), or of all layers, as many as of so many samples.

        These are of two seconds at the most, again and again: what is timed is what comes after.
        """
        short = waveforms[:, : round(FEATURES_S * SAMPLE_RATE_HZ)]
        frames = self._plain_features(cell, detector, short)
        count = detector.framing.frame_count(detector.fixed_samples or num_samples)
        axis = time_axis(frames)
        again = torch.arange(count, device=frames.device) % frames.shape[axis]
        return frames.index_select(axis, again)

    def _plain_features(self, cell: Cell, detector: Detector, waveforms: Tensor) -> Tensor:
        """Of full rows as the detector prepares them, in fp32 and by plain kernels."""
        how = replace(cell, precision="fp32", attention="sdpa", execution="eager")
        with (
            torch.inference_mode(),
            _plain(cell, detector),
            self._known_features(how, detector.frontend),
        ):
            return detector.frontend(detector.prepared(waveforms)[0])[0]

    @contextmanager
    def _known_features(self, cell: Cell, frontend: Frontend) -> Iterator[None]:
        """Inside, a front-end that has run so on the same waveforms need not do it again."""
        run = frontend.forward
        of_own = "" if is_ours(cell.detector) else cell.detector
        # One network, as each detector takes it: with the frames of some layers, and so on.
        taken = (cell.frontend, frontend.config)
        how = (*taken, of_own, cell.device, cell.precision, cell.attention)

        def answer(waveforms: Tensor, lengths: Tensor | None = None) -> Features:
            content = hashlib.sha256(waveforms.cpu().numpy().tobytes()).digest()
            has_lengths = lengths is not None
            key = (*how, _frontend_kind(cell), waveforms.shape, has_lengths, content)
            if key not in self._features:
                if len(self._features) >= MOST_FEATURES:
                    self._features.pop(next(iter(self._features)))
                features, frame_lengths = run(waveforms, lengths)
                self._features[key] = (features.cpu(), frame_lengths)
            features, frame_lengths = self._features[key]
            return features.to(waveforms.device), frame_lengths

        with standing_in(frontend, answer):
            yield

    def _on_speech(
        self, cell: Cell, detector: Detector, run: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """What the part makes of real speech like the cell's input, and the plain part row by row.

        On a CPU it is two seconds: the plain scan takes much longer than what is timed.
        """
        count = _num_samples(replace(cell, duration_s=_speech_s(cell)))
        if cell.recording is not None:
            waveforms = self._waveforms(cell)[:, -count:]
        else:
            rows = [real_speech(count, speaker) for speaker in range(cell.batch_size)]
            waveforms = torch.from_numpy(np.stack(rows)).to(cell.device)
        given = waveforms
        if cell.part == "front-end":
            given = detector.prepared(waveforms)[0]
        elif cell.part == "encoder":
            given = self._features_for(cell, detector, waveforms, waveforms.shape[1])
        plain = list(given.split(1))
        if cell.part == "end-to-end":
            plain = [self._plain_features(cell, detector, row) for row in plain]
        outputs = [_plain_output(cell, detector, row) for row in plain]
        is_eager = cell.execution == "eager"
        with self._known_features(cell, detector.frontend) if is_eager else nullcontext():
            return run(given), torch.cat(outputs)

    def _ragged_batch(self, cell: Cell, detector: Detector) -> tuple[Tensor, Tensor]:
        """Scores of two utterances together, and of each alone, in the cell's precision."""
        is_quantised_here = cell.precision == "int8" and cell.execution not in ENGINES
        precision = "fp32" if is_quantised_here else cell.precision
        how = (precision, cell.backend, cell.attention, _frontend_kind(cell))
        key = (*_model_key(cell), *how)
        if key not in self._ragged:
            # The flash kernel takes no mask: there, both utterances have the same length.
            has_mask = cell.attention != "flash"
            lengths = RAGGED_SAMPLES if has_mask else RAGGED_SAMPLES[:1] * 2
            rows = [torch.from_numpy(real_speech(n, k)) for k, n in enumerate(lengths)]
            batch = nn.utils.rnn.pad_sequence(rows, batch_first=True).to(cell.device)
            run = replace(cell, precision=precision)
            with (
                torch.inference_mode(),
                running_as(cell, precision),
                self._known_features(run, detector.frontend),
            ):
                alone = [detector(row[None].to(cell.device)) for row in rows]
                together = detector(batch, torch.tensor(lengths) if has_mask else None)
            self._ragged[key] = (together, torch.cat(alone))
        return self._ragged[key]


def _frontend_kind(cell: Cell) -> str:
    """The execution, if it has a front-end of its own."""
    return cell.execution if cell.execution in OTHER_FRONTENDS else ""


def _model_key(cell: Cell) -> tuple[object, ...]:
    return (cell.detector, cell.frontend, cell.device)


def _new_frontend(cell: Cell) -> Frontend:
    torch.manual_seed(SEED)
    return create_frontend(cell.frontend).to(cell.device)


def _new_detector(cell: Cell, frontend: Frontend | None) -> Detector:
    torch.manual_seed(SEED)
    config = None if frontend is None else frontend.config
    detector = build_detector(cell.detector, config, {}, frontend)
    return detector.to(cell.device).eval()


def _speech_s(cell: Cell) -> float:
    """Of the speech that outputs are held against: on a CPU the same for all durations."""
    return cell.duration_s if cell.device != "cpu" else SPEECH_S


def _speech_key(cell: Cell) -> Cell:
    """Equal for cells whose outputs are held against the same speech's."""
    return replace(cell, duration_s=_speech_s(cell), clock="")


def _num_samples(cell: Cell) -> int:
    return max(1, round(cell.duration_s * SAMPLE_RATE_HZ))


def _part(detector: Detector, cell: Cell) -> nn.Module:
    return detector if cell.part == "end-to-end" else detector.parts[cell.part]


def _first_output(part: nn.Module) -> Callable[[Tensor], Tensor]:
    """The part's tensor, without the lengths that a front-end returns beside it."""
    return lambda given: tensor_of(part(given))


@contextmanager
def _kernels(cell: Cell, detector: Detector, attention: str, backend: str) -> Iterator[None]:
    """Other kernels for a while, the cell's own afterwards."""
    set_kernels(detector, attention, backend)
    try:
        yield
    finally:
        set_kernels(detector, cell.attention, cell.backend)


@contextmanager
def _plain(cell: Cell, detector: Detector) -> Iterator[None]:
    """fp32, scaled dot-product attention, the torch scan."""
    with (
        _kernels(cell, detector, "sdpa", "torch"),
        running_in(torch.device(cell.device), "fp32", "sdpa"),
    ):
        yield


def _plain_output(cell: Cell, detector: Detector, given: Tensor) -> Tensor:
    """Of the part; end to end, of all that comes after the front-end."""
    if cell.part != "end-to-end":
        return _run_plain(cell, detector, given)
    with torch.inference_mode(), _plain(cell, detector):
        return detector.head(detector.encoder(given))


def _run_plain(cell: Cell, detector: Detector, given: Tensor) -> Tensor:
    with torch.inference_mode(), _plain(cell, detector):
        return _first_output(_part(detector, cell))(given)
