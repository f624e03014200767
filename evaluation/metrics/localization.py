"""Metrics of where in an utterance speech is spoofed: segment EER and range EER.

Both judge one score a frame against labelled segments. The segment EER counts frames, so that it
depends on their size and on how a frame gets its label. The range EER measures seconds and has
neither choice (Zhang et al., "Range-based equal error rate for spoof localization", Interspeech
2023). Frame i covers [i · frame_s, (i + 1) · frame_s); time without a label counts for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from fakemamba.data.text_lines import CutGuard, at_line, number_or_none, read_lines
from fakemamba.data.trials import BONA_FIDE, TrialError, read_label
from fakemamba.evaluation.metrics.checks import BEFORE_ALL, Floats, MetricError, checked
from fakemamba.evaluation.metrics.detection import EqualError, equal_error

FrameRule = Literal["centre", "overlap", "start"]

ROUNDING_S = 2e-3  # files give starts and durations in milliseconds, so that neighbours can overlap
EDGE_S = 1e-9  # times nearer than that are one
FRAME_NUMBER = re.compile(r"[0-9]{1,9}")
MOST_FRAMES_OFF = 2  # a front-end's window leaves the last frames of an utterance out


class SegmentFileError(ValueError):
    """A file of segments or frame scores cannot be used; the message names file, line, remedy."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of an utterance, from ``start_s`` to before ``end_s``, in seconds; all one class."""

    start_s: float
    end_s: float
    is_bonafide: bool


Segments = Mapping[str, Sequence[Segment]]
FrameScores = Mapping[str, Floats]


def read_rttm(path: str | Path) -> dict[str, list[Segment]]:
    """Segments of each utterance, in order of time, from an RTTM file, plain or gzipped.

    Its lines are ``SPEAKER id channel start duration <NA> <NA> label <NA> <NA>``, in seconds, in
    any order; lines that begin with ``;;`` are remarks. Overlaps and gaps of up to 2 ms are of
    rounding: what overlaps is the earlier segment's.

    Raises:
        SegmentFileError: another line, a duration that is not positive, an unknown label, segments
            of an utterance that overlap or leave time between them without a label.
    """
    found: dict[str, list[tuple[Segment, str]]] = {}
    for number, line in enumerate(read_lines(path, SegmentFileError), 1):
        fields = line.split()
        if not fields or fields[0].startswith(";;"):
            continue
        where = at_line(path, number, line)
        if fields[0] != "SPEAKER" or len(fields) < 8:
            raise SegmentFileError(
                f"{where}: not `SPEAKER id channel start duration <NA> <NA> label <NA> <NA>`"
            )
        start_s, duration_s = (number_or_none(text) for text in fields[3:5])
        if start_s is None or duration_s is None:
            raise SegmentFileError(
                f"{where}: start and duration must be seconds, not {' and '.join(fields[3:5])[:80]}"
            )
        try:
            is_bonafide = read_label(fields[7]) == BONA_FIDE
        except TrialError as error:
            raise SegmentFileError(f"{where}: {error}") from error
        if not (0 <= start_s < np.inf and 0 < duration_s < np.inf):
            raise SegmentFileError(
                f"{where}: a segment from {start_s:g} s of {duration_s:g} s; it must begin at 0 s "
                "or later and last longer than 0 s"
            )
        segment = Segment(start_s, start_s + duration_s, is_bonafide)
        found.setdefault(fields[1], []).append((segment, where))
    if not found:
        raise SegmentFileError(f"{path}: no segments; lines must begin with SPEAKER")
    return {name: _in_order(segments) for name, segments in found.items()}


