"""Recordings to scores by windows: each recording's windows, and one score that the rule makes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

import torch

from fakemamba.data.audio import SAMPLE_RATE_HZ, Waveform
from fakemamba.data.batches import Batch, packed
from fakemamba.data.trials import Trial
from fakemamba.evaluation.calibration import Calibration
from fakemamba.evaluation.manner import Manner
from fakemamba.evaluation.scoring import Scored, ScoredWindow, score_batches, scoring_function
from fakemamba.evaluation.streams.combining import Combiner
from fakemamba.evaluation.streams.cutting import Window, WindowCutter
from fakemamba.evaluation.streams.detector import check_windows
from fakemamba.evaluation.streams.windowing import Windowing, WindowingError
from fakemamba.models.detector import Detector


def score_by_windows(
    detector: Detector,
    trials: Iterable[Trial],
    manner: Manner,
    windowing: Windowing,
    window_calibration: Calibration | None = None,
) -> Iterator[list[Scored]]:
    """Score recordings as `StreamingDetector` would at their ends, in batches.

    Args:
        detector: in eval mode.
        trials: read lazily.
        manner: how; recordings are whole.
        windowing: windows and rule.
        window_calibration: of single windows, for the rule ``evidence``.

    Yields:
        What became of some trials, with their windows; every trial is in one of the lists.

    Raises:
        WindowingError: windows that the detector cannot take, a ``length``, or a rule without its
            calibration.
        ValueError: see `score_trials`.
    """
    if manner.length is not None:
        raise WindowingError("--length cuts recordings, and windows do: give one of them")
    check_windows(detector, windowing)
    Combiner(windowing, window_calibration)  # refuses what it lacks before any work
    scores = scoring_function(detector, manner)
    device, limit = detector.device, manner.budget_samples
    for batch in manner.batches(trials, pinned=device.type == "cuda"):
        if batch.failures:
            yield [Scored(trial, reason=reason) for trial, reason in batch.failures]
            continue
        windows = [
            windows_of(row[: int(length)].numpy(), windowing, detector.min_samples)
            for row, length in zip(batch.waveforms, batch.lengths, strict=True)
        ]
        found = {
            one.trial.trial_id: one
            for some in score_batches(scores, window_batches(windows, limit), device, limit)
            for one in some
        }
        together = zip(batch.trials, windows, batch.lengths.tolist(), strict=True)
        yield [
            replace(
                _combined(trial, row, of, found, Combiner(windowing, window_calibration)),
                num_samples=count,
                damage=batch.damage.get(trial.trial_id),
            )
            for row, (trial, of, count) in enumerate(together)
        ]


def windows_of(waveform: Waveform, windowing: Windowing, least: int) -> list[Window]:
    """A recording's windows; what has fewer than ``least`` samples counts as silence."""
    cutter = WindowCutter(windowing)
    cut = [one for one in (*cutter.feed(waveform), cutter.close()) if one is not None]
    return [one if one.end - one.start >= least else replace(one, waveform=None) for one in cut]


def window_batches(windows: list[list[Window]], limit: int) -> Iterator[Batch]:
    """Windows of several recordings, those of like length together, as trials `row:number`."""
    each = [
        (f"{row}:{number}", torch.from_numpy(one.waveform))
        for row, of in enumerate(windows)
        for number, one in enumerate(of)
        if one.waveform is not None
    ]
    for group in packed([len(waveform) for _, waveform in each], limit):
        lengths = torch.tensor([len(each[one][1]) for one in group])
        rows = [each[one][1] for one in group]
        waveforms = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        yield Batch(tuple(Trial(each[one][0]) for one in group), waveforms, lengths)


def _combined(
    trial: Trial, row: int, windows: list[Window], found: dict[str, Scored], combiner: Combiner
) -> Scored:
    """The recording's score, the one of its end, and its windows'."""
    score = math.nan
    told = []
    for number, window in enumerate(windows):
        one = found.get(f"{row}:{number}")
        if one is not None and one.score is None:
            at_s = window.start / SAMPLE_RATE_HZ
            reason = str(one.reason).removeprefix("None: ")
            return Scored(trial, reason=f"{trial.path}: the window at {at_s:.2f} s: {reason}")
        own = None if one is None else one.score
        if own is not None:
            score = combiner.add(window.start, window.end, own)
        told.append(ScoredWindow(window.start / SAMPLE_RATE_HZ, window.end / SAMPLE_RATE_HZ, own))
    if math.isnan(score):
        return Scored(
            trial,
            reason=f"{trial.path}: no window has speech enough, by its level; --speech-level None "
            "judges whatever there is",
            windows=tuple(told),
        )
    return Scored(trial, score, windows=tuple(told))
