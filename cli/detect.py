"""``fakemamba detect``: recordings to a probability, a verdict, and where it came from."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from itertools import zip_longest
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from fakemamba.cli.detection_output import Row, Stretch, explanation, many, stretch_table, table
from fakemamba.cli.judging import VerdictOptions
from fakemamba.cli.listening import AS_IT_COMES, Listening, listen
from fakemamba.cli.printing import counting, say
from fakemamba.data.audio import SAMPLE_RATE_HZ
from fakemamba.data.trials import Trial
from fakemamba.evaluation.calibration import Calibration, read_calibration
from fakemamba.evaluation.judgement import judge_score
from fakemamba.evaluation.manner import Manner
from fakemamba.evaluation.provenance import scoring_identity
from fakemamba.evaluation.score_origin import ScoreOrigin
from fakemamba.evaluation.scoring import Scored, score_trials
from fakemamba.evaluation.streams.combining import in_words
from fakemamba.evaluation.streams.detector import StreamingDetector
from fakemamba.evaluation.streams.scoring import score_by_windows
from fakemamba.evaluation.streams.windowing import USUAL, Windowing
from fakemamba.evaluation.trial_list import survey
from fakemamba.files import write_json
from fakemamba.models.detector import Detector
from fakemamba.models.device import resolve_device
from fakemamba.models.execution.engines.frontend import engine_starts
from fakemamba.models.loading import check_named, load_detector

STAMP = {"kind": "fakemamba-detection", "schema": 1}


def detect(
    files: tyro.conf.Positional[tuple[Path, ...]],
    /,
    *,
    checkpoint: Path,
    judging: Annotated[VerdictOptions, tyro.conf.arg(name="")],
    manner: Annotated[Manner, tyro.conf.arg(name="")],
    windows: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    stream: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    windowing: Annotated[Windowing, tyro.conf.arg(name="")] = USUAL,
    window_calibration: Path | None = None,
    listening: Annotated[Listening, tyro.conf.arg(name="")] = AS_IT_COMES,
    plots: Path | None = None,
    json_out: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> int:
    """Say of each recording, or of a stream as it comes, how probably it is a spoof; and judge it.

    Both need a calibration of this detector. Without one there are only scores, which are no
    probabilities, and no verdict unless the threshold is given as a score.

    Args:
        files: Audio files; with --stream one, or - for raw PCM from standard input.
        checkpoint: A folder made by `fakemamba convert`, or an official .pth with --detector.
        judging: What makes a verdict of a score.
        manner: How to score.
        windows: Score by windows, and say what each stretch of a recording gets.
        stream: Make a decision a hop while the audio comes: lines of JSON, or on a terminal one
            line that changes.
        windowing: Where windows lie, and what is made of them.
        window_calibration: JSON of `fakemamba calibrate` of single windows (scores with --length
            of a window's samples): gives each its probability, and --rule evidence needs it.
        listening: How the audio of a stream comes.
        plots: Folder for a PNG of each recording, with frame evidence over the waveform, or its
            windows.
        json_out: File to write everything to; of a stream, a line a decision.
    """
    if not files:
        raise ValueError("no recordings given: fakemamba detect FILE ... --checkpoint CHECKPOINT")
    if stream:
        _check_stream(files, windows=windows, plots=plots)
    elif listening != AS_IT_COMES:
        raise ValueError("options of a stream are given, but none is judged: --stream")
    elif not windows and (windowing, window_calibration) != (USUAL, None):
        raise ValueError("options of windows are given, but recordings are judged whole: --windows")
    judge = judging.prepared()
    of_windows = None if window_calibration is None else read_calibration(window_calibration)
    check_named(checkpoint, manner.detector)
    place = resolve_device(manner.device)
    manner.check_on(place)
    cut = windowing if windows or stream else None
    windows_told = None if cut is None else in_words(cut, of_windows)
    trials = [Trial(str(number), path) for number, path in enumerate(files)]
    listed = survey(lambda: trials).sha256
    identity = scoring_identity(checkpoint, listed, manner, place, windows_told)
    sha256 = str(identity["weights_sha256"])
    origin = ScoreOrigin(sha256, manner.length, windows_told)
    alike = ScoreOrigin(sha256, windowing.window_samples)  # of single windows
    if judge.calibration is not None:
        judge.calibration.check_origin(
            origin, *[alike] * (windowing.rule == "latest" and cut is not None)
        )
    if of_windows is not None:
        of_windows.check_origin(alike)
    model = load_detector(checkpoint, manner.detector).to(place)
    name = model.name or type(model).__name__
    told = [f"detector: {name} of {checkpoint}; {origin}"]
    told += explanation(judging.calibration, judge.calibration, judge.point, judge.costs.pi_spoof)
    if stream:
        for line in told:
            say(line, file=sys.stderr)
        listener = StreamingDetector(
            model,
            windowing,
            manner=manner,
            calibration=judge.calibration,
            window_calibration=of_windows,
            point=judge.point,
            pi_spoof=judge.costs.pi_spoof,
        )
        return listen(
            *(files[0], listener, listening), allow_damaged=manner.allow_damaged, out=json_out
        )
    rows = []
    for path, scored in zip(files, _score(model, trials, manner, cut, of_windows), strict=True):
        if scored.score is None:
            rows.append(Row(path, reason=scored.reason))
            continue
        judged_s = scored.num_samples / SAMPLE_RATE_HZ
        stretches = _stretches(scored, of_windows, judge.costs.pi_spoof)
        judgement = judge.judgement(scored.score)
        rows.append(Row(path, judged_s, judgement, damage=scored.damage, stretches=stretches))
    console = Console()
    console.print(table(rows, calibrated=judge.calibration is not None))
    for row in rows:
        if row.stretches is not None:
            say(f"{row.file} by windows{many(row.stretches)}:")
            console.print(stretch_table(row.stretches, calibrated=of_windows is not None))
    for line in told:
        say(line)
    if plots is not None:
        from fakemamba.cli.detection_pictures import draw  # of the extra `report`

        rows = draw(model, rows, judge.point, manner.length, plots)
        say(f"{plots}: {sum(row.picture is not None for row in rows)} pictures")
    if json_out is not None:
        content = {
            **STAMP,
            "detector": name,
            "checkpoint": str(checkpoint),
            "identity": identity,
            "engines": [one.to_json() for one in engine_starts()],
            "calibration": judge.calibration
            and judging.calibration
            and judge.calibration.told(judging.calibration),
            "costs": None if judge.calibration is None else asdict(judge.costs),
            "operating_point": None if judge.point is None else asdict(judge.point),
            "recordings": [row.to_json() for row in rows],
        }
        write_json(json_out, content)
        say(json_out)
    return _status(rows, plots)


def _check_stream(files: Sequence[Path], *, windows: bool, plots: Path | None) -> None:
    """Refuse what a stream cannot have."""
    if len(files) > 1:
        raise ValueError(f"--stream judges one stream, but {len(files)} are given")
    if windows or plots is not None:
        raise ValueError(
            "--stream tells of its windows as they come: --windows and --plots are of recordings"
        )


def _score(
    model: Detector,
    trials: Sequence[Trial],
    manner: Manner,
    windowing: Windowing | None,
    of_windows: Calibration | None,
) -> list[Scored]:
    """What `fakemamba score` gives for these trials, in their order; their ids are unique."""
    if windowing is None:
        scored = score_trials(model, trials, manner)
    else:
        scored = score_by_windows(model, trials, manner, windowing, of_windows)
    each = (one for some in scored for one in some)
    counted = counting("scoring", total=len(trials), transient=True)(each)
    found = {one.trial.trial_id: one for one in counted}
    return [found[trial.trial_id] for trial in trials]


def _stretches(
    scored: Scored, of_windows: Calibration | None, pi_spoof: float
) -> tuple[Stretch, ...] | None:
    """The windows of a recording that did not grow any more, with what is made of each."""
    if scored.windows is None:
        return None
    starts = [one.start_s for one in scored.windows[1:]]
    return tuple(
        Stretch(
            one.start_s,
            one.end_s,
            None if one.score is None else judge_score(one.score, of_windows, None, pi_spoof),
        )
        for one, next_s in zip_longest(scored.windows, starts)
        if one.start_s != next_s
    )


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
