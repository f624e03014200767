"""A comparison's JSON, read without trust: whoever posts it may not have written it.

What is not exactly as this version writes it is refused: fields, types, lengths, codes, numbers
that are none, and a verdict or exit code that does not follow from the cells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

from fakemamba.analysis.compare.verdict import (
    PROBLEM_CODES,
    QUANTITIES,
    REASON_CODES,
    SCHEMA,
    STATUS,
    CellVerdict,
    Comparison,
    Problem,
    Rules,
)
from fakemamba.records import read_record

MOST_ITEMS = 100_000
LONGEST_TEXT = 20_000
LARGEST_NUMBER = 1e300

Check = Callable[[Any, str], Any]


class ComparisonError(ValueError):
    """A JSON is no comparison that this version wrote."""


def read_comparison(path: str | Path) -> Comparison:
    """The comparison in a file that `fakemamba compare --json` wrote.

    Raises:
        ComparisonError: it is none; the message names file and field.
    """
    remedy = "give what `fakemamba compare --json` wrote"
    content = read_record(path, dict[str, Any], ComparisonError, remedy)
    try:
        return validate_comparison(content)
    except ComparisonError as error:
        raise ComparisonError(f"{path}: {error}") from error


def validate_comparison(content: Any) -> Comparison:
    """The comparison that ``Comparison.to_json`` wrote as this.

    Raises:
        ComparisonError: it is none; the message names the field.
    """
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise ComparisonError(f"it is no comparison of schema {SCHEMA}")
    given = _record(
        content,
        "the comparison",
        {
            "schema": _count,
            "verdict": _text,
            "exit_code": _count,
            "cells": _list_of(_cell),
            "problems": _list_of(_problem),
            "notes": _list_of(_text),
            "rules": _rules,
            "pairs": _count,
            "base": _facts,
            "head": _facts,
        },
    )
    said = {name: given.pop(name) for name in ("schema", "verdict", "exit_code")}
    comparison = Comparison(**given)
    for name in ("verdict", "exit_code"):
        follows = getattr(comparison, name)
        if said[name] != follows:
            _refuse(name, f"is not {follows!r}, which follows from the cells")
    return comparison


def _cell(value: Any, where: str) -> CellVerdict:
    texts = ("cell_id", "quantity", "verdict", "reason_code", "reason")
    values = ("ratio", "ratio_low", "ratio_high", "base_value", "head_value")
    checks = dict.fromkeys(texts, _text) | dict.fromkeys(values, _number_or_none)
    cell = CellVerdict(**_record(value, where, {**checks, "pairs": _count}))
    if cell.quantity not in (*QUANTITIES, STATUS):
        _refuse(where, "has an unknown quantity")
    if cell.reason_code not in REASON_CODES.get(cell.verdict, ()):
        _refuse(where, "has an unknown verdict, or a reason code of another verdict")
    ratios = (cell.ratio, cell.ratio_low, cell.ratio_high)
    if any(ratio is not None and ratio <= 0 for ratio in ratios):
        _refuse(where, "has a ratio that is not above 0")
    return cell


def _problem(value: Any, where: str) -> Problem:
    problem = Problem(**_record(value, where, {"reason_code": _text, "reason": _text}))
    if problem.reason_code not in PROBLEM_CODES:
        _refuse(where, "has an unknown reason code")
    return problem


def _rules(value: Any, where: str) -> Rules:
    checks: dict[str, Check] = {field.name: _number for field in fields(Rules)}
    checks |= {"noise_floor": _number_or_none, "strict": _bool, "memory_floor_bytes": _count}
    given = _record(value, where, checks)
    try:
        return Rules(**given)
    except ValueError as error:
        raise ComparisonError(f"{where}: {error}") from error


def _facts(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > 100:
        _refuse(where, "is not an object of at most 100 fields")
    return {_text(name, where): _text(fact, where) for name, fact in value.items()}


def _record(value: Any, where: str, checks: dict[str, Check]) -> dict[str, Any]:
    """An object with exactly these fields."""
    if not isinstance(value, dict) or value.keys() != checks.keys():
        _refuse(where, f"is not an object with the fields {', '.join(checks)}")
    return {name: check(value[name], f"{where}, {name}") for name, check in checks.items()}


def _list_of(check: Check) -> Check:
    def checked(value: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) > MOST_ITEMS:
            _refuse(where, f"is not a list of at most {MOST_ITEMS:,}")
        return tuple(check(item, f"{where} {number}") for number, item in enumerate(value))

    return checked


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        _refuse(where, f"is not a text of at most {LONGEST_TEXT:,} characters")
    return value


def _number(value: Any, where: str) -> float:
    # Comparing refuses infinities and NaN, and takes integers that are no float.
    if type(value) not in (int, float) or not -LARGEST_NUMBER < value < LARGEST_NUMBER:
        _refuse(where, "is not a finite number")
    return value


def _number_or_none(value: Any, where: str) -> float | None:
    return None if value is None else _number(value, where)


def _count(value: Any, where: str) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        _refuse(where, "is not a whole number of 0 or more")
    return value


def _bool(value: Any, where: str) -> bool:
    if type(value) is not bool:
        _refuse(where, "is neither true nor false")
    return value


def _refuse(where: str, fault: str) -> NoReturn:
    raise ComparisonError(f"{where} {fault}")
