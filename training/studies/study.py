"""A study in a folder: planned, run unit by unit, and put into tables after each.

The folder has ``plan.json``, a folder a unit (``no-norms/seed-1234``) and the tables. The records
of the units alone say what is done, so that a study may be stopped at any moment.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pandas as pd

from fakemamba.locks import sole_writer
from fakemamba.training.recipe import Recipe
from fakemamba.training.studies.judging import Judging
from fakemamba.training.studies.plan import Plan, extended, read_plan, recipe_record, write_plan
from fakemamba.training.studies.tables import Results, gather, write_results
from fakemamba.training.studies.unit import Train, read_unit, run_unit
from fakemamba.training.studies.variants import StudyError, study_variants
from fakemamba.training.trial_lists import read_lists

log = logging.getLogger(__name__)


def run_study(
    study: str,
    recipe: Recipe,
    out: Path,
    judging: Judging,
    train: Train,
    published: pd.DataFrame,
    *,
    seeds: tuple[int, ...],
    only: Collection[str] = (),
) -> Results:
    """Run the units of a study that are not done; those that fail do not stop the others.

    Args:
        study: one of `STUDIES`.
        recipe: what it varies; its seed is not used.
        out: the study's folder; what another run has left in it is gone on with.
        judging: of what is trained.
        train: trains a detector by a recipe into a folder, going on with what is there.
        published: figures to stand beside the study's, as `summarize` has them.
        seeds: of every variant.
        only: the variants to run now; all without any.

    Returns:
        What is known of all units in the folder, and not only of those that were run.

    Raises:
        StudyError: the recipe has nothing to vary, there is no such variant, or the folder has
            another study.
        RecipeError, TrainingError: the training data cannot be used.
        BusyError: another process runs a study in that folder.
        KeyboardInterrupt: it was asked to stop; the tables are of what is done.
    """
    with sole_writer(out, is_folder=True):
        plan = _planned(study, recipe, out, judging, seeds)
        unknown = [name for name in only if name not in {one.name for one in plan.variants}]
        if unknown:
            names = ", ".join(one.name for one in plan.variants)
            raise StudyError(f"no variant is called {', '.join(unknown)}; the variants are {names}")
        if plan != read_plan(out):
            write_plan(out, plan)
        results = write_tables(out, plan, published)
        asked = [
            (variant, seed)
            for variant, seed in plan.units
            if seed in seeds and (not only or variant.name in only)
        ]
        for number, (variant, seed) in enumerate(asked, 1):
            folder = unit_folder(out, variant.name, seed)
            told = f"unit {number} of {len(asked)}: {variant.name}, seed {seed}"
            if read_unit(folder).status == "done":
                log.info("%s: done before", told)
                continue
            log.info("%s", told)
            of_unit = replace(recipe, detector=variant.detector, seed=seed)
            unit = run_unit(of_unit, folder, judging, train)
            results = write_tables(out, plan, published)
            if unit.reason is not None:
                log.warning("%s failed: %s", told, unit.reason)
        return results


def summarize_again(study: str, recipe: Recipe, out: Path, published: pd.DataFrame) -> Results:
    """Write the tables of a study anew from its units, and run nothing.

    Raises:
        StudyError: the folder has no study, or another one.
        BusyError: another process runs a study in that folder.
    """
    with sole_writer(out, is_folder=True):
        found = read_plan(out)
        if found is None:
            raise StudyError(f"{out} has no study in it: run one there first")
        asked = replace(found, study=study, recipe=recipe_record(recipe))
        return write_tables(out, extended(found, asked, out), published)


def write_tables(out: Path, plan: Plan, published: pd.DataFrame) -> Results:
    """Gather what the units of a folder have written down, and write the tables."""
    units = {
        (variant.name, seed): read_unit(unit_folder(out, variant.name, seed))
        for variant, seed in plan.units
    }
    results = gather(plan, units, published)
    write_results(out, results)
    return results


def unit_folder(out: Path, variant: str, seed: int) -> Path:
    """Where a unit is."""
    return out / variant / f"seed-{seed}"


def _planned(
    study: str, recipe: Recipe, out: Path, judging: Judging, seeds: tuple[int, ...]
) -> Plan:
    """The plan of a folder with these seeds."""
    lists = read_lists(recipe).identity()
    wanted = Plan(
        study=study,
        recipe=recipe_record(recipe),
        lists={f"{name}.{key}": value for name, one in lists.items() for key, value in one.items()},
        judging=judging.identity(),
        variants=study_variants(study, recipe),
        seeds=seeds,
    )
    found = read_plan(out)
    return wanted if found is None else extended(found, wanted, out)
