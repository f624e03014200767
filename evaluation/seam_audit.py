"""Whether seams of spliced recordings leak the label: cuts of spoofs against cuts of controls.

If the class is known from what a cut sounds like, a detector that finds cuts looks as if it found
synthesis. Two figures of each cut are taken as if they were a detector's score, as cues of whole
recordings are by `fakemamba.evaluation.audit`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from fakemamba.data.audio import SAMPLE_RATE_HZ, Waveform
from fakemamba.data.reading import recording_or_reason
from fakemamba.data.trials import BONA_FIDE, Trial
from fakemamba.evaluation.audit import CHANCE, AuditError, Shortcut, untied_ranks
from fakemamba.evaluation.bootstrap import BootstrapError, bootstrap
from fakemamba.evaluation.metrics.detection import equal_error
from fakemamba.evaluation.metrics.segments import Segments, cuts_s

SIDE = 320  # samples, 20 ms, before a cut and after it
LEAST_POWER = 1e-10
SEAM_CUES = ("level_step_db", "spectral_flux_db")


def audit_seams(
    trials: Iterable[Trial],
    segments: Segments,
    *,
    seed: int = 0,
    allow_damaged: bool = False,
    progress: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> tuple[Shortcut, ...]:
    """Measure all cuts of recordings that can be read, and how well they tell spoofs from controls.

    In a `Shortcut` cuts are counted, not trials; recordings are drawn for the interval.

    Args:
        trials: with labels and paths; those that have no cut are passed over.
        segments: of trials, by their ids.
        seed: of the lot that breaks ties, and of the intervals.
        allow_damaged: listen to what is left of damaged recordings.
        progress: passes on what it is given, one item a trial, and may count them.

    Raises:
        AuditError: a class has no cut.
    """
    rows = []
    for trial in progress(trials):
        cuts = cuts_s(segments.get(trial.trial_id, ()))
        if not len(cuts):
            continue
        found = recording_or_reason(trial, allow_damaged=allow_damaged)
        if isinstance(found, str):  # of which the audit of all cues tells
            continue
        for cut_s in cuts:
            figures = seam_figures(found.waveform, round(cut_s * SAMPLE_RATE_HZ))
            if figures is not None:
                rows.append((trial.trial_id, trial.label, *figures))
    table = pd.DataFrame(rows, columns=["recording", "label", *SEAM_CUES])
    is_control = (table["label"] == BONA_FIDE).to_numpy()
    for words, count in (("control", is_control.sum()), ("spoof", (~is_control).sum())):
        if not count:
            raise AuditError(
                f"no {words} among these recordings has a cut by the segments; an audit of cuts "
                "needs some of spoofs, and some of bona fide recordings"
            )
    return tuple(_judge(cue, table, is_control, seed) for cue in SEAM_CUES)


def seam_figures(waveform: Waveform, cut: int) -> tuple[float, float] | None:
    """The step of the level and the spectral flux at a sample, in dB; None at an end.

    Both are of the 20 ms before it and after it; the flux is the mean over the spectrum's bins of
    how far both differ.
    """
    if cut < SIDE or cut + SIDE > len(waveform):
        return None
    sides = waveform[cut - SIDE : cut + SIDE].astype(np.float64).reshape(2, SIDE)
    power = np.maximum(np.mean(sides**2, axis=1), LEAST_POWER)
    spectra = np.abs(np.fft.rfft(sides * np.hanning(SIDE), axis=1)) ** 2 / SIDE  # (2, bins)
    flux_db = np.abs(np.diff(10 * np.log10(np.maximum(spectra, LEAST_POWER)), axis=0)).mean()
    return abs(float(10 * np.log10(power[1] / power[0]))), float(flux_db)


def _judge(cue: str, table: pd.DataFrame, is_control: np.ndarray, seed: int) -> Shortcut:
    values = table[cue].to_numpy(np.float64)
    ranks = untied_ranks(values, seed)
    eers = {
        sign: equal_error(sign * ranks[is_control], sign * ranks[~is_control]).eer
        for sign in (1, -1)
    }
    better = min(eers, key=lambda sign: eers[sign])
    low = high = reason = None
    try:
        scored = table[["recording", "label"]].assign(score=better * ranks)
        interval = bootstrap(scored, ("eer",), cluster=("recording",), seed=seed)["eer"]
        low, high = min(interval.low, CHANCE), min(interval.high, CHANCE)
    except BootstrapError as error:
        reason = f"no interval: {error}"
    medians = (float(np.median(values[is_control])), float(np.median(values[~is_control])))
    counts = int(is_control.sum()), int((~is_control).sum())
    eer = min(eers[better], CHANCE)
    return Shortcut(cue, None, eer, low, high, *counts, *medians, reason=reason)
