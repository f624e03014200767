"""Comma-separated lists of options: their words, numbers of them, and some of what is known."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

Number = TypeVar("Number", int, float)


def words(text: str) -> list[str]:
    """What commas part, without blanks around it; nothing between two commas is no word."""
    return [one.strip() for one in text.split(",") if one.strip()]


def some_of(option: str, text: str, known: Collection[str]) -> tuple[str, ...]:
    """Words of which each is known and there once.

    Raises:
        ValueError: it is not so, or there are none; it names the option and what is known.
    """
    found = tuple(words(text))
    if not found or len(set(found)) < len(found) or not set(found) <= set(known):
        raise ValueError(f"{option} {text}: give some of {', '.join(known)}, each once")
    return found


def numbers(
    option: str, text: str, kind: type[Number], is_right: Callable[[Number], bool], wanted: str
) -> tuple[Number, ...]:
    """Numbers in their order, each once.

    Args:
        option: that the text is of.
        text: the list.
        kind: int takes decimal digits alone.
        is_right: whether it may be a number.
        wanted: what to give, for the error.

    Raises:
        ValueError: there are none, or one is of another kind, not right, or there twice.
    """
    named = words(text)
    try:
        is_whole = kind is float or all(map(str.isdecimal, named))
        found = tuple(map(kind, named)) if is_whole else ()
    except ValueError:
        found = ()
    if not found or len(set(found)) < len(found) or not all(map(is_right, found)):
        raise ValueError(f"{option} {text}: give {wanted}")
    return found
