"""``fakemamba score``: recordings, a manifest or a corpus to a score file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fakemamba.cli.printing import say
from fakemamba.cli.trial_source import recordings_source
from fakemamba.data.audio import SAMPLE_RATE_HZ
from fakemamba.data.trials import Trial
from fakemamba.evaluation.calibration import read_calibration
from fakemamba.evaluation.checkpoint_scores import score_checkpoint
from fakemamba.evaluation.manner import Manner
from fakemamba.evaluation.score_run import Output, Result
from fakemamba.evaluation.scoring import Scored
from fakemamba.evaluation.streams.windowing import USUAL, Windowing
from fakemamba.files import require_place
from fakemamba.interrupts import gone_on_with
from fakemamba.models.loading import check_named

FAILURES_SHOWN = 20


def score(
    files: tyro.conf.Positional[tuple[Path, ...]] = (),
    /,
    *,
    checkpoint: Path,
    out: Path,
    manifest: Path | None = None,
    corpus: str | None = None,
    root: Path | None = None,
    phase: str | None = None,
    windows: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    windowing: Annotated[Windowing, tyro.conf.arg(name="")] = USUAL,
    window_calibration: Path | None = None,
    manner: Annotated[Manner, tyro.conf.arg(name="")],
    score_format: Annotated[
        Literal["asvspoof", "csv", "arena"], tyro.conf.arg(name="format")
    ] = "asvspoof",
    allow_missing: Annotated[int, tyro.conf.arg(metavar="N")] = 0,
    resume: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> int:
    """Score recordings: one line `id score` each, the raw logit of bona fide, in the given order.

    Under `torchrun --nproc-per-node N -m fakemamba.cli.main score` every process takes a share.

    Args:
        files: Audio files; a file's id is its name without folder and ending.
        checkpoint: A folder made by `fakemamba convert`, or an official .pth with --detector.
        out: Score file to write; it appears when all is done, and OUT.json with it, which says
            what the scores were made with.
        manifest: Instead of files: a CSV or Parquet with a column `path`.
        corpus: Instead of files: a corpus by name, as `fakemamba corpus check` knows it.
        root: Where the corpus is, or where the manifest's paths begin, if not at its folder.
        phase: The part of the corpus to score, if not eval or test.
        windows: Score by windows, as long recordings should be: a recording's score is then what
            --rule makes of them, and OUT.windows.csv has each with its start and end.
        windowing: Where windows lie, and what is made of them.
        window_calibration: JSON of `fakemamba calibrate` of single windows (scores with --length
            of a window's samples), for --rule evidence.
        manner: How to score.
        score_format: asvspoof (`id score`), csv, or arena (Speech DF Arena's `path score`).
        allow_missing: So many recordings may be unreadable. With more the command fails at its
            end, when all others have their scores.
        resume: Go on with a run that was killed, or that had unreadable recordings; one that is
            done is left as it is.
    """
    if allow_missing < 0:
        raise ValueError(f"--allow-missing {allow_missing}: give 0 or more")
    if not windows and windowing != USUAL:
        raise ValueError("options of windows are given, but recordings are scored whole: --windows")
    require_place(out, ValueError)
    check_named(checkpoint, manner.detector)
    source, told = recordings_source(files, manifest, corpus, root, phase)
    name = _name_in(score_format, root or (manifest and manifest.parent))
    output = Output(out, score_format, name, allow_missing)
    with gone_on_with("go on with --resume"):
        result = score_checkpoint(
            checkpoint,
            source,
            output,
            manner,
            resume=resume,
            progress=scoring_progress,
            told=told,
            windowing=windowing if windows else None,
            window_calibration=None
            if window_calibration is None
            else read_calibration(window_calibration),
        )
    return 0 if result is None else _report(output, result, has_windows=windows)


def _name_in(score_format: str, root: Path | None) -> Callable[[Trial], str]:
    """What a trial is called in a score file: the id, or for the arena its path below the root."""

    def path_below(trial: Trial) -> str:
        if trial.path is None:
            return trial.trial_id
        if root is not None and trial.path.is_relative_to(root):
            return str(trial.path.relative_to(root))
        return str(trial.path)

    return path_below if score_format == "arena" else lambda trial: trial.trial_id


@contextmanager
def scoring_progress(total: int, *, show: bool) -> Iterator[Callable[[Sequence[Scored]], None]]:
    """A bar of this rank's share, with trials a second and seconds of audio a second."""
    columns = (
        TextColumn("scoring"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=not show) as progress:
        task = progress.add_task("", total=total, speed="")
        audio_s = 0.0

        def advance(scored: Sequence[Scored]) -> None:
            nonlocal audio_s
            audio_s += sum(one.num_samples for one in scored) / SAMPLE_RATE_HZ
            progress.advance(task, len(scored))
            state = progress.tasks[0]
            if state.elapsed:
                speed = f"{state.completed / state.elapsed:.1f} trials/s"
                progress.update(task, speed=f"{speed}, {audio_s / state.elapsed:.0f} s audio/s")

        yield advance


def _report(out: Output, result: Result, *, has_windows: bool) -> int:
    failures = result.failures
    for reason in list(failures.values())[:FAILURES_SHOWN]:
        say(f"not scored: {reason}", file=sys.stderr)
    if len(failures) > FAILURES_SHOWN:
        say(f"and {len(failures) - FAILURES_SHOWN:,} more: see {out.sidecar}", file=sys.stderr)
    say(f"{out.path}: {result.num_scored} scores, {len(failures)} files not scored")
    if has_windows:
        say(out.windows)
    if len(failures) <= out.allow_missing:
        return 0
    say(
        f"fakemamba: error: {len(failures)} recordings have no score, and {out.allow_missing} may; "
        f"all others are in {out.path}. Mend the files and go on with --resume, or do so with "
        f"--allow-missing {len(failures)}",
        file=sys.stderr,
    )
    return 1
