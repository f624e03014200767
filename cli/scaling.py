"""``fakemamba scaling``: is a detector near-linear in the audio's duration, or quadratic?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.text import Text

from fakemamba.analysis.grouping import grouped
from fakemamba.analysis.results import read_results
from fakemamba.analysis.scaling.verdicts import Ends, Scaling, Thresholds, scale
from fakemamba.analysis.setting import line_names
from fakemamba.cli.printing import TextTable, say
from fakemamba.files import write_json
from fakemamba.names import short_names

COLOURS = {"near-linear": "green", "quadratic": "red", "fixed-length input": "magenta"}
QUANTITIES = {"latency": "latency", "peak-memory": "memory", "flops": "FLOPs"}
MOST_NAMED = 4
VERDICT_WIDTH, NAME_WIDTH = 11, 24  # letters; so that a terminal has room for the figures
LONGEST = "1.04 (0.92–1.18)"


def scaling(
    results: tyro.conf.Positional[tuple[Path, ...]],
    /,
    json_out: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    from_s: float = 0.0,
    up_to_s: float = float("inf"),
    share_near_linear: float = 0.25,
    exponent_near_linear: float = 1.15,
    share_quadratic: float = 0.50,
    exponent_quadratic: float = 1.5,
) -> None:
    """Print how latency, peak memory and FLOPs grow with duration, with a verdict each.

    Args:
        results: JSON files written by `fakemamba bench --benchmark-json`; each is one launch.
        json_out: File to write everything to.
        from_s: Shortest duration to look at, in seconds.
        up_to_s: Longest duration to look at, in seconds.
        share_near_linear: Near-linear needs a quadratic share of the growth that is below this,
        exponent_near_linear: and a local exponent that is below this.
        share_quadratic: Quadratic needs a share that is above this,
        exponent_quadratic: or an exponent that is above this.
    """
    if not results:
        raise ValueError("no results given: fakemamba scaling RESULTS.json ...")
    table = read_results(results)
    inside = table[table["duration_s"].between(from_s, up_to_s)]
    if inside.empty:
        raise ValueError(f"none of the {len(table)} cells is from {from_s:g} to {up_to_s:g} s long")
    thresholds = Thresholds(
        share_near_linear, exponent_near_linear, share_quadratic, exponent_quadratic
    )
    found = scale(inside, thresholds)
    console = Console()
    for setting, group in grouped((one.setting.words, one) for one in found).items():
        _print_table(console, setting, group)
        _print_reasons(console, group)
    console.print(
        f"\n95 % intervals. near-linear: share < {share_near_linear:.4g} and exponent < "
        f"{exponent_near_linear:.4g}; quadratic: share > {share_quadratic:.4g} or exponent > "
        f"{exponent_quadratic:.4g}; at the longest duration, of the growth beyond a fixed cost. "
        "Nothing is said of durations outside the range.",
        highlight=False,
    )
    if json_out is not None:
        write_json(json_out, [one.to_json() for one in found])


def _print_table(console: Console, setting: str, group: list[Scaling]) -> None:
    """A block a part and quantity, a line a detector; without a fit there is only a reason."""
    names = line_names((one.detector, one.backend) for one in group)
    console.rule(Text(setting), align="left", style="dim")
    short = short_names(names.values(), NAME_WIDTH)
    width = max(map(len, short.values()))
    fitted = [one for one in group if one.quadratic_share is not None or one.verdict in COLOURS]
    for heading, rows in grouped((_heading(one), one) for one in fitted).items():
        shown = TextTable(box=None, padding=(0, 1), pad_edge=False)
        shown.add_column("", min_width=VERDICT_WIDTH)
        shown.add_column("", min_width=width, no_wrap=True)
        shown.add_column("quadratic share", min_width=len("quadratic share"))
        shown.add_column("exponent", min_width=len(LONGEST))
        shown.add_column("crossover (s)")
        for one in rows:
            verdict = Text(one.verdict, style=COLOURS.get(one.verdict, "yellow"))
            figures = (
                _figure(one.quadratic_share, one.quadratic_share_ci, ".0%"),
                _figure(one.exponent, one.exponent_ci, ".2f"),
                _crossover(one),
            )
            shown.add_row(verdict, Text(short[names[one.detector, one.backend]]), *figures)
        console.print(Text(heading, style="bold"))
        console.print(shown)
        console.print()


def _print_reasons(console: Console, group: list[Scaling]) -> None:
    """Why there is no verdict, and what to measure; equal reasons once."""
    names = line_names((one.detector, one.backend) for one in group)
    is_open = [one for one in group if one.verdict not in ("near-linear", "quadratic")]
    for reason, rows in grouped((one.reason, one) for one in is_open).items():
        which = [
            f"{one.part} {QUANTITIES[one.quantity]} of {names[one.detector, one.backend]}"
            for one in rows
        ]
        subject = ", ".join(which) if len(which) <= MOST_NAMED else f"{len(which)} of these"
        say(f"{subject}: {reason}")


def _heading(one: Scaling) -> str:
    span = "" if one.t_min_s is None else f", {one.t_min_s:.3g} to {one.t_max_s:.3g} s"
    return f"{one.part} {QUANTITIES[one.quantity]}{span}"


def _figure(value: float | None, interval: Ends | None, form: str) -> str:
    if value is None or interval is None:
        return "-"
    low, high = ("-" if end is None else format(end, form) for end in interval)
    return f"{value:{form}} ({low.rstrip('%')}–{high})"


def _crossover(one: Scaling) -> str:
    """Where b/c is; outside the range only that it is, and an interval's end there is left open."""
    if one.quadratic_share is None:
        return "-"
    middle = f"> {one.t_max_s:.3g}" if one.quadratic_share < 0.5 else f"< {one.t_min_s:.3g}"
    if one.crossover_s is not None:
        middle = f"{one.crossover_s:.3g}"
    low, high = ("" if end is None else f"{end:.3g}" for end in one.crossover_ci_s or (None, None))
    return f"{middle} ({low}–{high})" if low or high else middle
