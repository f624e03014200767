"""``fakemamba detect``: recordings to a probability, a verdict, and where it came from."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro
from rich.console import Console

from fakemamba.cli.detection_output import CALIBRATE, Row, explanation, headline, table
from fakemamba.cli.printing import counting, say
from fakemamba.data.audio import SAMPLE_RATE_HZ, cut_or_tile, read_recording
from fakemamba.data.trials import Trial
from fakemamba.evaluation.calibration import read_calibration
from fakemamba.evaluation.judgement import OperatingPoint, judge_score, operating_point
from fakemamba.evaluation.manner import PLAIN, Execution, Manner, Precision
from fakemamba.evaluation.metrics.costs import DCF_ASVSPOOF5
from fakemamba.evaluation.provenance import scoring_identity
from fakemamba.evaluation.score_origin import ScoreOrigin
from fakemamba.evaluation.scoring import Scored, score_trials
from fakemamba.evaluation.trial_list import survey
from fakemamba.files import write_json
from fakemamba.models.detector import Detector
from fakemamba.models.device import is_out_of_memory, resolve_device
from fakemamba.models.execution.engines.frontend import engine_starts
from fakemamba.models.loading import check_named, load_detector
from fakemamba.names import in_file_name

STAMP = {"kind": "fakemamba-detection", "schema": 1}


def detect(
    files: tyro.conf.Positional[tuple[Path, ...]],
    /,
    *,
    checkpoint: Path,
    calibration: Path | None = None,
    threshold: Annotated[
        Literal["bayes", "eer"] | float, tyro.conf.arg(metavar="bayes|eer|SCORE")
    ] = "bayes",
    pi_spoof: float | None = None,
    cost_miss: float | None = None,
    cost_false_accept: float | None = None,
    detector: str | None = None,
    length: Annotated[int | None, tyro.conf.arg(metavar="SAMPLES")] = None,
    precision: Precision = "fp32",
    execution: Execution = PLAIN,
    allow_damaged: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    plots: Path | None = None,
    json_out: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    device: str = "auto",
) -> int:
    """Say of each recording how probably it is a spoof, and give a verdict.

    Both need a calibration of this detector. Without one there are only scores, which are no
    probabilities, and no verdict unless the threshold is given as a score.

    Args:
        files: Audio files.
        checkpoint: A folder made by `fakemamba convert`, or an official .pth with --detector.
        calibration: JSON of `fakemamba calibrate`, fitted to scores of this checkpoint.
        threshold: Of the verdict: bayes is where the expected cost is least, eer where the
            calibration's trials have equal errors; or a score, from which on it is bona fide.
        pi_spoof: Share of spoofs that you expect among such recordings; 0.05 if not given.
        cost_miss: What it costs to reject bona fide; 1 if not given.
        cost_false_accept: What it costs to accept a spoof; 10 if not given.
        detector: The detector that the checkpoint must be of; needed for an official .pth.
        length: Cut or tile every clip to so many samples, as the calibration's trials were.
        precision: As of `fakemamba score`.
        execution: As of `fakemamba score`: onnxruntime and openvino run the front-end on a CPU.
        allow_damaged: Judge what is left of damaged recordings; --json says which these are.
        plots: Folder for a PNG of each recording, with frame evidence over the waveform.
        json_out: File to write everything to.
        device: auto, cpu, cuda, or cuda:0 and so on.
    """
    if not files:
        raise ValueError("no recordings given: fakemamba detect FILE ... --checkpoint CHECKPOINT")
    manner = Manner(
        detector, length, precision, execution, allow_damaged=allow_damaged, device=device
    )
    words = {"pi_spoof": pi_spoof, "c_miss": cost_miss, "c_fa": cost_false_accept}
    given = {name: value for name, value in words.items() if value is not None}
    if given and calibration is None:
        raise ValueError(f"a prior and costs need a --calibration, made with: {CALIBRATE}")
    if given.keys() - {"pi_spoof"} and threshold != "bayes":
        raise ValueError(f"costs belong to --threshold bayes, but --threshold is {threshold}")
    costs = replace(DCF_ASVSPOOF5, **given)
    fitted = None if calibration is None else read_calibration(calibration)
    point = operating_point(threshold, fitted, costs)
    check_named(checkpoint, detector)
    place = resolve_device(manner.device)
    manner.check_on(place)
    trials = [Trial(str(number), path) for number, path in enumerate(files)]
    identity = scoring_identity(checkpoint, survey(lambda: trials).sha256, manner, place)
    origin = ScoreOrigin(str(identity["weights_sha256"]), length)
    if fitted is not None:
        fitted.check_origin(origin)
    model = load_detector(checkpoint, detector).to(place)
    rows = []
    for path, scored in zip(files, _score(model, trials, manner), strict=True):
        if scored.score is None:
            rows.append(Row(path, reason=scored.reason))
        else:
            judgement = judge_score(scored.score, fitted, point, costs.pi_spoof)
            judged_s = scored.num_samples / SAMPLE_RATE_HZ
            rows.append(Row(path, judged_s, judgement, damage=scored.damage))
    name = model.name or type(model).__name__
    Console().print(table(rows, calibrated=fitted is not None))
    say(f"detector: {name} of {checkpoint}; {origin}")
    for line in explanation(calibration, fitted, point, costs.pi_spoof):
        say(line)
    if plots is not None:
        rows = _draw(model, rows, point, length, plots)
        say(f"{plots}: {sum(row.picture is not None for row in rows)} pictures")
    if json_out is not None:
        content = {
            **STAMP,
            "detector": name,
            "checkpoint": str(checkpoint),
            "identity": identity,
            "engines": [one.to_json() for one in engine_starts()],
            "calibration": fitted and calibration and fitted.told(calibration),
            "costs": None if fitted is None else asdict(costs),
            "operating_point": None if point is None else asdict(point),
            "recordings": [row.to_json() for row in rows],
        }
        write_json(json_out, content)
        say(json_out)
    return _status(rows, plots)


def _score(model: Detector, trials: Sequence[Trial], manner: Manner) -> list[Scored]:
    """What `fakemamba score` gives for these trials, in their order; their ids are unique."""
    each = (one for some in score_trials(model, trials, manner) for one in some)
    counted = counting("scoring", total=len(trials), transient=True)(each)
    found = {one.trial.trial_id: one for one in counted}
    return [found[trial.trial_id] for trial in trials]


def _draw(
    model: Detector,
    rows: Sequence[Row],
    point: OperatingPoint | None,
    length: int | None,
    folder: Path,
) -> list[Row]:
    """The rows with their pictures: those with a score, unless memory ends."""
    from fakemamba.analysis.pictures.evidence import plot_evidence  # of the extra `report`

    device = model.device
    drawn = []
    for row, name in zip(rows, _picture_names([row.file for row in rows]), strict=True):
        if row.judgement is None:
            drawn.append(row)
            continue
        waveform = read_recording(row.file, allow_damaged=row.damage is not None).waveform
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
        path = plot_evidence(
            waveform,
            evidence,
            rate_hz=SAMPLE_RATE_HZ,
            first_s=framing.first_samples / 2 / SAMPLE_RATE_HZ,
            hop_s=framing.hop_samples / SAMPLE_RATE_HZ,
            headline=headline(row.file, row.judgement, point),
            path=folder / name,
        )
        drawn.append(replace(row, picture=path))
    return drawn


def _picture_names(files: Sequence[Path]) -> list[str]:
    """A file name a recording, all of them different on any file system."""
    taken: set[str] = set()
    names = []
    for path in files:
        stem = in_file_name([path.stem]) or "recording"
        tries = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
        name = next(one for one in tries if one.casefold() not in taken)
        taken.add(name.casefold())
        names.append(f"{name}.png")
    return names


def _status(rows: Sequence[Row], plots: Path | None) -> int:
    """1 if anything that was asked for is missing, which is then said."""
    unread = sum(row.judgement is None for row in rows)
    if unread:
        say(
            f"fakemamba: error: {unread} of {len(rows)} recordings are not judged; the table says "
            "why",
            file=sys.stderr,
        )
    undrawn = plots is not None and sum(row.picture is None for row in rows) > unread
    return 1 if unread or undrawn else 0
