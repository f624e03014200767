"""Metrics of where in an utterance speech is spoofed: segment EER, range EER, F1 and IoU.

All judge one score a frame against labelled segments. The segment EER and F1 count frames, so that
they depend on their size and on how a frame gets its label. The range EER and IoU measure seconds
and have neither choice (Zhang et al., "Range-based equal error rate for spoof localization",
Interspeech 2023). Time without a label counts for nothing, so that the time around cuts is left out
by `fakemamba.evaluation.metrics.segments.without_collars`.

What is computed of utterances is kept apart by utterance, so that these can be drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fakemamba.evaluation.metrics.checks import BEFORE_ALL, Counts, Floats, MetricError
from fakemamba.evaluation.metrics.detection import EqualError, equal_error
from fakemamba.evaluation.metrics.segments import (
    FrameRule,
    FrameScores,
    Segments,
    check_pairs,
    frame_labels,
    pieces,
)


@dataclass(frozen=True, eq=False)
class Frames:
    """Labelled frames of all utterances, bona fide ones first.

    ``scores`` and ``owners`` are (n,): a frame's utterance is a number, in the order of the scores
    that they were made of. The first ``bonafide`` are bona fide.
    """

    scores: Floats
    owners: Counts
    bonafide: int


@dataclass(frozen=True, eq=False)
class Pieces:
    """Labelled time of all utterances, cut where a frame or a label ends, by ascending score.

    ``scores``, ``owners`` (utterances, as numbers), ``spoof_s`` and ``bonafide_s`` are (n,).
    ``ends`` (d,) is where the pieces of each of d distinct scores end.
    """

    scores: Floats
    owners: Counts
    spoof_s: Floats
    bonafide_s: Floats
    ends: Counts

    def equal_error(self) -> EqualError:
        """The range EER; NaN if there is no time of a class."""
        spoof_s, bonafide_s = (
            np.cumsum(one)[self.ends - 1] for one in (self.spoof_s, self.bonafide_s)
        )
        if not (len(self.ends) and spoof_s[-1] > 0 and bonafide_s[-1] > 0):
            return EqualError(np.nan, np.nan)
        miss = np.concatenate([[0.0], bonafide_s / bonafide_s[-1]])
        false_accept = np.concatenate([[1.0], 1 - spoof_s / spoof_s[-1]])
        best = int(np.argmin(np.abs(miss - false_accept)))
        distinct = self.scores[self.ends - 1]
        threshold = distinct[best - 1] if best else distinct[0] - BEFORE_ALL
        return EqualError(float((miss[best] + false_accept[best]) / 2), float(threshold))


def labelled_frames(
    scores: FrameScores, segments: Segments, frame_s: float, rule: FrameRule
) -> Frames:
    """Frames that have a label by the rule; other arguments are those of `segment_eer`."""
    found: tuple[list[Floats], list[Floats]] = ([], [])  # of spoof, of bona fide
    owners: tuple[list[Counts], list[Counts]] = ([], [])
    for number, (name, values) in enumerate(scores.items()):
        labels = frame_labels(len(values), segments[name], frame_s, rule)
        for kind in (0, 1):
            chosen = values[labels == kind]
            found[kind].append(np.asarray(chosen, np.float64))
            owners[kind].append(np.full(len(chosen), number))
    of_classes = np.concatenate(found[1] + found[0]), np.concatenate(owners[1] + owners[0])
    return Frames(*of_classes, bonafide=sum(map(len, found[1])))


def labelled_time(scores: FrameScores, segments: Segments, frame_s: float) -> Pieces:
    """The time that has a label; arguments are those of `range_eer`."""
    cut = [pieces(np.asarray(scores[name]), segments[name], frame_s) for name in scores]
    values, spoof_s, bonafide_s = (np.concatenate(column) for column in zip(*cut, strict=True))
    owners = np.repeat(np.arange(len(cut)), [len(one[0]) for one in cut])
    order = np.argsort(values, kind="stable")
    values = values[order]
    last = np.flatnonzero(values[1:] != values[:-1]) + 1
    ends = np.append(last, len(values)) if len(values) else last
    return Pieces(values, owners[order], spoof_s[order], bonafide_s[order], ends)


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
        MetricError: as `fakemamba.evaluation.metrics.segments.check_pairs`, and no frames of a
            class.
    """
    check_pairs(scores, segments, frame_s)
    frames = labelled_frames(scores, segments, frame_s, rule)
    return equal_error(frames.scores[: frames.bonafide], frames.scores[frames.bonafide :])


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
    check_pairs(scores, segments, frame_s)
    time = labelled_time(scores, segments, frame_s)
    for name, seconds in (("spoof", time.spoof_s), ("bona fide", time.bonafide_s)):
        if seconds.sum() <= 0:
            raise MetricError(f"{name}: no time is labelled so; are the labels of this file right?")
    return time.equal_error()


def averaged(scores: FrameScores, frames: int) -> dict[str, Floats]:
    """Means of so many frames in a row, the last of what is left (frames / ``frames``,)."""
    found = {}
    for name, values in scores.items():
        starts = np.arange(0, len(values), frames)
        counts = np.diff(np.append(starts, len(values)))
        found[name] = np.add.reduceat(values, starts) / counts if len(values) else values
    return found


def frame_hits(frames: Frames, threshold: float, utterances: int) -> Floats:
    """Spoofed frames that are flagged, bona fide ones that are, spoofed ones that are not.

    Of each utterance (3, utterances). A frame is flagged if its score is under the threshold.
    """
    is_spoof = np.arange(len(frames.scores)) >= frames.bonafide
    flagged = frames.scores < threshold
    kinds = (flagged & is_spoof, flagged & ~is_spoof, ~flagged & is_spoof)
    return np.array([np.bincount(frames.owners, one, utterances) for one in kinds])


def time_hits(time: Pieces, threshold: float, utterances: int) -> Floats:
    """The same of seconds (3, utterances)."""
    flagged = time.scores < threshold
    kinds = (flagged * time.spoof_s, flagged * time.bonafide_s, ~flagged * time.spoof_s)
    return np.array([np.bincount(time.owners, one, utterances) for one in kinds])


def f1(hits: Floats) -> float:
    """The harmonic mean of precision and recall of spoof, of hits (3,); NaN if there is nothing."""
    total = 2 * hits[0] + hits[1] + hits[2]
    return float(2 * hits[0] / total) if total > 0 else np.nan


def intersection_over_union(hits: Floats) -> float:
    """What is flagged and spoof, as a share of what is either, of hits (3,)."""
    union = hits.sum()
    return float(hits[0] / union) if union > 0 else np.nan
