"""Recipes as TOML: those that come with the package, anybody's own, and the one that a run keeps.

A file has the fields of `Recipe`: ``seed``, and a table for each of its parts. What is left out has
its default. Its paths begin at its own folder; those of a recipe that was read are absolute.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, is_dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from fakemamba.files import packaged, write_whole
from fakemamba.models.external.names import is_code_name
from fakemamba.models.frontend import FRONTEND_SIZES
from fakemamba.models.registry import DetectorEntry, create_detector, detector_entry
from fakemamba.names import one_line
from fakemamba.training.recipe import PATHS, DetectorRecipe, Recipe, RecipeError

SUFFIX = ".toml"
RECIPES = ("fakemamba.training", "recipes", SUFFIX)
CHECKPOINT_SUFFIXES = (".pt", ".pth")
WANTED = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
}


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package."""
    return list(packaged(*RECIPES))


def recipe_summary(name: str) -> str:
    """The first comment of a recipe that comes with the package, a line."""
    return _named(name).read_text("utf-8").splitlines()[0].lstrip("# ")


def read_recipe(path_or_name: str | Path, code: Collection[str] = ()) -> Recipe:
    """Read a recipe, and check all of it but the data.

    Args:
        path_or_name: a file, whose name ends in ``.toml`` or has a folder in front, or the name of
            a recipe that comes with the package.
        code: of others, ``package.module:factory``, that may be imported if the recipe names it:
            none is because a file does.

    Raises:
        RecipeError: no such recipe, no TOML, an unknown table or field, a value of a wrong type or
            size, or no such detector or option of it; the message has the file, and the line where
            it is known.
    """
    given = str(path_or_name)
    is_file = given.endswith(SUFFIX) or Path(given).name != given
    path = Path(given) if is_file else _named(given)
    try:
        text = path.read_text("utf-8-sig")
        content = tomllib.loads(text)
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such file") from None
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"{path} is not TOML: {error}") from error
    try:
        return _recipe(content, path.absolute().parent, code)
    except RecipeError as error:
        field = str(error).split()[0].removesuffix(":")
        raise RecipeError(f"{path}{_line_of(field, text)}: {error}") from error


def with_overrides(recipe: Recipe, overrides: Mapping[str, Any]) -> Recipe:
    """A recipe with other values, checked as a file's are.

    Args:
        recipe: where the other values are from.
        overrides: by the field's name with its table's, such as ``optimization.learning_rate`` or
            ``detector.options.depth``. Relative paths begin at the working directory.

    Raises:
        RecipeError: as `read_recipe`.
    """
    content = asdict(recipe)
    for name, value in overrides.items():
        *tables, field = name.split(".")
        table = content
        for one in tables:
            table = table.setdefault(one, {})
            if not isinstance(table, dict):
                raise RecipeError(f"{name}: {one} is no table")
        table[field] = value
    named = [content["detector"]["name"]] if isinstance(content["detector"], dict) else []
    return _recipe(content, Path.cwd(), named)


def to_toml(recipe: Recipe) -> str:
    """A recipe as TOML, from which `read_recipe` makes the same one, in any folder."""
    return "\n".join(_lines(asdict(_located(recipe, Path.cwd())))) + "\n"


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Write a recipe as `to_toml` has it."""
    write_whole(path, to_toml(recipe))


def _named(name: str) -> Path:
    recipes = packaged(*RECIPES)
    if name not in recipes:
        raise RecipeError(
            f"there is no recipe {name!r}{_nearest(name, recipes)} There are: "
            f"{', '.join(recipes)}. A file's name ends in {SUFFIX}"
        )
    return recipes[name]


def _recipe(content: dict[str, Any], folder: Path, code: Collection[str]) -> Recipe:
    """A recipe from tables, whose paths begin at a folder; errors begin with the field's name."""
    recipe = _located(_typed(Recipe, content, ""), folder)
    name = recipe.detector.name
    if is_code_name(name) and name not in code:
        raise RecipeError(
            f"detector.name: {one_line(name)} is code that is not run because a file names it: say "
            f"it in the command, too, by --detector.name {one_line(name)}"
        )
    return replace(recipe, detector=_with_known_options(recipe.detector))