def read_frame_scores(path: str | Path) -> dict[str, Floats]:
    """Scores of each utterance's frames (frames,), from lines ``id frame score``.

    Frames of an utterance are numbered from 0 without gaps, in order.

    Raises:
        SegmentFileError: another line, a frame that is not the next one, a score that is not
            finite.
    """
    found: dict[str, list[float]] = {}
    guard = CutGuard()
    for number, line in enumerate(read_lines(path, SegmentFileError), 1):
        where = at_line(path, number, line)
        fields = line.split()
        value = number_or_none(fields[2]) if len(fields) == 3 else None
        if value is None or not FRAME_NUMBER.fullmatch(fields[1]):
            raise SegmentFileError(f"{where}: not `id frame score`: {line.strip()[:80]!r}")
        name, frame, score = fields
        scores = found.setdefault(name, [])
        if int(frame) != len(scores):
            raise SegmentFileError(
                f"{where}: frame {frame} of {name}, where frame {len(scores)} is the next; write "
                "all frames of an utterance once, in order"
            )
        if not np.isfinite(value):
            raise SegmentFileError(f"{where}: the score is {score}; score {name} again")
        guard.check(score, line, where, SegmentFileError)
        scores.append(value)
    return {name: np.array(scores) for name, scores in found.items()}


def segment_eer(
    scores: FrameScores, segments: Segments, frame_s: float = 0.02, rule: FrameRule = "centre"
) -> EqualError:
    """The EER over frames, in the ASVspoof convention.

    Args:
        scores: of each utterance's frames (frames,); higher is more bona fide.
        segments: of each utterance, in order of time.
        frame_s: how long a frame is, in seconds.
        rule: what labels a frame: its centre, its start, or any overlap: spoof if a part of it is.
            Frames that have no label by it are left out.

    Raises:
        MetricError: utterances differ, scores and segments of one differ in length by more than two
            frames, no frames of a class, scores that are not finite.
    """
    bonafide, spoof = [], []
    for name, values in _checked_pairs(scores, segments, frame_s):
        frames = np.arange(len(values), dtype=np.float64)
        if rule == "overlap":
            is_spoof, is_bonafide = _overlaps(frames, segments[name], frame_s)
            is_bonafide &= ~is_spoof
        else:
            place = {"centre": 0.5, "start": 0.0}[rule]
            labels = _labels_at((frames + place) * frame_s, segments[name])
            is_spoof, is_bonafide = labels == 0, labels == 1
        bonafide.append(values[is_bonafide])
        spoof.append(values[is_spoof])
    return equal_error(np.concatenate(bonafide), np.concatenate(spoof))


def range_eer(scores: FrameScores, segments: Segments, frame_s: float = 0.02) -> EqualError:
    """The EER over time: seconds of bona fide rejected and of spoof accepted, as fractions.

    Exact: frames are cut where labels change, and the threshold passes each distinct score once.
    Time of one score passes at once, as a stretch of time is the same however it is cut. The last
    frame lasts as long as the labels do.

    Args:
        scores: of each utterance's frames (frames,); higher is more bona fide.
        segments: of each utterance, in order of time.
        frame_s: how long a frame is, in seconds.

    Raises:
        MetricError: as `segment_eer`, and no time of a class.
    """
    pieces = [
        _pieces(values, segments[name], frame_s)
        for name, values in _checked_pairs(scores, segments, frame_s)
    ]
    values, seconds = (np.concatenate(column, axis=-1) for column in zip(*pieces, strict=True))
    totals_s = seconds.sum(axis=1)  # of spoof, of bona fide
    for name, total_s in zip(("spoof", "bona fide"), totals_s, strict=True):
        if total_s <= 0:
            raise MetricError(f"{name}: no time is labelled so; are the labels of this file right?")
    distinct, owner = np.unique(values, return_inverse=True)
    spoof_s, bonafide_s = (
        np.bincount(owner, weights=one, minlength=len(distinct)) for one in seconds
    )
    miss = np.concatenate([[0.0], np.cumsum(bonafide_s) / totals_s[1]])
    false_accept = np.concatenate([[1.0], 1 - np.cumsum(spoof_s) / totals_s[0]])
    best = int(np.argmin(np.abs(miss - false_accept)))
    thresholds = np.concatenate([distinct[:1] - BEFORE_ALL, distinct])
    return EqualError(float((miss[best] + false_accept[best]) / 2), float(thresholds[best]))


