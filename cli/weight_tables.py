"""What `fakemamba weights` shows: a row a file, for a terminal and for docs/weights.md."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from fakemamba.models.weight_sources import NOT_SAID, WeightSource
from fakemamba.names import in_markdown

HEADS = ("weights", "size", "EER, %")
PAGE_HEADS = (
    *("weights", "of the detector", "where", "format", "size", "licence", "EER, %"),
    "command",
)
# What stands in a cell; `fakemamba weights NAME` shows the others, too.
SHORT = {
    "ASVspoof 2019 LA": "19LA",
    "ASVspoof 2021 LA": "21LA",
    "ASVspoof 2021 DF": "21DF",
    "In-the-Wild": "ITW",
}
NOT_VERIFIED = "?"
PLACES = {
    **{"drive.google.com": "Google Drive", "entuedu-my.sharepoint.com": "OneDrive"},
    "huggingface.co": "Hugging Face, by hand",
}


def printed_rates(source: WeightSource, published: pd.DataFrame) -> pd.DataFrame:
    """The published error rates that are of a file, those of its authors first."""
    rates = published[published["metric"] == "EER"]
    is_its = pd.Series(False, rates.index)
    for system, data_sets in source.printed.items():
        is_its |= (rates["system"] == system) & (not data_sets or rates["data_set"].isin(data_sets))
    return rates[is_its]


def heading(source: WeightSource) -> str:
    """What the files of a detector have in common: where they are, and under which licence."""
    return f"{source.detector}: {_place(source)}. Licence: {source.terms}"


def cells(source: WeightSource, published: pd.DataFrame) -> tuple[str, ...]:
    """The texts of a row below its heading, as HEADS names them."""
    return (source.name, source.size, _rates(source, published))


def markdown(sources: Mapping[str, WeightSource], published: pd.DataFrame) -> str:
    """The table of docs/weights.md, with the command that makes a detector's folder."""
    lines = [f"| {' | '.join(PAGE_HEADS)} |", "|---" * len(PAGE_HEADS) + "|"]
    for source in sources.values():
        where = in_markdown(source.hub or _place(source))
        texts = (source.format, source.size, source.terms, _rates(source, published))
        command = f"fakemamba fetch {source.name}" if source.hub else source.convert_command()
        row = [f"`{source.name}`", f"`{source.detector}`", f"[{where}]({source.page})"]
        row += [in_markdown(text) for text in texts]
        lines.append(f"| {' | '.join([*row, f'`{command}`'])} |")
    return "\n".join(lines) + "\n"


def _place(source: WeightSource) -> str:
    return "Hugging Face" if source.hub else PLACES[source.page.split("/")[2]]


def _rates(source: WeightSource, published: pd.DataFrame) -> str:
    """The first rate of each well-known data set, by its short name."""
    rates = printed_rates(source, published).drop_duplicates("data_set").to_dict("records")
    first = {rate["data_set"]: rate for rate in rates}
    told = [
        f"{short} {first[name]['value']:g}{'' if first[name]['verified'] else NOT_VERIFIED}"
        for name, short in SHORT.items()
        if name in first
    ]
    return ", ".join(told) or NOT_SAID
