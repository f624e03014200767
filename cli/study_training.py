"""``fakemamba study KIND RECIPE``: grids of training runs over one recipe, as a table."""

from __future__ import annotations

import os
import tomllib
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console
from rich.table import Column
from rich.text import Text

from fakemamba import interrupts
from fakemamba.analysis.published import read_published
from fakemamba.cli.printing import TextTable, say
from fakemamba.cli.score import scoring_progress
from fakemamba.cli.trial_source import trial_source
from fakemamba.data.trials import Trial
from fakemamba.evaluation.manner import Manner
from fakemamba.lists import numbers, words
from fakemamba.training.recipe import Recipe
from fakemamba.training.recipe_files import read_recipe, with_overrides
from fakemamba.training.run import train
from fakemamba.training.studies.judging import Judging
from fakemamba.training.studies.study import run_study, summarize_again
from fakemamba.training.studies.tables import Results


def study_training(
    kind: tyro.conf.Positional[Literal["ablations", "durations", "frontend-from-scratch", "seeds"]],
    recipe: tyro.conf.Positional[str],
    /,
    out: Path,
    seeds: str = "1234,1235,1236",
    only: str = "",
    root: Path | None = None,
    overrides: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]],
        tyro.conf.arg(name="set", metavar="KEY=VALUE"),
    ] = (),
    test_manifest: Path | None = None,
    device: str = "auto",
    workers: int | None = None,
    bootstrap: Annotated[int, tyro.conf.arg(metavar="DRAWS")] = 200,
    summary_only: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> int:
    """Train variants of a recipe with several seeds, judge all alike, and tell effects from noise.

    Called again it goes on with what is left: units that failed, and seeds or variants that are
    new. 0 if all units of the folder went well, 1 if one failed, 130 after Ctrl-C, 143 after
    SIGTERM.

    Args:
        kind: ablations (Table III of the Fake-Mamba paper: its parts taken out), durations (Table
            IV: its encoders, by duration), frontend-from-scratch (loaded, random, frozen and small
            front-ends), or seeds (the recipe alone).
        recipe: A recipe's TOML file, or one by name, as of `fakemamba train`.
        out: Folder of the study: its runs, study.csv, study.json and study.md.
        seeds: Of every variant, comma-separated.
        only: Train only these variants now, comma-separated.
        root: Where the recipe's corpus is.
        overrides: Another value for a field of the recipe, such as
            optimization.learning_rate=1e-3; may be given several times.
        test_manifest: What to judge on, instead of the corpus' eval or test phase: a CSV or
            Parquet with path and label.
        device: auto, cpu, cuda, or cuda:0 and so on.
        workers: Processes that read audio; by default some of the cores.
        bootstrap: How often trials are drawn for the intervals of a unit; 0 gives none.
        summary_only: Train nothing: write the tables of what is in the folder, which must be of
            this recipe with these values.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ValueError("a study trains its units one by one, in one process: leave out torchrun")
    others = dict(map(_override, overrides))
    made = with_overrides(read_recipe(recipe, [str(others.get("detector.name"))]), others)
    if root is not None:
        made = replace(made, data=replace(made.data, root=root))
    if summary_only:
        return _report(out, summarize_again(kind, made, out, read_published()))
    wanted = "whole numbers, each once, such as 1234,1235,1236"
    chosen = numbers("--seeds", seeds, int, lambda one: one >= 0, wanted)
    whole = kind == "durations" or made.data.crop == "whole"
    judging = Judging(
        trials=_judged(made, test_manifest),
        manner=Manner(
            length=None if whole else made.data.num_samples,
            workers=None if workers is None else max(1, workers),  # threads, and no processes
            device=device,
        ),
        by=("duration",) if kind == "durations" else (),
        replicates=bootstrap,
        progress=scoring_progress,
    )
    names = words(only)
    try:
        results = run_study(
            kind,
            made,
            out,
            judging,
            partial(train, resume=True, device=device, workers=workers),
            read_published(),
            seeds=chosen,
            only=names,
        )
    except KeyboardInterrupt:
        say(f"stopped; the same command goes on. What is done is in {out / 'study.md'}")
        return interrupts.status()
    return _report(out, results)


def _override(text: str) -> tuple[str, Any]:
    """A field's name and its value as TOML has it; text needs no quotes."""
    name, equals, value = text.partition("=")
    if not name.strip() or not equals:
        raise ValueError(
            f"--set {text}: write a field and its value, such as selection.max_epochs=5"
        )
    if name.strip() == "seed":
        raise ValueError(f"--set {text}: every variant has all of --seeds")
    try:
        return name.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name.strip(), value


def _judged(recipe: Recipe, manifest: Path | None) -> list[Trial]:
    """The trials of a manifest, or of the evaluated phase of the recipe's corpus."""
    if manifest is not None:
        return list(trial_source(None, None, None, manifest)())
    if recipe.data.corpus is None:
        raise ValueError("the recipe names no corpus: say with --test-manifest what to judge on")
    return list(trial_source(recipe.data.corpus, recipe.data.root, None, None)())


def _report(out: Path, results: Results) -> int:
    """Print the tables; 1 if a unit failed."""
    console = Console()
    for shown in results.text_tables():
        first, *others = shown.columns
        table = TextTable(
            Column(first, no_wrap=True), *others, title=shown.title, title_justify="left"
        )
        for row in shown.rows:
            table.add_row(*map(Text, row))
        console.print(table)
    for line in results.notes:
        say(line)
    for line in results.failures:
        say(f"failed: {line}")
    say(out / "study.md")
    return 1 if results.failures else 0