def _in_order(segments: list[tuple[Segment, str]]) -> list[Segment]:
    """Segments by time, each beginning where the one before ended if rounding made them overlap."""
    ordered: list[Segment] = []
    for segment, where in sorted(segments, key=lambda one: one[0].start_s):
        start_s = max(segment.start_s, ordered[-1].end_s) if ordered else segment.start_s
        if start_s - segment.start_s > ROUNDING_S or start_s >= segment.end_s:
            raise SegmentFileError(
                f"{where}: begins at {segment.start_s:g} s, but another segment ends at "
                f"{start_s:g} s; a moment has one label"
            )
        if ordered and start_s - ordered[-1].end_s > ROUNDING_S:
            raise SegmentFileError(
                f"{where}: begins at {start_s:g} s, but the segment before ends at "
                f"{ordered[-1].end_s:g} s; label the time between them"
            )
        ordered.append(Segment(start_s, segment.end_s, segment.is_bonafide))
    return ordered


def _checked_pairs(
    scores: FrameScores, segments: Segments, frame_s: float
) -> list[tuple[str, Floats]]:
    """Utterances with their scores, if there are as many as the labels last."""
    if frame_s <= 0:
        raise MetricError(f"a frame of {frame_s:g} s must be longer than 0 s")
    if not scores:
        raise MetricError("no utterance has scores of its frames")
    for names, lack in (
        (sorted(set(segments) - set(scores)), "labels but no scores"),
        (sorted(set(scores) - set(segments)), "scores but no labels"),
    ):
        if names:
            raise MetricError(f"{len(names):,} utterances have {lack}: {', '.join(names[:5])}")
    pairs = []
    for name, frames in scores.items():
        values = checked(name, frames)
        end_s = segments[name][-1].end_s
        if abs(len(values) * frame_s - end_s) > MOST_FRAMES_OFF * frame_s + EDGE_S:
            raise MetricError(
                f"{name}: {len(values)} frames of {frame_s:g} s are {len(values) * frame_s:g} s, "
                f"but its labels end at {end_s:g} s; give the frames' own length, and score whole "
                "utterances"
            )
        pairs.append((name, values))
    return pairs


def _labels_at(times_s: Floats, segments: Sequence[Segment]) -> npt.NDArray[np.int64]:
    """1 for bona fide, 0 for spoof, -1 where no segment is (n,), at times (n,)."""
    starts = np.array([one.start_s for one in segments])
    ends = np.array([one.end_s for one in segments])
    kinds = np.array([one.is_bonafide for one in segments], np.int64)
    at = np.searchsorted(starts, times_s + EDGE_S, side="right") - 1
    return np.where((at >= 0) & (times_s + EDGE_S < ends[at]), kinds[at], -1)


def _overlaps(
    frames: Floats, segments: Sequence[Segment], frame_s: float
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Whether a part of each frame is spoof, and whether one is bona fide, (frames,) both."""
    begins, ends = frames * frame_s, (frames + 1) * frame_s
    touched = np.zeros((2, len(frames)), np.bool_)
    for one in segments:
        inside = (begins + EDGE_S < one.end_s) & (ends - EDGE_S > one.start_s)
        touched[int(one.is_bonafide)] |= inside
    return touched[0], touched[1]


def _pieces(
    values: Floats, segments: Sequence[Segment], frame_s: float
) -> tuple[Floats, npt.NDArray[np.float64]]:
    """Scores (n,) and their seconds of spoof and of bona fide (2, n), cut at frames and labels."""
    inner = np.arange(1, len(values)) * frame_s  # edges between frames
    bounds = np.array([(one.start_s, one.end_s) for one in segments]).ravel()
    edges = np.unique(np.concatenate([inner, bounds]))
    edges = edges[(edges >= bounds[0]) & (edges <= bounds[-1])]
    frame = np.searchsorted(inner, edges[:-1], side="right")
    labels = _labels_at((edges[:-1] + edges[1:]) / 2 - EDGE_S, segments)
    lengths_s = np.diff(edges)
    return values[frame], np.stack([lengths_s * (labels == 0), lengths_s * (labels == 1)])
