"""JSON from a disk as what it has to be: read with a limit, and checked field by field.

Whoever reads a record says its form as a dataclass (or any type that pydantic knows). Whatever is
not of that form is one line: which file, which line or field, what was expected, what to do.
"""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from pathlib import Path
from reprlib import Repr
from typing import Any, TypeVar, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from pydantic.errors import PydanticUserError

from fakemamba.files import require_file

MOST_BYTES = 64 << 20
T = TypeVar("T")


def read_record(
    path: str | Path,
    form: type[T],
    error: type[ValueError],
    remedy: str,
    most_bytes: int = MOST_BYTES,
) -> T:
    """The record that a file holds.

    Args:
        path: a JSON file.
        form: what it holds: a dataclass, or another type that pydantic knows. JSON's numbers, texts
            and truth values are never taken for each other; an int is also a float, a list a tuple.
        error: what is raised of it.
        remedy: what to do where it is not so.
        most_bytes: more are not read.

    Raises:
        error: no such file, not a file, too large, not JSON, cut short, or not of that form.
    """
    path = Path(path)
    require_file(path, error, remedy)
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= most_bytes else b""
    except OSError as fault:
        raise error(f"{path} cannot be read ({fault.strerror or fault}); {remedy}") from fault
    if size > most_bytes:
        raise error(
            f"{path} has {size / 2**20:.0f} MiB, and no such file more than {most_bytes >> 20}; "
            f"{remedy}"
        )
    if not content.strip():
        raise error(f"{path} is empty; {remedy}")
    return parse_record(content, form, str(path), error, remedy)


def parse_record(
    content: bytes | str, form: type[T], place: str, error: type[ValueError], remedy: str
) -> T:
    """The record that a JSON text is, as `read_record`.

    Args:
        content: the text, or its UTF-8 bytes.
        form: see there.
        place: the file, and the line where it is one of many.
        error: what is raised of it.
        remedy: what to do where it is not so.

    Raises:
        error: not JSON, or not of that form.
    """
    try:
        return _adapter(form).validate_json(content, strict=True)  # type: ignore[arg-type]
    except ValidationError as fault:
        raise error(f"{place}{_first_fault(fault)}; {remedy}") from fault


def check_fields(record: Any) -> None:
    """Check the fields of a dataclass, in its ``__post_init__``, by what it says of them.

    Raises:
        ValueError: names the first field that is of another type or out of its range.
    """
    hints = get_type_hints(type(record), include_extras=True)
    for name in (one.name for one in fields(record)):
        try:
            _adapter(hints[name]).validate_python(getattr(record, name), strict=True)
        except ValidationError as fault:
            raise ValueError(f"{name}{_first_fault(fault)}") from fault


@cache
def _adapter(form: Any) -> TypeAdapter[Any]:
    """What checks a form; a dataclass may have no field beside its own, and no NaN."""
    strict = ConfigDict(extra="forbid", allow_inf_nan=False)
    try:
        return TypeAdapter(form, config=strict)
    except PydanticUserError:  # a dataclass carries its configuration itself
        return TypeAdapter(with_config(strict)(form))


def _first_fault(fault: ValidationError) -> str:
    """The first of the faults, and how many there are."""
    first, *others = fault.errors(include_url=False)
    if first["type"] == "json_invalid":
        return f" is not JSON ({first['ctx']['error']})"
    where = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in first["loc"])
    where = f", {shown(where.lstrip('.'))[1:-1]}" if where else ""
    if first["type"] == "missing":
        words = "it is missing"
    elif first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        words = "there is no such field"
    elif first["type"] == "value_error":
        words = str(first["ctx"]["error"])
    else:
        words = f"{first['msg'][0].lower()}{first['msg'][1:]}, but is {shown(first['input'])}"
        words = words.replace("input should be", "should be")
    more = f" (and {len(others)} more)" if others else ""
    return f"{where}: {words}{more}"


def shown(value: Any) -> str:
    """A value of anybody's on one short line, whatever is in it."""
    short = Repr()
    short.maxstring = short.maxother = 120
    return short.repr(value)
