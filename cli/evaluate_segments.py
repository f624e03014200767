"""``fakemamba evaluate-segments``: scores of frames and labelled segments to their error rates."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import pandas as pd
import tyro

from fakemamba.cli.printing import say
from fakemamba.cli.segment_tables import show_maps
from fakemamba.data.manifest import iterate_manifest
from fakemamba.data.text_lines import listed
from fakemamba.data.trials import trial_table
from fakemamba.evaluation.cut_flags import RULE
from fakemamba.evaluation.metrics.checks import MetricError
from fakemamba.evaluation.metrics.localization import segment_eer
from fakemamba.evaluation.metrics.segments import FrameRule, FrameScores, Segments
from fakemamba.evaluation.segment_evaluation import (
    THRESHOLD_RULE,
    HowToJudge,
    evaluate_maps,
)
from fakemamba.evaluation.segment_files import read_frame_scores, read_segments
from fakemamba.evaluation.uncertainty import Resampling
from fakemamba.files import write_json

STAMP = {"kind": "fakemamba-segment-evaluation", "schema": 1}


def evaluate_segments(
    frames: tyro.conf.Positional[tuple[Path, ...]],
    /,
    segments: Path,
    frame_s: float = 0.02,
    rule: FrameRule = "centre",
    label_frame_s: float | None = None,
    dev_frames: tuple[Path, ...] = (),
    dev_segments: Path | None = None,
    collar: float = 0.16,
    manifest: Path | None = None,
    phase: str | None = None,
    dev_phase: str | None = None,
    bootstrap: int = 1000,
    cluster: bool = True,
    seed: int = 0,
    json_out: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> None:
    """Compute how well maps of where recordings are fake are, with 95 % intervals.

    Args:
        frames: Lines `id frame score`, frames from 0; higher scores are more bona fide. Several
            files are compared.
        segments: Labels of each recording: RTTM, lines `id start-end-label ...` as HAD's, or labels
            of frames as PartialSpoof's.
        frame_s: How long a frame of the scores is, in seconds.
        rule: What labels a frame for the segment EER and F1: its centre, its start, or any overlap
            with spoofed speech. The range EER and IoU measure seconds and need no rule.
        label_frame_s: How long a frame of the labels is, in seconds, where they are of frames.
        dev_frames: Scores of frames of development recordings, a file a map in the same order,
            whose segment EER chooses the threshold of F1, IoU and flags.
        dev_segments: Labels of these.
        collar: Seconds around a cut that are left out of the second set of figures, and in which a
            frame is near it.
        manifest: CSV or Parquet file with the columns `path` and `trial_id`; its speakers and
            attacks are drawn for the intervals, and its durations are held against the labels.
        phase: Of the manifest; labels of other phases in the same file are passed over.
        dev_phase: The same of development recordings.
        bootstrap: How often recordings are drawn for the intervals; 0 gives none.
        cluster: Draw speakers and attacks where they are known, not single recordings.
        seed: Of these draws.
        json_out: File to write everything to; rates in it are fractions.
    """
    if not frames:
        raise ValueError("no file with scores of frames; name one or more")
    if len(dev_frames) not in (0, len(frames)) or bool(dev_frames) != (dev_segments is not None):
        raise ValueError(
            f"{len(frames)} files of frames, {len(dev_frames)} of development and "
            f"{'their' if dev_segments else 'no'} labels: give as many of --dev-frames, in the "
            "same order, and --dev-segments; or none of both"
        )
    if not 0 < collar < float("inf"):
        raise ValueError(f"--collar {collar:g}: it must be longer than 0 s")
    if manifest is None and (phase or dev_phase):
        raise ValueError("--phase and --dev-phase are of a --manifest; give it")
    how = HowToJudge(frame_s, rule, collar, Resampling(bootstrap, cluster, seed))
    maps: dict[str, FrameScores] = {}
    for path in frames:
        if str(path) in maps:
            raise ValueError(f"{path} is there twice; name each file once")
        maps[str(path)] = read_frame_scores(path)
    listed_trials = None if manifest is None else trial_table(iterate_manifest(manifest))
    scores = next(iter(maps.values()))
    trials = _of_phase(listed_trials, phase, manifest)
    labels = _labels(segments, scores, how, label_frame_s, trials, phase)
    if trials is not None:
        trials = _those_of(scores, trials, manifest)
    thresholds = {}
    of_dev = _of_phase(listed_trials, dev_phase, manifest)
    for name, path in zip(maps, dev_frames, strict=False):
        dev = read_frame_scores(path)
        dev_labels = _labels(dev_segments or segments, dev, how, label_frame_s, of_dev, dev_phase)
        if shared := sorted(set(dev) & set(scores)):
            raise ValueError(
                f"{path}: {len(shared):,} recordings are also judged ({listed(shared[:5])}); "
                "choose the threshold on others"
            )
        try:
            thresholds[name] = segment_eer(dev, dev_labels, frame_s, rule).threshold
        except MetricError as error:
            raise ValueError(f"{path}: {error}") from error
    found = evaluate_maps(maps, labels, thresholds, trials, how)
    show_maps(found, how)
    if json_out is not None:
        content = asdict(found)
        systems = [{"frames": name, **one} for name, one in content.pop("maps").items()]
        for one, path in zip(systems, dev_frames, strict=False):
            one["dev_frames"] = str(path)
        write_json(
            json_out,
            {
                **STAMP,
                "segments": str(segments),
                "dev_segments": None if dev_segments is None else str(dev_segments),
                "how": asdict(how) | {"threshold": THRESHOLD_RULE, "cuts": RULE},
                **content,
                "systems": systems,
            },
        )
        say(json_out)


def _of_phase(
    trials: pd.DataFrame | None, phase: str | None, manifest: Path | None
) -> pd.DataFrame | None:
    """The trials of a phase, all where none is named.

    Raises:
        ValueError: there are none.
    """
    if trials is None or phase is None:
        return trials
    found = trials[trials["phase"] == phase]
    if not len(found):
        phases = listed(sorted(trials["phase"].dropna().unique())) or "none"
        raise ValueError(f"{manifest}: no phase {phase!r}; there are: {phases}")
    return found


def _those_of(scores: FrameScores, trials: pd.DataFrame, manifest: Path | None) -> pd.DataFrame:
    """The rows of the recordings that have scores.

    Raises:
        ValueError: some are not there, or are there twice.
    """
    found = trials[trials["trial_id"].isin(scores.keys())]
    if twice := list(found["trial_id"][found["trial_id"].duplicated()]):
        raise ValueError(f"{manifest}: {listed(twice[:5])} is there twice; keep one row of each")
    if lacking := sorted(set(scores) - set(found["trial_id"])):
        raise ValueError(
            f"{manifest}: {len(lacking):,} of {len(scores):,} recordings are not in it: "
            f"{listed(lacking[:5])}; give the manifest, and the phase, of these recordings"
        )
    return found


def _labels(
    path: Path,
    scores: FrameScores,
    how: HowToJudge,
    label_frame_s: float | None,
    trials: pd.DataFrame | None,
    phase: str | None,
) -> Segments:
    """Labels, held against the trials' durations; those of frames, else against the scores'."""
    durations_s: dict[str, float] = {}
    if label_frame_s is not None:
        durations_s = {name: len(values) * how.frame_s for name, values in scores.items()}
    if trials is not None:
        known = trials[trials["duration_s"].notna()]
        durations_s |= dict(zip(known["trial_id"], known["duration_s"], strict=True))
    found = read_segments(path, label_frame_s, durations_s)
    if trials is None or phase is None:
        return found
    chosen = set(trials["trial_id"])
    return {name: one for name, one in found.items() if name in chosen}
