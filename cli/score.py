"""``fakemamba score``: recordings, a manifest or a corpus to a score file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fakemamba.cli.printing import say
from fakemamba.cli.trial_source import trial_source
from fakemamba.data.audio import SAMPLE_RATE_HZ
from fakemamba.data.trials import Trial, without_ending
from fakemamba.evaluation.checkpoint_scores import Manner, score_checkpoint
from fakemamba.evaluation.score_files import check_id
from fakemamba.evaluation.scoring import Scored
from fakemamba.files import file_sha256, require_place
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
    detector: str | None = None,
    length: Annotated[int | None, tyro.conf.arg(metavar="SAMPLES")] = None,
    precision: Literal["fp32", "tf32", "bf16", "fp16"] = "fp32",
    execution: Literal["plain", "eager", "compile", "graph"] = "plain",
    batch_seconds: Annotated[float, tyro.conf.arg(metavar="S")] = 64.0,
    workers: int | None = None,
    score_format: Annotated[
        Literal["asvspoof", "csv", "arena"], tyro.conf.arg(name="format")
    ] = "asvspoof",
    allow_missing: Annotated[int, tyro.conf.arg(metavar="N")] = 0,
    allow_damaged: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    resume: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    device: str = "auto",
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
        detector: The detector that the checkpoint must be of; needed for an official .pth.
        length: Cut or tile every clip to so many samples (the papers: 66800 or 64600).
        precision: bf16 is for front-end and encoder, and with another execution than plain for the
            front-end alone; the head is in fp32, and so are the scores.
        execution: All but plain are the optimized detector; graph (CUDA graphs) is the fastest.
        batch_seconds: Audio in a batch with its padding; halved where memory ends.
        workers: Threads that decode; by default a core's each, up to 8.
        score_format: asvspoof (`id score`), csv, or arena (Speech DF Arena's `path score`).
        allow_missing: So many recordings may be unreadable. With more the command fails at its
            end, when all others have their scores.
        allow_damaged: Score what is left of damaged recordings; OUT.json says which these are.
        resume: Go on with a run that was killed, or that had unreadable recordings; one that is
            done is left as it is.
        device: auto, cpu, cuda, or cuda:0 and so on.
    """
    if length is not None and length < 1:
        raise ValueError(f"--length {length}: a clip cannot be cut to that")
    if not 0 < batch_seconds < float("inf"):
        raise ValueError(f"--batch-seconds {batch_seconds}: no recording fits into that")
    if workers is not None and workers < 1:
        raise ValueError(f"--workers {workers}: give 1 or more")
    if allow_missing < 0:
        raise ValueError(f"--allow-missing {allow_missing}: give 0 or more")
    require_place(out, ValueError)
    check_named(checkpoint, detector)
    source, told = _source(files, manifest, corpus, root, phase)
    name = _name_in(score_format, root or (manifest and manifest.parent))
    manner = Manner(
        detector=detector,
        num_samples=length,
        precision=precision,
        execution=execution,
        batch_seconds=batch_seconds,
        workers=workers,
        score_format=score_format,
        name=name,
        check=_refuser(name, score_format),
        allow_missing=allow_missing,
        device=device,
        allow_damaged=allow_damaged,
    )
    with gone_on_with("go on with --resume"):
        result = score_checkpoint(
            checkpoint, source, out, manner, resume=resume, progress=scoring_progress, told=told
        )
    if result is None:
        return 0
    return _report(out, result.num_scored, result.failures, allow_missing)


def _source(
    files: Sequence[Path],
    manifest: Path | None,
    corpus: str | None,
    root: Path | None,
    phase: str | None,
) -> tuple[Callable[[], Iterable[Trial]], dict[str, Any]]:
    """The list of trials, had anew at every call, and what the sidecar tells of it."""
    if sum((bool(files), manifest is not None, corpus is not None)) != 1:
        raise ValueError(
            "no recordings given, or in several ways: name audio FILES, a --manifest, or a --corpus"
        )
    if phase is not None and corpus is None:
        raise ValueError("--phase belongs to a --corpus")
    if not files:
        source = trial_source(corpus, root, phase, manifest, need_label=False)
        if manifest is None:
            return source, {"corpus": corpus, "phase": phase}
        return source, {"manifest": str(manifest), "sha256": file_sha256(manifest)}
    if root is not None:
        raise ValueError("--root belongs to a --manifest or a --corpus")
    return lambda: (Trial(without_ending(path.name), path) for path in files), {"files": len(files)}


def _name_in(score_format: str, root: Path | None) -> Callable[[Trial], str]:
    """What a trial is called in a score file: the id, or for the arena its path below the root."""

    def path_below(trial: Trial) -> str:
        if trial.path is None:
            return trial.trial_id
        if root is not None and trial.path.is_relative_to(root):
            return str(trial.path.relative_to(root))
        return str(trial.path)

    return path_below if score_format == "arena" else lambda trial: trial.trial_id


def _refuser(name: Callable[[Trial], str], score_format: str) -> Callable[[Trial], None]:
    """Names that the score file could not hold are refused before the work, not after it."""
    return lambda trial: check_id(name(trial), score_format)


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


def _report(out: Path, num_scored: int, failures: dict[str, str], allow_missing: int) -> int:
    for reason in list(failures.values())[:FAILURES_SHOWN]:
        say(f"not scored: {reason}", file=sys.stderr)
    if len(failures) > FAILURES_SHOWN:
        say(f"and {len(failures) - FAILURES_SHOWN:,} more: see {out}.json", file=sys.stderr)
    say(f"{out}: {num_scored} scores, {len(failures)} files not scored")
    if len(failures) <= allow_missing:
        return 0
    say(
        f"fakemamba: error: {len(failures)} recordings have no score, and {allow_missing} may; all "
        f"others are in {out}. Mend the files and go on with --resume, or do so with "
        f"--allow-missing {len(failures)}",
        file=sys.stderr,
    )
    return 1
