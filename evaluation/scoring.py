"""Trials to scores, `Detector.scores` of logits in fp32, whatever batch a trial is in.

With ``bf16`` the front-end and the encoder run under autocast and the head in fp32: a logit that
was rounded to bf16 has two or three digits, and ties that the recordings do not have. With another
execution than `PLAIN` the detector is what `Detector.optimize` makes of it.

A GPU has the next batch before the scores of the last one are read, so that it never waits for the
CPU to put a batch together.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from fakemamba.data.audio import SAMPLE_RATE_HZ
from fakemamba.data.batches import Batch
from fakemamba.data.recordings import speech_examples
from fakemamba.data.trials import Trial
from fakemamba.evaluation.manner import PLAIN, Manner
from fakemamba.models.detector import Detector, UnsupportedInputError
from fakemamba.models.device import is_out_of_memory
from fakemamba.models.execution.engines.frontend import ENGINES
from fakemamba.models.execution.modes import UnsupportedSettingError, quantised, running_in
from fakemamba.models.external.detector import ExternalDetector
from fakemamba.models.external.names import ExternalDetectorError
from fakemamba.names import one_line

Scores = Callable[[Tensor, Tensor | None], Tensor]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Scored:
    """A trial with its score, or with the reason why it has none.

    ``num_samples`` are those at 16 kHz that the score is of; ``damage`` is what is missing of the
    recording, if it is not all; ``windows`` those that the score was made of, if it was so.
    """

    trial: Trial
    score: float | None = None
    num_samples: int = 0
    reason: str | None = None
    damage: str | None = None
    windows: tuple[ScoredWindow, ...] | None = None


class ScoredWindow(NamedTuple):
    """A stretch of a recording, and its score; None where there is no speech in it."""

    start_s: float
    end_s: float
    score: float | None


def score_trials(
    detector: Detector, trials: Iterable[Trial], manner: Manner
) -> Iterator[list[Scored]]:
    """Score recordings on the detector's device, in batches of similar length.

    Where the device's memory ends, the batch is halved and later ones are made no larger.

    Args:
        detector: in eval mode.
        trials: read lazily, see `batches`.
        manner: how; its device is the detector's already.

    Yields:
        What became of some trials; every trial is in one of the lists.

    Raises:
        ValueError: a precision or an execution that cannot be; or code of others gives no scores.
    """
    scores = scoring_function(detector, manner)
    given = manner.batches(trials, pinned=detector.device.type == "cuda")
    yield from score_batches(scores, given, detector.device, manner.budget_samples)


def score_batches(
    scores: Scores, batches: Iterable[Batch], device: torch.device, limit: int
) -> Iterator[list[Scored]]:
    """What `score_trials` makes of batches.

    Args:
        scores: from `scoring_function`.
        batches: with trials that could not be read among them.
        device: of the detector.
        limit: padded samples that a batch may have to begin with.
    """
    under_way: tuple[Batch, Tensor] | None = None
    for batch in batches:
        if batch.failures:
            yield [Scored(trial, reason=reason) for trial, reason in batch.failures]
            continue
        pieces = [batch]
        while pieces:
            piece = pieces.pop()
            count, longest = piece.waveforms.shape
            if count > 1 and count * longest > limit:
                pieces += _halves(piece)
                continue
            result = scores_or_fault(scores, piece.waveforms, piece.lengths)
            if isinstance(result, Tensor):
                if under_way is not None:
                    yield _read(*under_way)
                under_way = piece, result
            elif count > 1:
                pieces += _halves(piece)
                if is_out_of_memory(result):
                    limit = max(count * longest // 2, 1)
                    log.warning(
                        "out of memory with %d recordings of up to %.1f s: going on with batches "
                        "of %.1f s",
                        *(count, longest / SAMPLE_RATE_HZ, limit / SAMPLE_RATE_HZ),
                    )
            else:
                yield [Scored(piece.trials[0], reason=_why_not(piece, result))]
    if under_way is not None:
        yield _read(*under_way)


def scores_or_fault(scores: Scores, waveforms: Tensor, lengths: Tensor) -> Tensor | Exception:
    """The scores (B,), not waited for, or that memory ended or that no score can be.

    An error is returned without its traceback, whose frames would keep the memory. Without padding
    no lengths are given: masks would cost for nothing.

    Args:
        scores: of `scoring_function`.
        waveforms: (B, L) on the CPU.
        lengths: (B,) in samples.
    """
    is_full = int(lengths.min()) == waveforms.shape[1]
    try:
        with torch.inference_mode():
            return scores(waveforms, None if is_full else lengths)
    except (UnsupportedInputError, ExternalDetectorError) as error:
        return error.with_traceback(None)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        found = error.with_traceback(None)
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    return found


def scoring_function(detector: Detector, manner: Manner) -> Scores:
    """The function from waveforms (B, L) and lengths (B,) on the CPU to scores (B,) in fp32.

    Raises:
        ValueError: see `score_trials`.
    """
    device = detector.device
    manner.check_on(device)
    if isinstance(detector, ExternalDetector):
        detector.inspected(device)
    if manner.execution != PLAIN:
        exact_samples = () if manner.length is None else (manner.length,)
        fast = detector.optimize(
            manner.precision,
            manner.execution,
            exact_samples=exact_samples,
            examples=speech_examples() if manner.execution in ENGINES else None,
        )
        return lambda waveforms, lengths: detector.scores(fast(waveforms, lengths))

    if manner.precision == "int8":
        if not any(type(layer) is nn.Linear for layer in detector.modules()):
            raise UnsupportedSettingError(
                f"{detector.name} has no linear layers of torch that could be quantised: score it "
                "in fp32"
            )
        return _one_by_one(quantised(detector))

    def plain(waveforms: Tensor, lengths: Tensor | None) -> Tensor:
        detector.check_input(waveforms, lengths)  # on the CPU, where looking waits for nothing
        lengths = None if lengths is None else lengths.to(device, non_blocking=True)
        precision = running_in(device, manner.precision, "sdpa")
        with running_in(device, "fp32", "sdpa"):
            waveforms = waveforms.to(device, non_blocking=True)
            return detector.scores(detector.logits_in(precision, waveforms, lengths))

    return plain


def _one_by_one(detector: Any) -> Scores:
    """Scores of each row alone and without padding, where a row's would depend on the others.

    ``detector`` is a `Detector` whose layers were exchanged.
    """

    def scores(waveforms: Tensor, lengths: Tensor | None) -> Tensor:
        detector.check_input(waveforms, lengths)
        counts = [waveforms.shape[1]] * len(waveforms) if lengths is None else lengths.tolist()
        rows = zip(waveforms, counts, strict=True)
        return torch.cat([detector.scores(detector(row[None, :count])) for row, count in rows])

    return scores


def _read(batch: Batch, scores: Tensor) -> list[Scored]:
    """Wait for the scores of a batch."""
    rows = zip(batch.trials, scores.tolist(), batch.lengths.tolist(), strict=True)
    return [_scored(*row, batch.damage.get(row[0].trial_id)) for row in rows]


def _halves(batch: Batch) -> list[Batch]:
    """The longer half of the rows and the shorter one, which is done first: it takes less."""
    middle = (len(batch.trials) + 1) // 2
    halves = []
    for rows in (slice(None, middle), slice(middle, None)):
        lengths = batch.lengths[rows]
        waveforms = batch.waveforms[rows, : int(lengths.max())]
        halves.append(Batch(batch.trials[rows], waveforms, lengths, damage=batch.damage))
    return halves


def _scored(trial: Trial, score: float, num_samples: int, damage: str | None) -> Scored:
    if math.isfinite(score):
        return Scored(trial, score, num_samples, damage=damage)
    return Scored(trial, reason=f"{trial.path}: the detector gives {score}, which is no score")


def _why_not(batch: Batch, error: Exception) -> str:
    where = batch.trials[0].path
    if is_out_of_memory(error):
        duration_s = batch.waveforms.shape[1] / SAMPLE_RATE_HZ
        return f"{where}: out of memory with {duration_s:.1f} s alone; cut it with a fixed length"
    return f"{where}: {one_line(str(error))}; score with a fixed length"