def _typed(kind: Any, value: Any, name: str) -> Any:
    """A value from TOML as what the type of the field of that name asks for."""
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        fields = {
            key: _typed(_hint(hints, key, name), one, f"{name}.{key}".lstrip("."))
            for key, one in _table(value, name).items()
        }
        return kind(**fields)
    if get_origin(kind) is dict:
        kind_of_values = get_args(kind)[1]
        return {
            key: _typed(kind_of_values, one, f"{name}.{key}")
            for key, one in _table(value, name).items()
        }
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise RecipeError(f"{name} is {value!r}, but must be one of {_list(get_args(kind))}")
        return value
    members = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    if type(value) in members:
        return value
    if float in members and type(value) is int and abs(value) <= sys.float_info.max:
        return float(value)
    if Path in members and isinstance(value, str | Path):
        return Path(value)
    wanted = _list(WANTED[member] for member in members if member is not NoneType)
    raise RecipeError(f"{name} is {value!r}, but must be {wanted}")


def _table(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RecipeError(f"{name} is {value!r}, but must be a table, [{name}]")
    return value


def _hint(hints: Mapping[str, Any], key: str, table: str) -> Any:
    if key not in hints:
        name = one_line(f"{table}.{key}".lstrip("."))
        raise RecipeError(
            f"{name} is unknown{_nearest(key, hints)} {table or 'A recipe'} has: {_list(hints)}"
        )
    return hints[key]


def _with_known_options(detector: DetectorRecipe) -> DetectorRecipe:
    """The same, if there is such a detector and the network can be made.

    No memory is allocated for one of this package.
    """
    try:
        entry = detector_entry(detector.name)
    except ValueError as error:
        raise RecipeError(f"detector.name: {error}") from error
    options: dict[str, Any] = dict(detector.options)
    if isinstance(entry, DetectorEntry):
        hints = get_type_hints(entry.config_class)
        hints.pop("frontend")
        options = {
            key: _typed(_hint(hints, key, "detector.options"), value, f"detector.options.{key}")
            for key, value in options.items()
        }
    try:
        create_detector(detector.name, "xls-r-tiny", device="meta", **options)
    # Sizes that no layer can have are errors of the other two kinds.
    except (ValueError, ArithmeticError, RuntimeError) as error:
        raise RecipeError(f"detector.options: {error}") from error
    return replace(detector, options=options)


def _located(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with its relative paths beginning at a folder."""
    for name in PATHS:
        table, _, field = name.partition(".")
        part: Any = getattr(recipe, table)
        if (path := getattr(part, field)) is not None:
            recipe = replace(recipe, **{table: replace(part, **{field: folder / path})})
    frontend, start = recipe.detector.frontend, recipe.detector.start
    source, mark, choices = frontend.partition("?")
    if source and source not in FRONTEND_SIZES:
        path = folder / source
        if path.suffix in CHECKPOINT_SUFFIXES or path.exists():
            frontend = f"{path}{mark}{choices}"
    return replace(
        recipe,
        detector=replace(
            recipe.detector, frontend=frontend, start=None if start is None else folder / start
        ),
    )


def _lines(table: Mapping[str, Any], name: str = "") -> Iterator[str]:
    """TOML of a table, its own values before the tables in it; None and empty tables left out."""
    for key, value in table.items():
        if value is not None and not isinstance(value, dict):
            yield f"{key} = {_literal(value)}"
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from ("", f"[{name}{key}]", *_lines(value, f"{name}{key}."))


def _literal(value: bool | int | float | str | Path) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    # A TOML string is a JSON one, but for one character that JSON takes as it is.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _line_of(field: str, text: str) -> str:
    """Where a file sets a field or opens a table, such as ", line 3"; empty if that is unclear."""
    table = ""
    for number, line in enumerate(text.split("\n"), start=1):
        if opened := re.match(r"\s*\[([\w.-]+)\]", line):
            found = table = opened[1]
        elif set_here := re.match(r"\s*([\w.-]+)\s*=", line):
            found = f"{table}.{set_here[1]}".lstrip(".")
        else:
            continue
        if found == field:
            return f", line {number}"
    return ""


def _nearest(name: str, names: Iterable[str]) -> str:
    nearest = get_close_matches(name, list(names), n=1)
    return f"; did you mean {nearest[0]}?" if nearest else "."


def _list(words: Iterable[Any]) -> str:
    return ", ".join(map(str, words))
