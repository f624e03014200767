"""Maps of where recordings are fake, judged: figures with intervals, differences, cuts.

A map is the scores of all frames of the recordings. Its figures are computed of any draw of
recordings, so that intervals and paired differences are of the same draws, of speakers where they
are known. A threshold is chosen on development recordings alone: that of the segment EER. (That of
the best F1 depends on their share of spoof, and flags everything where a map tells little.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

from fakemamba.data.trials import BONA_FIDE, SPOOF
from fakemamba.evaluation.bootstrap import (
    Difference,
    Interval,
    check_replicates,
    check_usable,
    difference,
    enough,
    how_to_draw,
    percentile_intervals,
)
from fakemamba.evaluation.cut_flags import SHARES, CutFlags
from fakemamba.evaluation.metrics.checks import Floats, MetricError
from fakemamba.evaluation.metrics.detection import equal_error
from fakemamba.evaluation.metrics.localization import (
    Frames,
    averaged,
    f1,
    frame_hits,
    intersection_over_union,
    labelled_frames,
    labelled_time,
    range_eer,
    segment_eer,
    time_hits,
)
from fakemamba.evaluation.metrics.segments import (
    FrameRule,
    FrameScores,
    Segments,
    without_collars,
)
from fakemamba.evaluation.uncertainty import (
    USUAL,
    PairedDifference,
    Resampling,
    most_clustered,
)
from fakemamba.holm import holm

COARSE = 8  # frames whose scores are averaged
OF_A_MAP = ("segment_eer", "segment_eer_of_8_frames", "range_eer", "f1", "iou")
BEYOND = "_beyond_collar"
FIGURES = (*OF_A_MAP, *(name + BEYOND for name in OF_A_MAP), *SHARES)
THRESHOLD_RULE = "that of the segment EER of development recordings; a frame under it is flagged"


@dataclass(frozen=True)
class HowToJudge:
    """What is the same for all maps.

    Attributes:
        frame_s: how long a frame is, in seconds.
        rule: what labels a frame.
        collar_s: how far from a cut time is left out, and frames are near it.
        resampling: how recordings are drawn.
    """

    frame_s: float = 0.02
    rule: FrameRule = "centre"
    collar_s: float = 0.16
    resampling: Resampling = USUAL


@dataclass(frozen=True)
class MapFigures:
    """What one map is worth.

    Attributes:
        figures: those of `FIGURES` that can be computed, as fractions.
        intervals: of these, 95 %.
        eer_thresholds: of the EERs of all time; nobody knows them beforehand.
        threshold: chosen on development recordings; None if there were none.
        cuts: whether it finds cuts or synthesis, in words.
    """

    figures: dict[str, float]
    intervals: dict[str, Interval]
    eer_thresholds: dict[str, float]
    threshold: float | None
    cuts: str


@dataclass(frozen=True)
class SegmentEvaluation:
    """All maps, by name, and what is said of them together.

    Attributes:
        maps: each by itself.
        differences: of each pair on the same draws.
        recordings: how many are bona fide throughout, and how many have spoof.
        doubt: what is to be said against the intervals.
    """

    maps: dict[str, MapFigures]
    differences: tuple[PairedDifference, ...]
    recordings: dict[str, int]
    doubt: str | None


def evaluate_maps(
    maps: Mapping[str, FrameScores],
    segments: Segments,
    thresholds: Mapping[str, float],
    trials: pd.DataFrame | None = None,
    how: HowToJudge | None = None,
) -> SegmentEvaluation:
    """Evaluate maps of the same recordings.

    Args:
        maps: scores of frames of each recording, by the map's name.
        segments: of each recording.
        thresholds: of maps that have one, by `THRESHOLD_RULE`.
        trials: rows of `trial_table` of these recordings, for speakers and attacks; None if nothing
            is known of them.
        how: frames, collar, draws.

    Raises:
        MetricError: maps and labels are not of the same recordings, or no time or frame is of a
            class.
        BootstrapError: too few replicates.
    """
    how = how or HowToJudge()
    eer_thresholds = []
    for of_map, scores in maps.items():
        try:
            points = {
                "segment_eer": segment_eer(scores, segments, how.frame_s, how.rule),
                "range_eer": range_eer(scores, segments, how.frame_s),
            }
        except MetricError as error:
            raise MetricError(f"{of_map}: {error}") from error
        eer_thresholds.append({name: one.threshold for name, one in points.items()})
    names = sorted(segments, key=lambda name: (_has_spoof(segments, name), name))
    is_spoof = [_has_spoof(segments, name) for name in names]
    table = pd.DataFrame({"trial_id": names, "label": np.where(is_spoof, SPOOF, BONA_FIDE)})
    if trials is not None:
        table = table.merge(trials[["trial_id", "speaker", "attack"]], on="trial_id", how="left")
    else:
        table = table.assign(speaker=None, attack=None)
    measured = [
        _Map(
            {name: scores[name] for name in names},
            {name: segments[name] for name in names},
            thresholds.get(of_map, np.nan),
            how,
        )
        for of_map, scores in maps.items()
    ]
    plain = np.array([one.measure(np.ones(len(names), np.int32)) for one in measured])
    drawn, doubt = None, None
    if how.resampling.replicates:
        compute = partial(_drawn, table, measured, np.isfinite(plain), how.resampling)
        drawn, doubt = most_clustered(compute, table, how.resampling)
    found = {}
    for place, (name, one) in enumerate(zip(maps, measured, strict=True)):
        figures = {
            figure: float(value)
            for figure, value in zip(FIGURES, plain[place], strict=True)
            if np.isfinite(value)
        }
        intervals = {} if drawn is None else drawn.of_map(place)
        found[name] = MapFigures(
            figures,
            intervals,
            eer_thresholds[place],
            thresholds.get(name),
            one.flags.in_words(figures, intervals),
        )
    counts = {"bonafide": is_spoof.count(False), "spoof": is_spoof.count(True)}
    differences = () if drawn is None else tuple(_differences(list(maps), plain, drawn))
    return SegmentEvaluation(found, differences, counts, doubt)


class _Map:
    """One map, whose figures are known however often each recording was drawn."""

    def __init__(
        self, scores: FrameScores, segments: Segments, threshold: float, how: HowToJudge
    ) -> None:
        beyond = {name: without_collars(one, how.collar_s) for name, one in segments.items()}
        self._size = len(scores)
        self._views = [_View(scores, one, threshold, how) for one in (segments, beyond)]
        self.flags = CutFlags.of(
            scores, segments, threshold, frame_s=how.frame_s, rule=how.rule, reach_s=how.collar_s
        )

    def __len__(self) -> int:
        return self._size

    def measure(self, counts: npt.NDArray[np.int32]) -> Floats:
        """All of `FIGURES`, NaN where there is none."""
        of_views = [figure for view in self._views for figure in view.measure(counts)]
        return np.array([*of_views, *self.flags.shares(counts)])


class _View:
    """A map against one set of labels: all of them, or those beyond the collars."""

    def __init__(
        self, scores: FrameScores, segments: Segments, threshold: float, how: HowToJudge
    ) -> None:
        coarse = averaged(scores, COARSE)
        fine_frames = labelled_frames(scores, segments, how.frame_s, how.rule)
        self._frames = [
            (one, np.argsort(one.scores, kind="stable"))
            for one in (
                fine_frames,
                labelled_frames(coarse, segments, COARSE * how.frame_s, how.rule),
            )
        ]
        self._time = labelled_time(scores, segments, how.frame_s)
        self._hits = None
        if np.isfinite(threshold):
            hits = frame_hits(fine_frames, threshold, len(scores))
            self._hits = hits, time_hits(self._time, threshold, len(scores))

    def measure(self, counts: npt.NDArray[np.int32]) -> list[float]:
        eers = self._eers(counts)
        if self._hits is None:
            return [*eers, np.nan, np.nan]
        of_frames, of_time = (one @ counts for one in self._hits)
        return [*eers, f1(of_frames), intersection_over_union(of_time)]

    def _eers(self, counts: npt.NDArray[np.int32]) -> list[float]:
        time = self._time
        if (counts == 1).all():  # all as they are, which needs no numba
            return [*(_segment_eer(frames) for frames, _ in self._frames), time.equal_error().eer]
        from fakemamba.evaluation.resampling import sweep, sweep_time

        nothing = np.empty((0, 3)), np.empty(0)
        return [
            *(
                sweep(counts[frames.owners], order, frames.bonafide, *nothing)
                for frames, order in self._frames
            ),
            sweep_time(counts, time.owners, time.spoof_s, time.bonafide_s, time.ends),
        ]


def _segment_eer(frames: Frames) -> float:
    if not 0 < frames.bonafide < len(frames.scores):
        return np.nan
    return equal_error(frames.scores[: frames.bonafide], frames.scores[frames.bonafide :]).eer


@dataclass(frozen=True, eq=False)
class _Drawn:
    """Figures (replicates, maps, figures) of draws, of which ``known`` (figures,) can be computed.

    ``kind`` says what was drawn.
    """

    values: npt.NDArray[np.float64]
    known: npt.NDArray[np.bool_]
    kind: str

    def of_map(self, place: int) -> dict[str, Interval]:
        """The intervals of a map."""
        names = [name for name, known in zip(FIGURES, self.known, strict=True) if known]
        return percentile_intervals(names, self.values[:, place, self.known], self.kind)


def _drawn(
    table: pd.DataFrame,
    maps: Sequence[_Map],
    known: npt.NDArray[np.bool_],
    resampling: Resampling,
    cluster: Sequence[str] | None,
) -> _Drawn:
    from fakemamba.evaluation.resampling import replicate

    check_replicates(resampling.replicates)
    bonafide = int((table["label"] == BONA_FIDE).sum())
    draw, kind = how_to_draw(table, bonafide, cluster)
    values = replicate(maps, draw, resampling.replicates, resampling.seed)
    is_there = np.min(np.isfinite(values), axis=1)  # (replicates, figures)
    check_usable(int(is_there[:, 0].sum()), resampling.replicates, cluster)
    of_all = np.min(known, axis=0) & enough(is_there.sum(axis=0), resampling.replicates)
    return _Drawn(values[np.min(is_there[:, of_all], axis=1)], of_all, kind)


def _differences(names: Sequence[str], plain: Floats, drawn: _Drawn) -> list[PairedDifference]:
    found = []
    for column in np.flatnonzero(drawn.known):
        pairs = list(combinations(range(len(names)), 2))
        of_pairs: list[Difference] = [
            difference(
                float(plain[first, column] - plain[second, column]),
                drawn.values[:, first, column] - drawn.values[:, second, column],
                drawn.kind,
            )
            for first, second in pairs
        ]
        corrected = holm([one.p_value for one in of_pairs])
        found += [
            PairedDifference(FIGURES[column], names[first], names[second], one, float(p_holm))
            for (first, second), one, p_holm in zip(pairs, of_pairs, corrected, strict=True)
        ]
    return found


def _has_spoof(segments: Segments, name: str) -> bool:
    return any(not one.is_bonafide for one in segments[name])
