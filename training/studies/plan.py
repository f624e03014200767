"""What a study is to do, as it is written down in its folder, and whether two of them are one.

Seeds and variants may be added to a study; with anything else changed its rows could not be
compared, so that is refused.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fakemamba.differences import differences
from fakemamba.records import Stamp, read_record, write_sealed
from fakemamba.training.recipe import PATHS, TARGET, Recipe, dotted, without
from fakemamba.training.studies.variants import StudyError, Variant

STAMP: Stamp = {"kind": "fakemamba-study-plan", "schema": 2}
FILE_NAME = "plan.json"
LEFT_OUT = ("seed", *PATHS, *TARGET)  # a study has one target alone


@dataclass(frozen=True)
class Plan:
    """A study.

    Attributes:
        study: its name.
        recipe: what it varies, but for the seed: values of JSON by dotted names.
        lists: what identifies the trials of training, validation and test, by dotted names.
        judging: settings of scoring and evaluating.
        variants: the recipe's own first.
        seeds: of every variant, in order.
    """

    study: str
    recipe: dict[str, Any]
    lists: dict[str, Any]
    judging: dict[str, Any]
    variants: tuple[Variant, ...]
    seeds: tuple[int, ...]

    @property
    def units(self) -> list[tuple[Variant, int]]:
        """Variants and seeds to train: all variants of a seed before the next seed."""
        return [(variant, seed) for seed in self.seeds for variant in self.variants]


def recipe_record(recipe: Recipe) -> dict[str, Any]:
    """All of a recipe but its seed and its paths, as values of JSON by dotted names.

    A corpus may be moved while a study goes on: its lists of trials tell whether it is the same.
    """
    return without(dotted(recipe), LEFT_OUT)


def extended(found: Plan, wanted: Plan, where: Path) -> Plan:
    """The plan of a folder with the variants and seeds that are wanted now.

    Args:
        found: the plan in the folder.
        wanted: what is asked for.
        where: the folder, for the message.

    Raises:
        StudyError: anything else is different; it is said what.
    """
    before, now = _comparable(found), _comparable(wanted)
    shared = {variant.name for variant in found.variants} & {one.name for one in wanted.variants}
    for plan, record in ((found, before), (wanted, now)):
        for variant in plan.variants:
            if variant.name in shared:
                fields = dotted(variant.detector).items()
                record |= {f"{variant.name}.{name}": value for name, value in fields}
    problems = differences(before, now)
    if problems:
        listed = "\n  ".join(problems)
        raise StudyError(
            f"{where} holds another study; only seeds and variants may be added. Name another "
            f"folder for this one:\n  {listed}"
        )
    kept = [variant for variant in found.variants if variant.name not in shared]
    seeds = tuple(dict.fromkeys([*found.seeds, *wanted.seeds]))
    return replace(wanted, variants=(*wanted.variants, *kept), seeds=seeds)


def write_plan(folder: Path, plan: Plan) -> None:
    """Write a plan into a study's folder."""
    write_sealed(folder / FILE_NAME, asdict(plan) | STAMP)


def read_plan(folder: Path) -> Plan | None:
    """The plan of a study's folder, None if it has none.

    Raises:
        StudyError: it cannot be read.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return None
    remedy = "it is not the plan of a study: name another folder, or remove this one"
    return read_record(path, Plan, StudyError, remedy, is_sealed=True, stamp=STAMP)


def _comparable(plan: Plan) -> dict[str, Any]:
    return {"study": plan.study} | plan.recipe | plan.lists | plan.judging
