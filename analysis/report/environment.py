"""The machine and software of each file: a row a fact, a column a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fakemamba.analysis.report.tables import Field, Record, Table, tabulate
from fakemamba.analysis.report.words import UNKNOWN
from fakemamba.analysis.results import Launch


def environment_table(launches: Sequence[Launch]) -> Table:
    """All facts of all files, and whether the files differ in them."""
    facts = [
        dict(_flatten({"schema of the file": _schema(launch), **launch.environment}))
        for launch in launches
    ]
    names = list(dict.fromkeys(name for fact in facts for name in fact))
    records: list[Record] = [
        {"fact": name, "same": _sameness([fact.get(name) for fact in facts])}
        | {str(place): fact.get(name) for place, fact in enumerate(facts)}
        for name in names
    ]
    files = [
        Field(launch.path.name, str(place), is_key=True) for place, launch in enumerate(launches)
    ]
    same = [Field("in the files", "same")] if len(launches) > 1 else []
    return tabulate(
        "environment-facts", "Facts", [Field("fact", "fact", is_key=True), *same, *files], records
    )


def _schema(launch: Launch) -> Any:
    return launch.identity.get("schema", "1")


def _sameness(values: Sequence[Any]) -> str:
    return "the same" if all(value == values[0] for value in values) else "differs"


def _flatten(facts: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Facts as strings by their path."""
    for name, value in facts.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", UNKNOWN if value is None else str(value)
