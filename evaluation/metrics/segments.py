"""Labelled segments of recordings, their cuts, and how frames of a score each lie on them.

A segment has one class. A cut is an edge between two adjoining segments, also of one class: what
is spliced of bona fide pieces has cuts and no spoof. Frame i covers [i · frame_s, (i + 1) ·
frame_s).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from fakemamba.data.text_lines import listed
from fakemamba.evaluation.metrics.checks import Counts, Floats, MetricError, checked

FrameRule = Literal["centre", "overlap", "start"]
Flags = npt.NDArray[np.bool_]

EDGE_S = 1e-9  # times nearer than that are one
MOST_FRAMES_OFF = 2  # a front-end's window leaves the last frames of an utterance out
UNLABELLED = -1


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of an utterance, from ``start_s`` to before ``end_s``, in seconds; all one class."""

    start_s: float
    end_s: float
    is_bonafide: bool


Segments = Mapping[str, Sequence[Segment]]
FrameScores = Mapping[str, Floats]


def check_pairs(scores: FrameScores, segments: Segments, frame_s: float) -> None:
    """Refuse scores and labels that are not of the same utterances.

    Args:
        scores: of each utterance's frames (frames,); higher is more bona fide.
        segments: of each utterance, in order of time.
        frame_s: how long a frame is, in seconds.

    Raises:
        MetricError: utterances differ, scores and segments of one differ in length by more than two
            frames, or scores are not finite.
    """
    if not 0 < frame_s < np.inf:
        raise MetricError(f"a frame of {frame_s:g} s must be longer than 0 s")
    if not scores:
        raise MetricError("no utterance has scores of its frames")
    for names, lack in (
        (sorted(set(segments) - set(scores)), "labels but no scores"),
        (sorted(set(scores) - set(segments)), "scores but no labels"),
    ):
        if names:
            raise MetricError(
                f"{len(names):,} utterances have {lack}: {listed(names[:5])}; give scores and "
                "labels of the same ones"
            )
    for name, frames in scores.items():
        values = checked(name, frames)
        end_s = segments[name][-1].end_s
        if abs(len(values) * frame_s - end_s) > MOST_FRAMES_OFF * frame_s + EDGE_S:
            raise MetricError(
                f"{name}: {len(values)} frames of {frame_s:g} s are {len(values) * frame_s:g} s, "
                f"but its labels end at {end_s:g} s; give the frames' own length, and score whole "
                "utterances"
            )


def cuts_s(segments: Sequence[Segment]) -> Floats:
    """When one segment ends and the next begins (cuts,), in seconds, whatever their classes are."""
    return np.array([later.start_s for _, later in pairwise(segments)])


def without_collars(segments: Sequence[Segment], collar_s: float) -> list[Segment]:
    """The segments but for what is less than ``collar_s`` seconds from a cut; it may be nothing."""
    cuts = cuts_s(segments)
    starts_s = [segments[0].start_s, *(cuts + collar_s)]
    ends_s = [*(cuts - collar_s), segments[-1].end_s]
    return [
        Segment(float(start_s), float(end_s), one.is_bonafide)
        for one, start_s, end_s in zip(segments, starts_s, ends_s, strict=True)
        if end_s - start_s > EDGE_S
    ]


def near_cuts(frames: int, segments: Sequence[Segment], frame_s: float, reach_s: float) -> Flags:
    """Whether each frame's centre is at most ``reach_s`` seconds from a cut (frames,)."""
    centres_s = (np.arange(frames) + 0.5) * frame_s
    cuts = cuts_s(segments)
    if not len(cuts):
        return np.zeros(frames, np.bool_)
    distances_s = np.abs(centres_s[:, None] - cuts[None, :])  # (frames, cuts)
    return distances_s.min(axis=1) <= reach_s + EDGE_S


def frame_labels(
    frames: int, segments: Sequence[Segment], frame_s: float, rule: FrameRule
) -> Counts:
    """1 for bona fide, 0 for spoof, -1 for no label by the rule, of each frame (frames,).

    Args:
        frames: how many.
        segments: in order of time.
        frame_s: how long a frame is, in seconds.
        rule: what labels a frame: its centre, its start, or any overlap: spoof if a part of it is.
    """
    numbers = np.arange(frames, dtype=np.float64)
    if rule == "overlap":
        is_spoof, is_bonafide = _overlaps(numbers, segments, frame_s)
        return np.where(is_spoof, 0, np.where(is_bonafide, 1, UNLABELLED))
    place = {"centre": 0.5, "start": 0.0}[rule]
    return labels_at((numbers + place) * frame_s, segments)


def labels_at(times_s: Floats, segments: Sequence[Segment]) -> Counts:
    """1 for bona fide, 0 for spoof, -1 where no segment is (n,), at times (n,)."""
    if not segments:
        return np.full(len(times_s), UNLABELLED)
    starts = np.array([one.start_s for one in segments])
    ends = np.array([one.end_s for one in segments])
    kinds = np.array([one.is_bonafide for one in segments], np.int64)
    at = np.searchsorted(starts, times_s + EDGE_S, side="right") - 1
    return np.where((at >= 0) & (times_s + EDGE_S < ends[at]), kinds[at], UNLABELLED)


def _overlaps(frames: Floats, segments: Sequence[Segment], frame_s: float) -> tuple[Flags, Flags]:
    """Whether a part of each frame is spoof, and whether one is bona fide, (frames,) both."""
    begins, ends = frames * frame_s, (frames + 1) * frame_s
    touched = np.zeros((2, len(frames)), np.bool_)
    for one in segments:
        inside = (begins + EDGE_S < one.end_s) & (ends - EDGE_S > one.start_s)
        touched[int(one.is_bonafide)] |= inside
    return touched[0], touched[1]


def pieces(
    scores: Floats, segments: Sequence[Segment], frame_s: float
) -> tuple[Floats, Floats, Floats]:
    """An utterance's time cut at frames and labels: scores, seconds of spoof and of bona fide.

    The last frame lasts as long as the labels do. All three are (pieces,).
    """
    if not segments:
        return (np.empty(0),) * 3
    inner = np.arange(1, len(scores)) * frame_s  # edges between frames
    bounds = np.array([(one.start_s, one.end_s) for one in segments]).ravel()
    edges = np.unique(np.concatenate([inner, bounds]))
    edges = edges[(edges >= bounds[0]) & (edges <= bounds[-1])]
    frame = np.searchsorted(inner, edges[:-1], side="right")
    labels = labels_at((edges[:-1] + edges[1:]) / 2 - EDGE_S, segments)
    lengths_s = np.diff(edges)
    return scores[frame], lengths_s * (labels == 0), lengths_s * (labels == 1)
