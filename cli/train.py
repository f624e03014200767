"""``fakemamba train``: a recipe, and whatever is to be other than it says, to a detector.

Every field of a recipe is an option, and what the named recipe says is its default. So this command
parses its arguments itself, when it has found the recipe among them.
"""

# Annotations are not postponed here: tyro would not find those of a function within a function.
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field, fields, is_dataclass, make_dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import tyro

from fakemamba.cli.printing import say
from fakemamba.interrupts import gone_on_with, is_first_rank
from fakemamba.models.external.names import is_code_name
from fakemamba.training.recipe import Recipe
from fakemamba.training.recipe_files import (
    read_recipe,
    recipe_names,
    recipe_summary,
    to_toml,
    with_overrides,
)
from fakemamba.training.run_folder import RunFolder, TrainingResult, TrainingStoppedError

Flag = tyro.conf.FlagCreatePairsOff[bool]


def train(arguments: Sequence[str]) -> None:
    """Train a detector by a recipe; `fakemamba train` alone lists those there are.

    Args:
        arguments: The recipe first, then options; `fakemamba train RECIPE --help` has them all.

    Raises:
        RecipeError: the recipe cannot be read or followed; see also `training.run.train`.
        ValueError: no recipe is named.
    """
    if arguments and not arguments[0].startswith("-"):
        said = [one.partition("=")[2] if one.startswith("--") else one for one in arguments]
        recipe = read_recipe(arguments[0], said)
    elif {"-h", "--help"} & set(arguments):
        recipe = Recipe()
    else:
        raise ValueError(_recipes_there_are())
    tyro.cli(_command(recipe), prog="fakemamba train", args=arguments)


def _recipes_there_are() -> str:
    lines = (f"  {name:<20} {recipe_summary(name)}" for name in recipe_names())
    return "\n".join(
        ("name a recipe first: fakemamba train RECIPE --out DIR; a .toml file, or one of", *lines)
    )


def _command(recipe: "Recipe") -> Callable[..., None]:
    """What is done by a recipe, with the options that tyro is to parse for it."""

    def train_by_recipe(
        name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="RECIPE")],
        /,
        *,
        out: Path | None = None,
        resume: Flag = False,
        device: str = "auto",
        workers: int | None = None,
        save_minutes: Annotated[float, tyro.conf.arg(metavar="MIN")] = 10.0,
        is_printed: Annotated[Flag, tyro.conf.arg(name="print")] = False,
        changed: Annotated[Any, tyro.conf.arg(name="", constructor=_options_of(recipe))],
    ) -> None:
        """Train a detector by a recipe.

        Under `torchrun --nproc-per-node N -m fakemamba.cli.main train` every GPU takes a share of
        each batch.

        Args:
            name: A .toml file, or the name of a recipe that comes with the package, which
                `fakemamba train` alone lists. It stands first.
            out: Folder of the run; the detector is in its folder detector/ when all is done.
            resume: Go on with the run that is there; begin one if there is none.
            device: auto, cpu, cuda, or cuda:0 and so on.
            workers: Processes that read recordings, for each GPU, and 0 for none but the one that
                trains; by default one less than there are cores, up to 8.
            save_minutes: From one checkpoint to the next within an epoch.
            is_printed: Print the whole recipe as TOML, and train nothing.
        """
        followed = with_overrides(recipe, dict(_overrides(changed)))
        if is_printed:
            print(to_toml(followed), end="")
            return
        if out is None:
            raise ValueError("say with --out DIR which folder the run gets")
        if not 0 <= save_minutes < float("inf"):
            raise ValueError(f"--save-minutes {save_minutes}: give 0 or more")
        with gone_on_with("go on with --resume"):
            result = _trained(
                followed,
                out,
                resume=resume,
                device=device,
                workers=workers,
                save_minutes=save_minutes,
            )
        if is_first_rank():
            say(_report(followed, result))

    return train_by_recipe


def _trained(recipe: "Recipe", out: Path, **how: Any) -> "TrainingResult":
    """What came of a run; a stop that was asked for is an interrupt as others are."""
    from fakemamba.training import run  # of the extra `train`, which recipes do not need

    try:
        return run.train(recipe, out, **how)
    except TrainingStoppedError as stop:
        raise KeyboardInterrupt(str(stop)) from stop


def _options_of(table: Any) -> type:
    """A class of a recipe's fields, values and help, but not its checks, which tyro would report.

    Options of the detector begin empty, so that any may be given beside those of the recipe.
    """
    hints = get_type_hints(type(table))
    made: list[Any] = []
    for one in fields(table):
        kind, value = hints[one.name], getattr(table, one.name)
        if is_dataclass(value):
            kind = _options_of(value)
            made.append((one.name, kind, field(default_factory=kind)))
        elif isinstance(value, dict):
            shown = " ".join(f"{key} {item}" for key, item in value.items()) or "none"
            hint = tyro.conf.arg(metavar="NAME VALUE ...", help_behavior_hint=f"(default: {shown})")
            made.append((one.name, Annotated[kind, hint], field(default_factory=dict)))
        else:
            made.append((one.name, kind, value))
    options = make_dataclass(type(table).__name__, made)
    options.__doc__ = type(table).__doc__
    return options


def _overrides(options: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The values of `_options_of` by their names with their table's."""
    for one in fields(options):
        name, value = prefix + one.name, getattr(options, one.name)
        if is_dataclass(value):
            yield from _overrides(value, f"{name}.")
        elif isinstance(value, dict):
            truth = {"true": True, "false": False}  # as a recipe's file has them
            yield from ((f"{name}.{key}", truth.get(item, item)) for key, item in value.items())
        else:
            yield name, value


def _report(recipe: "Recipe", result: "TrainingResult") -> str:
    """What was made of what, and how to go on."""
    selection = recipe.selection
    best = ", ".join(map(str, result.best))
    how = {"true": "the mean of epochs", "as-released": "averaged as released from epochs"}
    made = f"epoch {best}" if len(result.best) == 1 else f"{how[selection.averaging]} {best}"
    told = (
        f"{result.detector}: {made} of {result.epochs}; the best one's validation "
        f"{selection.criterion} is {result.criterion:.4g}. Trained in {result.train_s:,.0f} s\n"
        f"next: {shlex.join(_next_command(recipe, result))}"
    )
    if recipe.target.kind == "recording":
        return told
    return f"{told}\nthe detector's own score of whole recordings was not trained here"


def _next_command(recipe: "Recipe", result: "TrainingResult") -> list[str]:
    """What the result is for, on trials that it has not seen."""
    data, kind, run = recipe.data, recipe.target.kind, RunFolder(result.detector.parent)
    of = ["--checkpoint", str(result.detector)]
    if is_code_name(recipe.detector.name):
        of += ["--detector", recipe.detector.name]
    if data.corpus is None:
        trials = ["--manifest", "TEST.csv"]
    else:
        trials = ["--corpus", data.corpus, "--root", str(data.root)]
    if kind == "frames":
        line = ["--classifier", str(run.classifier), "--method", "supervised"]
        return ["fakemamba", "localize", *of, *line, *trials, "--out", "maps"]
    if kind == "source":
        return ["fakemamba", "trace", "evaluate", "--model", str(run.tracer), *of, *trials]
    if data.crop == "first":
        of += ["--length", str(data.num_samples)]
    return ["fakemamba", "score", *of, *trials, "--out", "scores.txt"]
