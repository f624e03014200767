"""``fakemamba evaluate-segments``: scores of frames and labelled segments to their error rates."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import tyro

from fakemamba.cli.printing import say
from fakemamba.evaluation.metrics.localization import (
    range_eer,
    read_frame_scores,
    read_rttm,
    segment_eer,
)
from fakemamba.files import write_json


def evaluate_segments(
    frames: tyro.conf.Positional[Path],
    /,
    segments: Path,
    frame_s: float = 0.02,
    rule: Literal["centre", "overlap", "start"] = "centre",
    json_out: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> None:
    """Compute how well frames of partly spoofed utterances are told apart.

    Args:
        frames: Lines `id frame score`, frames from 0; higher scores are more bona fide.
        segments: RTTM with the labels of each utterance.
        frame_s: How long a frame is, in seconds.
        rule: What labels a frame for the segment EER: its centre, its start, or any overlap with
            spoofed speech. The range EER measures seconds and needs no rule.
        json_out: File to write both to; rates in it are fractions.
    """
    scores, labels = read_frame_scores(frames), read_rttm(segments)
    found = {
        "segment_eer": segment_eer(scores, labels, frame_s, rule),
        "range_eer": range_eer(scores, labels, frame_s),
    }
    costs = {
        "segment_eer": f"frames of {frame_s:g} s, labelled by {rule}",
        "range_eer": "seconds, exact",
    }
    for name, point in found.items():
        say(f"{name} {point.eer:.3%} at {point.threshold:.6g}   ({costs[name]})")
    if json_out is not None:
        content = {
            "scores": str(frames),
            "segments": str(segments),
            "metrics": {name: asdict(one) | {"of": costs[name]} for name, one in found.items()},
        }
        write_json(json_out, content)
