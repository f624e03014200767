"""JSON from a disk as what it has to be: read with a limit, and checked field by field.

Whoever reads a record says its form as a dataclass (or any type that pydantic knows). Whatever is
not of that form is one line: which file, which line or field, what was expected, what to do.

What a run is resumed from carries a seal, the SHA-256 of its text as its last field: there, no
damage passes for another value.
"""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass, make_dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from reprlib import Repr
from typing import Any, TypeVar, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from fakemamba.files import json_text, require_file, write_whole

MOST_BYTES = 64 << 20
CONFIG = "__pydantic_config__"  # where pydantic looks for it
SEAL = re.compile(rb'\s*,\s*(?:"sha256":\s*)?"([0-9a-f]{64})"\s*([}\]])\s*\Z')
T = TypeVar("T")
Stamp = dict[str, str | int]  # the fields of a record that say its kind and version


class _NotKeptError(ValueError):
    """There is no record on the disk that could be used."""


def read_record(
    path: str | Path,
    form: type[T],
    error: type[ValueError],
    remedy: str,
    most_bytes: int = MOST_BYTES,
    *,
    is_sealed: bool = False,
    stamp: Stamp | None = None,
) -> T:
    """The record that a file holds.

    Args:
        path: a JSON file.
        form: what it holds: a dataclass, or another type that pydantic knows. JSON's numbers, texts
            and truth values are never taken for each other; an int is also a float, a list a tuple.
        error: what is raised of it.
        remedy: what to do where it is not so.
        most_bytes: more are not read.
        is_sealed: it has to be as `sealed` made it.
        stamp: fields beside those of the form, a dataclass, with the values that they have to have:
            ``{"kind": "fakemamba-study", "schema": 1}``.

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
    return parse_record(content, form, str(path), error, remedy, is_sealed=is_sealed, stamp=stamp)


def kept_record(path: str | Path, form: type[T], stamp: Stamp) -> T | None:
    """A sealed record of what can be made again, or None where there is none that could be used."""
    try:
        return read_record(path, form, _NotKeptError, "", is_sealed=True, stamp=stamp)
    except _NotKeptError:
        return None


def parse_record(
    content: bytes | str,
    form: type[T],
    place: str,
    error: type[ValueError],
    remedy: str,
    *,
    is_sealed: bool = False,
    stamp: Stamp | None = None,
) -> T:
    """The record that a JSON text is, as `read_record`.

    Args:
        content: the text, or its UTF-8 bytes.
        form: see there.
        place: the file, and the line where it is one of many.
        error: what is raised of it.
        remedy: what to do where it is not so.
        is_sealed: see there.
        stamp: see there.

    Raises:
        error: not JSON, or not of that form.
    """
    if is_sealed:
        content = _opened(content, place, error, remedy)
    whole: Any = form
    if stamp is not None:
        whole = _stamped(whole, tuple(stamp.items()))
    try:
        found = _adapter(whole).validate_json(content, strict=True)
    except ValidationError as fault:
        raise error(f"{place}{_first_fault(fault)}; {remedy}") from fault
    return found if stamp is None else _unstamped(form, found)


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


def in_part(form: type[T]) -> type[T]:
    """Decorates a dataclass that is the form of a part: the record may have other fields too."""
    return with_config(ConfigDict(extra="ignore", allow_inf_nan=False))(form)


def sealed(text: str) -> str:
    """JSON of an object or a list, with the SHA-256 of all that is before it as a last field.

    The record that is read is the one without it.
    """
    body, closing = text[:-1].rstrip(), text[-1]
    name = '"sha256": ' if closing == "}" else ""
    return f'{body}, {name}"{sha256(body.encode()).hexdigest()}"{closing}'


def content_sha256(content: Any) -> str:
    """SHA-256 of what JSON can hold, by its text."""
    return sha256(json_text(content).encode()).hexdigest()


def write_sealed(path: str | Path, content: Any) -> None:
    """Write a record that is to be read with ``is_sealed``, whole or not at all.

    Raises:
        OSError: it cannot be written.
        ValueError: NaN or infinity, which JSON does not have.
    """
    write_whole(path, sealed(json_text(content)) + "\n")


def _opened(content: bytes | str, place: str, error: type[ValueError], remedy: str) -> bytes:
    """The JSON in a seal."""
    content = content.encode() if isinstance(content, str) else content
    seal = SEAL.search(content)
    if seal is None:
        raise error(f"{place} has no checksum: cut short, or of another version; {remedy}")
    body = content[: seal.start()]
    if sha256(body).hexdigest().encode() != seal[1]:
        raise error(f"{place} is damaged: its checksum is of other content; {remedy}")
    return body + seal[2]


@cache
def _stamped(form: Any, stamp: tuple[tuple[str, str | int], ...]) -> Any:
    """A form with the fields of a stamp beside its own."""

    def check(record: Any) -> None:
        for name, wanted in stamp:
            if (found := getattr(record, name)) != wanted:
                raise ValueError(
                    f"it is of another kind or another version: it has {name} {shown(found)}, but "
                    f"this version reads {wanted}"
                )
        if hasattr(form, "__post_init__"):
            form.__post_init__(record)

    return make_dataclass(
        form.__name__,
        [(name, type(wanted)) for name, wanted in stamp],
        bases=(form,),
        namespace={"__post_init__": check},
        frozen=True,
        kw_only=True,
    )


def _unstamped(form: Any, record: Any) -> Any:
    """A record without the fields of its stamp."""
    return form(**{one.name: getattr(record, one.name) for one in fields(form)})


@cache
def _adapter(form: Any) -> TypeAdapter[Any]:
    """What checks a form; a dataclass may have no field beside its own, and no NaN."""
    strict = ConfigDict(extra="forbid", allow_inf_nan=False)
    is_own: bool = is_dataclass(form)  # which carries its configuration itself
    if not is_own:
        return TypeAdapter(form, config=strict)
    return TypeAdapter(form if hasattr(form, CONFIG) else with_config(strict)(form))


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
