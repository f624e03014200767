"""Cues of a recording that have nothing to do with the voice: length, level, silence.

A corpus whose classes differ in one of them gives the answer away: the leading silence alone tells
bona fide from spoof with 15.1 % EER in ASVspoof 2019 LA (Müller et al. 2021, "Speech is Silver,
Silence is Golden"). These are the figures that `fakemamba.evaluation.audit` tries to tell the
classes apart by.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
from scipy.signal import welch

from fakemamba.data.audio import SAMPLE_RATE_HZ, Waveform
from fakemamba.data.reading import recording_or_reason
from fakemamba.data.trials import Trial

FRAME = 160  # samples, 10 ms
ACTIVE_DB = 40.0  # a frame is active if it is no further below the loudest frame
SPECTRUM = 512  # samples of a spectrum, 32 ms
POWER_SHARE = 0.99  # of the power that lies within the bandwidth
READ_AHEAD = 4  # recordings a thread


@dataclass(frozen=True, slots=True)
class Cues:
    """The cues of one recording, at 16 kHz; NaN where it is nothing but silence.

    Attributes:
        duration_s: of the whole recording.
        level_dbfs: root mean square of its active frames, each without its mean. Frames are 10 ms
            long; those at most 40 dB below the loudest one are active.
        peak_dbfs: its largest sample.
        leading_silence_s: before the first active frame.
        trailing_silence_s: after the last active frame.
        bandwidth_hz: below it lies 99 % of the power of the waveform's first difference, which
            undoes the fall of speech towards high frequencies.
        digital_silence_share: the share of frames whose samples are all equal.
        dc_offset: distance of the samples' mean from zero, of 1 for full scale.
    """

    duration_s: float
    level_dbfs: float
    peak_dbfs: float
    leading_silence_s: float
    trailing_silence_s: float
    bandwidth_hz: float
    digital_silence_share: float
    dc_offset: float


class Heard(NamedTuple):
    """The cues of a trial's recording, and what is missing of it, if it is not all."""

    cues: Cues
    damage: str | None


def measure_cues(waveform: Waveform) -> Cues:
    """The cues of a waveform (samples,) at 16 kHz, of at least one frame."""
    samples = waveform.astype(np.float64)
    duration_s, frame_s = len(samples) / SAMPLE_RATE_HZ, FRAME / SAMPLE_RATE_HZ
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)  # (frames, 160)
    is_constant = np.ptp(frames, axis=1) == 0
    power = np.var(frames, axis=1)  # without what is constant in a frame: an offset is no speech
    least = power.max() * 10 ** (-ACTIVE_DB / 10)
    active = np.flatnonzero((power >= least) & (not is_constant.all()))
    return Cues(
        duration_s=duration_s,
        level_dbfs=_decibels(power[active].mean()) if active.size else np.nan,
        peak_dbfs=_decibels(np.max(samples**2)) if samples.any() else np.nan,
        leading_silence_s=float(active[0]) * frame_s if active.size else np.nan,
        trailing_silence_s=duration_s - float(active[-1] + 1) * frame_s if active.size else np.nan,
        bandwidth_hz=_bandwidth_hz(samples),
        digital_silence_share=float(is_constant.mean()),
        dc_offset=abs(float(samples.mean())),
    )


def read_cues(
    trials: Iterable[Trial], workers: int | None = None, *, allow_damaged: bool = False
) -> Iterator[tuple[Trial, Heard | str]]:
    """Read the recordings of trials in threads, and yield each trial in turn with what was heard.

    A trial whose recording cannot be read comes with the reason. Only a few recordings a thread are
    ahead of the one that is yielded, so that any number of trials fits in memory.

    Args:
        trials: with paths.
        workers: threads; None takes one a CPU.
        allow_damaged: listen to what is left of damaged recordings.
    """
    workers = workers or os.cpu_count() or 1
    remaining = iter(trials)
    ahead: deque[tuple[Trial, Future[Heard | str]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        while True:
            for trial in islice(remaining, READ_AHEAD * workers - len(ahead)):
                ahead.append((trial, pool.submit(_heard_or_reason, trial, allow_damaged)))
            if not ahead:
                return
            trial, heard = ahead.popleft()
            yield trial, heard.result()


def _heard_or_reason(trial: Trial, allow_damaged: bool) -> Heard | str:
    found = recording_or_reason(trial, allow_damaged=allow_damaged)
    return found if isinstance(found, str) else Heard(measure_cues(found.waveform), found.damage)


def _bandwidth_hz(samples: np.ndarray) -> float:
    tilted = np.diff(samples)
    frequencies_hz, power = welch(tilted, SAMPLE_RATE_HZ, nperseg=min(SPECTRUM, len(tilted)))
    reached = np.cumsum(power)
    if reached[-1] == 0:
        return np.nan
    return float(np.interp(POWER_SHARE, reached / reached[-1], frequencies_hz))


def _decibels(power: float) -> float:
    return float(10 * np.log10(power))
