"""Trials to scores: the raw logit of bona fide, in fp32, whatever batch a trial is in.

With ``bf16`` the front-end and the encoder run under autocast and the head in fp32: a logit that
was rounded to bf16 has two or three digits, and ties that the recordings do not have.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from fakemamba.bench.execution import running_in
from fakemamba.bench.instruments.memory import is_out_of_memory
from fakemamba.data.audio import SAMPLE_RATE_HZ
from fakemamba.data.trials import Trial
from fakemamba.evaluation.batches import Batch, batches
from fakemamba.models.detector import BONA_FIDE, Detector, UnsupportedInputError

PRECISIONS = ("fp32", "bf16")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Scored:
    """A trial with its score, or with the reason why it has none.

    ``num_samples`` are those at 16 kHz that the score is of.
    """

    trial: Trial
    score: float | None = None
    num_samples: int = 0
    reason: str | None = None


def score_trials(
    detector: Detector,
    trials: Iterable[Trial],
    *,
    budget_samples: int,
    workers: int,
    num_samples: int | None = None,
    precision: str = "fp32",
) -> Iterator[list[Scored]]:
    """Score recordings on the detector's device, in batches of similar length.

    Where the device's memory ends, the batch is halved and later ones are made no larger.

    Args:
        detector: in eval mode.
        trials: read lazily, see `batches`.
        budget_samples: padded samples that a batch may have.
        workers: threads that decode.
        num_samples: cut or tile every recording to this length, as the papers do; None takes whole
            recordings.
        precision: one of `PRECISIONS`.

    Yields:
        What became of some trials; every trial is in one of the lists.

    Raises:
        ValueError: a precision or a number that cannot be.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision {precision!r} is not one of {', '.join(PRECISIONS)}")
    limit = budget_samples
    for batch in batches(
        trials, budget_samples=budget_samples, workers=workers, num_samples=num_samples
    ):
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
            result = _bona_fide(detector, piece, precision)
            if isinstance(result, list):
                yield [
                    _scored(*row)
                    for row in zip(piece.trials, result, piece.lengths.tolist(), strict=True)
                ]
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


def _bona_fide(detector: Detector, batch: Batch, precision: str) -> list[float] | Exception:
    """The scores, or that memory ended or that the detector takes no such recording.

    An error is returned without its traceback, whose frames would keep the memory.
    """
    device = next(detector.parameters()).device
    try:
        with torch.inference_mode():
            logits = _logits(detector, batch, device, precision)
        return logits[:, BONA_FIDE].tolist()
    except UnsupportedInputError as error:
        return error.with_traceback(None)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        found = error.with_traceback(None)
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return found


def _logits(detector: Detector, batch: Batch, device: torch.device, precision: str) -> Tensor:
    """Logits (B, 2) in fp32. Without padding no lengths are given: masks would cost for nothing."""
    is_full = int(batch.lengths.min()) == batch.waveforms.shape[1]
    lengths = detector.check_input(batch.waveforms, None if is_full else batch.lengths)
    lengths = None if lengths is None else lengths.to(device)
    with running_in(device, precision, "sdpa"):
        features, frame_lengths = detector.frontend(batch.waveforms.to(device), lengths)
        encoded = detector.encoder(features, frame_lengths)
    with running_in(device, "fp32", "sdpa"):
        return detector.head(encoded.float(), frame_lengths)


def _halves(batch: Batch) -> list[Batch]:
    """The longer half of the rows and the shorter one, which is done first: it takes less."""
    middle = (len(batch.trials) + 1) // 2
    halves = []
    for rows in (slice(None, middle), slice(middle, None)):
        lengths = batch.lengths[rows]
        waveforms = batch.waveforms[rows, : int(lengths.max())]
        halves.append(Batch(batch.trials[rows], waveforms, lengths))
    return halves


def _scored(trial: Trial, score: float, num_samples: int) -> Scored:
    if math.isfinite(score):
        return Scored(trial, score, num_samples)
    return Scored(trial, reason=f"{trial.path}: the detector gives {score}, which is no score")


def _why_not(batch: Batch, error: Exception) -> str:
    where = batch.trials[0].path
    if is_out_of_memory(error):
        duration_s = batch.waveforms.shape[1] / SAMPLE_RATE_HZ
        return f"{where}: out of memory with {duration_s:.1f} s alone; cut it with a fixed length"
    return f"{where}: {error}; score with a fixed length"
