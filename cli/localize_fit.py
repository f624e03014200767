"""``fakemamba localize-fit``: a linear classifier of frames, fitted to labelled segments."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import tyro

from fakemamba.cli.printing import counting, say
from fakemamba.cli.trial_source import trial_source
from fakemamba.evaluation.frame_classifier import fit_classifier, write_classifier
from fakemamba.evaluation.segment_files import read_segments
from fakemamba.evaluation.trial_list import survey
from fakemamba.files import require_place
from fakemamba.models.device import resolve_device
from fakemamba.models.loading import check_named, load_detector, weights_sha256


def localize_fit(
    checkpoint: Path,
    out: Path,
    segments: Annotated[Path, tyro.conf.arg(metavar="RTTM")],
    manifest: Path | None = None,
    corpus: str | None = None,
    root: Path | None = None,
    phase: str | None = None,
    frames_each: Annotated[int, tyro.conf.arg(metavar="N")] = 50,
    seed: int = 0,
    detector: str | None = None,
    device: str = "auto",
) -> int:
    """Fit a straight line to frames of partly spoofed recordings, for `fakemamba localize`.

    The detector is left as it is. Judge the line on recordings that it was not fitted to.

    Args:
        checkpoint: A folder made by `fakemamba convert`, or an official .pth with --detector.
        out: JSON to write, for `localize --classifier`.
        segments: Labelled segments of each recording, as `fakemamba evaluate-segments` reads them.
        manifest: CSV or Parquet file with a column `path`; or give a --corpus.
        corpus: A corpus by its name.
        root: Where the corpus is, or where the manifest's paths begin if not at its folder.
        phase: Of the corpus, such as train; by default its eval or test phase.
        frames_each: Take so many frames of each recording, drawn by lot.
        seed: Of that lot.
        detector: The detector that the checkpoint must be of; needed for an official .pth.
        device: auto, cpu, or cuda:0 and so on.
    """
    if frames_each < 1:
        raise ValueError(f"--frames-each {frames_each}: give 1 or more")
    require_place(out, ValueError)
    check_named(checkpoint, detector)
    source = trial_source(corpus, root, phase, manifest, need_label=False)
    labels = read_segments(segments)
    place = resolve_device(device)
    listed = survey(source)
    model = load_detector(checkpoint, detector, needs_scores=False).to(place)
    classifier, failures = fit_classifier(
        model,
        counting("reading frames", total=listed.count)(source()),
        labels,
        weights_sha256(checkpoint),
        frames_each=frames_each,
        seed=seed,
    )
    for reason in failures.values():
        say(f"not fitted to: {reason}", file=sys.stderr)
    write_classifier(out, classifier)
    say(
        f"{out}: fitted to {classifier.bonafide:,} bona fide and {classifier.spoof:,} spoofed "
        f"frames of {classifier.recordings:,} recordings"
    )
    if not failures:
        return 0
    say(
        f"fakemamba: error: {len(failures):,} of {listed.count:,} recordings were left out; the "
        "lines above say why",
        file=sys.stderr,
    )
    return 1
