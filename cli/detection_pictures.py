"""Pictures of ``fakemamba detect``: a recording with its frames' evidence, or with its windows."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from fakemamba.analysis.pictures.evidence import plot_evidence
from fakemamba.analysis.pictures.windows import plot_windows
from fakemamba.cli.detection_output import Row, headline
from fakemamba.cli.printing import say
from fakemamba.data.audio import SAMPLE_RATE_HZ, Waveform, cut_or_tile, read_recording
from fakemamba.evaluation.judgement import OperatingPoint
from fakemamba.models.detector import Detector
from fakemamba.models.device import is_out_of_memory
from fakemamba.names import distinct_file_names


def draw(
    model: Detector,
    rows: Sequence[Row],
    point: OperatingPoint | None,
    length: int | None,
    folder: Path,
) -> list[Row]:
    """The rows with their pictures: those with a score, unless memory ends."""
    device = model.device
    drawn = []
    for row, name in zip(rows, distinct_file_names(row.file.stem for row in rows), strict=True):
        if row.judgement is None:
            drawn.append(row)
            continue
        waveform = read_recording(row.file, allow_damaged=row.damage is not None).waveform
        title, path = headline(row.file, row.judgement, point), folder / f"{name}.png"
        if row.stretches is not None:
            threshold = None if point is None else point.threshold
            drawn.append(replace(row, picture=_draw_windows(waveform, row, threshold, title, path)))
            continue
        waveform = waveform if length is None else cut_or_tile(waveform, length)
        try:
            evidence = model.frames(torch.from_numpy(waveform)[None].to(device))[0].cpu().numpy()
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            say(f"no picture of {row.file}: out of memory; cut it by --length", file=sys.stderr)
            drawn.append(row)
            continue
        framing = model.framing
        plot_evidence(
            waveform,
            evidence,
            rate_hz=SAMPLE_RATE_HZ,
            first_s=framing.first_samples / 2 / SAMPLE_RATE_HZ,
            hop_s=framing.hop_samples / SAMPLE_RATE_HZ,
            headline=title,
            path=path,
        )
        drawn.append(replace(row, picture=path))
    return drawn


def _draw_windows(
    waveform: Waveform, row: Row, threshold: float | None, title: str, path: Path
) -> Path:
    """Over the waveform what each window got: its probability if that is known, else its score."""
    assert row.stretches is not None
    is_calibrated = any(one.spoof_probability is not None for one in row.stretches)
    values = [one.spoof_probability if is_calibrated else one.score for one in row.stretches]
    return plot_windows(
        waveform,
        np.array([(one.start_s, one.end_s) for one in row.stretches]),
        np.array([math.nan if one is None else one for one in values]),
        rate_hz=SAMPLE_RATE_HZ,
        is_probability=is_calibrated,
        threshold=None if is_calibrated else threshold,
        headline=title,
        path=path,
    )
