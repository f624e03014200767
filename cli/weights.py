"""``fakemamba weights``: what authors publish of their detectors' weights, and where."""

from __future__ import annotations

from itertools import groupby

import tyro
from rich.console import Console

from fakemamba.analysis.published import read_published
from fakemamba.cli.printing import TextTable, say
from fakemamba.cli.weight_tables import (
    HEADS,
    NOT_VERIFIED,
    cells,
    heading,
    printed_rates,
)
from fakemamba.models.weight_sources import weight_source, weight_sources, without_weights


def weights(names: tyro.conf.Positional[tuple[str, ...]], /) -> None:
    """List published weights: where, how large, under which licence, and what they reach.

    Sizes with ≈ are computed from the number of parameters, in fp32. A rate with a question mark
    was printed by others, or could not be verified.

    Args:
        names: Weights of which all is to be told; none for the list of all.
    """
    published = read_published()
    if not names:
        console = Console()
        for head, group in groupby(weight_sources().values(), heading):
            say(head)
            table = TextTable(*HEADS)
            table.columns[0].no_wrap = True
            for source in group:
                table.add_row(*cells(source, published))
            console.print(table)
        for detector, reason in without_weights().items():
            say(f"{detector}: {reason}")
        say(f"{NOT_VERIFIED} by others, or not verified; `fakemamba weights NAME` tells more")
        return
    for source in [weight_source(name) for name in names]:
        say(f"{source.name}, of the detector {source.detector}")
        say(f"  {source.page}")
        files = ", ".join(source.files) or "whose names were not seen"
        say(f"  files: {files} ({source.format})")
        say(f"  size: {source.size}\n  licence: {source.terms}")
        if source.revision:
            say(f"  revision, as others had it: {source.revision}")
        for file, sha256 in source.sha256.items():
            say(f"  SHA-256 of {file}, as others had it: {sha256}")
        if source.note:
            say(f"  {source.note}")
        for rate in printed_rates(source, published).to_dict("records"):
            note = f" ({rate['note']})" if rate["note"] else ""
            say(f"  EER {rate['value']:g} % on {rate['data_set']}: {rate['source']}{note}")
        if source.hub:
            say(f"  fakemamba fetch {source.name}")
        say(f"  {source.convert_command()}")
