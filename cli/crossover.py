"""``fakemamba crossover``: from which duration on does one detector beat another?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from fakemamba.analysis.grouping import grouped
from fakemamba.analysis.results import read_results
from fakemamba.analysis.scaling.crossover import Crossover, crossovers
from fakemamba.cli.printing import say
from fakemamba.files import write_json


def crossover(
    results: tyro.conf.Positional[tuple[Path, ...]],
    /,
    json_out: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> None:
    """Print from which duration on one detector beats another, in latency, memory and energy.

    Args:
        results: JSON files written by `fakemamba bench --benchmark-json`; each is one launch.
        json_out: File to write everything to.
    """
    if not results:
        raise ValueError("no results given: fakemamba crossover RESULTS.json ...")
    found = crossovers(read_results(results))
    if not found:
        raise ValueError("no two detectors were measured in an equal part and setting")
    groups = grouped((f"{one.part}, {one.quantity} ({one.setting.words})", one) for one in found)
    for heading, group in groups.items():
        say(heading)
        for one in group:
            say(f"  {_sentence(one)}")
    if json_out is not None:
        write_json(json_out, [one.to_json() for one in found])


def _sentence(one: Crossover) -> str:
    """Who beats whom, from where to where, and by how much at the end."""
    if one.from_s is None or one.to_s is None or one.ratio is None or one.ratio_ci is None:
        return f"{one.detector} and {one.rival}: undecided: {one.reason}"
    since = f"from {one.from_s:.3g} s"
    if one.from_s_ci is not None:
        since += f" ({one.from_s_ci[0]:.3g}–{one.from_s_ci[1]:.3g})"
    if one.verdict == "throughout":
        since = f"throughout {one.from_s:.3g} s"
    several = f"; {one.reason}" if one.verdict == "several crossings" else ""
    low, high = one.ratio_ci
    return (
        f"{one.detector} beats {one.rival} {since} to {one.to_s:.3g} s, there by a factor of "
        f"{one.ratio:.2f} ({low:.2f}–{high:.2f}){several}"
    )
