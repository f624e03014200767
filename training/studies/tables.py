"""A study's tables: as text for people, on the screen and in Markdown, and as CSV and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fakemamba.files import json_text, write_whole
from fakemamba.names import in_markdown, in_spreadsheet
from fakemamba.training.studies.plan import Plan
from fakemamba.training.studies.summary import (
    Units,
    VariantSummary,
    duration_table,
    summarize,
    unit_table,
)

STAMP = {"kind": "fakemamba-study", "schema": 1}
UNKNOWN = "–"
LONGEST_TEXT = 1000


@dataclass(frozen=True)
class TitledTable:
    """A table as it is shown: names of columns, and rows of as many texts."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, eq=False)
class Results:
    """All that a study has to say.

    Attributes:
        plan: what it is to do.
        units: a row each, from `unit_table`.
        summaries: of the variants.
        durations: from `duration_table`.
    """

    plan: Plan
    units: pd.DataFrame
    summaries: Sequence[VariantSummary]
    durations: pd.DataFrame

    @property
    def failures(self) -> list[str]:
        """Each unit that failed, with its reason, a line each."""
        failed = self.units[self.units["status"] == "failed"].to_dict("records")
        return [f"{one['variant']}, seed {one['seed']}: {one['reason']}" for one in failed]

    @property
    def notes(self) -> list[str]:
        """What to mind in reading the tables."""
        judging = self.plan.judging
        count = judging["test.bonafide"] + judging["test.spoof"]
        cut = judging["test.num_samples"]
        clips = "whole clips" if cut is None else f"each clip's first {cut:,} samples"
        notes = [
            f"{count:,} trials, {clips}. Mean ± standard deviation over seeds. The best seed's EER "
            "falls with the number of seeds, and is no result by itself."
        ]
        if len(self.plan.variants) > 1:
            notes.append(
                "The change is that of the mean EER against the recipe's own. Whether it is more "
                "than seed-to-seed variation is asked by Welch's test over seeds, with Holm's "
                "correction; other trials would add a doubt of their own."
            )
        for source in dict.fromkeys(one.source for one in self.summaries if one.source):
            names = ", ".join(one.variant for one in self.summaries if one.source == source)
            notes.append(f"What the paper says of {names}: {source}.")
        return notes

    def text_tables(self) -> Iterator[TitledTable]:
        """The variants; with durations, the buckets as well."""
        yield TitledTable(
            title=f"study {self.plan.study}",
            columns=("variant", "seeds", "EER (%)", "change", "seed-to-seed test", "the paper"),
            rows=tuple(_variant_row(one) for one in self.summaries),
        )
        if not self.durations.empty:
            names = list(dict.fromkeys(self.durations["variant"]))
            yield TitledTable(
                title="EER (%) by duration",
                columns=("seconds", "bona fide + spoof", *names),
                rows=tuple(
                    _bucket_row(str(bucket), rows.set_index("variant"), names)
                    for bucket, rows in self.durations.groupby("bucket", sort=False)
                ),
            )


def gather(plan: Plan, units: Units, published: pd.DataFrame) -> Results:
    """The results of a study's units, done or not, beside published figures as `summarize` has."""
    return Results(
        plan=plan,
        units=unit_table(plan, units),
        summaries=summarize(plan, units, published),
        durations=duration_table(plan, units),
    )


def write_results(folder: Path, results: Results) -> None:
    """Write study.csv (a row a unit), study.json (everything) and study.md (for people)."""
    content = {
        **STAMP,
        "plan": asdict(results.plan),
        "variants": [asdict(one) for one in results.summaries],
        "units": _records(results.units),
        "durations": _records(results.durations),
        "notes": results.notes,
    }
    _write(folder / "study.csv", results.units.map(in_spreadsheet).to_csv(index=False))
    _write(folder / "study.json", json_text(content) + "\n")
    _write(folder / "study.md", _markdown(results))


def _write(path: Path, text: str) -> None:
    """Write a table, whole or not at all; one that is there already is left as it is."""
    content = text.encode()
    if not path.is_file() or path.read_bytes() != content:
        write_whole(path, content)


def _markdown(results: Results) -> str:
    blocks = []
    for table in results.text_tables():
        blocks.append(f"## {table.title[0].upper()}{table.title[1:]}")
        head, *rows = (" | ".join(map(_cell, line)) for line in (table.columns, *table.rows))
        lines = (head, " | ".join(("---",) * len(table.columns)), *rows)
        blocks.append("\n".join(f"| {line} |" for line in lines))
    blocks += results.notes
    abouts = (f"{one.variant}: {one.about}." for one in results.summaries)
    blocks.append("\n".join(f"- {_cell(line)}" for line in abouts))
    if results.failures:
        failures = "\n".join(f"- {_cell(line)}" for line in results.failures)
        blocks.append(f"Failed:\n\n{failures}")
    return "\n\n".join(blocks) + "\n"


def _cell(text: str) -> str:
    return in_markdown(" ".join(text.split()), LONGEST_TEXT)


def _variant_row(one: VariantSummary) -> tuple[str, ...]:
    change = UNKNOWN if one.eer_change is None else f"{one.eer_change:+.1%}"
    rate = _rate(one.eer_mean, one.eer_std)
    if one.seeds_done > 1 and one.eer_best is not None:
        rate += f" (best {100 * one.eer_best:.2f})"
    seeds = f"{one.seeds_done} of {one.seeds}"
    return one.variant, seeds, rate, change, one.verdict or UNKNOWN, one.paper or UNKNOWN


def _bucket_row(bucket: str, rows: pd.DataFrame, names: Sequence[str]) -> tuple[str, ...]:
    """A bucket's rates, in the order of the variants; one that has none has its reason."""
    first = rows.iloc[0]
    rates = []
    for name in names:
        if name not in rows.index:
            rates.append(UNKNOWN)
            continue
        one: dict[Any, Any] = rows.loc[name].to_dict()
        rate = _rate(one["eer_mean"], one["eer_std"])
        rates.append(rate if one["seeds"] else one["reason"])
    return bucket, f"{first['bonafide']:,} + {first['spoof']:,}", *rates


def _rate(mean: float | None, std: float | None) -> str:
    """A mean and its standard deviation in per cent."""
    if mean is None or pd.isna(mean):
        return UNKNOWN
    spread = "" if std is None or pd.isna(std) else f" ± {100 * std:.2f}"
    return f"{100 * mean:.2f}{spread}"


def _records(table: pd.DataFrame) -> list[dict[str, object]]:
    """Rows as JSON, null where nothing is known."""
    records: list[dict[str, object]] = json.loads(
        table.to_json(orient="records", double_precision=15)
    )
    return records
