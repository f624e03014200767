"""A comparison in words: one sentence for all, and figures with their units."""

from __future__ import annotations

from fakemamba.analysis.compare.verdict import CellVerdict, Comparison

UNITS = {
    "latency": ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")),
    "peak-memory": ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B")),
    "energy": ((1.0, "J"), (1e-3, "mJ")),
    "error": ((1.0, ""),),
}


def headline(comparison: Comparison) -> str:
    """The verdict in one sentence, made of counts alone."""
    cells = {cell.cell_id for cell in comparison.cells}
    counts = {
        verdict: len({cell.cell_id for cell in comparison.cells if cell.verdict == verdict})
        for verdict in comparison.counts()
    }
    of_all = f"of {len(cells)} cells"
    if comparison.verdict == "regressed":
        return f"Regression in {counts['regressed']} {of_all}"
    if comparison.problems:
        return "No answer: these launches cannot be compared"
    if comparison.verdict == "unanswerable":
        return f"No answer for {counts['unanswerable']} {of_all}"
    if comparison.verdict == "undecided":
        strictly = ", which fails by --strict" if comparison.rules.strict else ""
        return f"No regression is shown, but {counts['undecided']} {of_all} are undecided{strictly}"
    accepted = f", slow-downs of {counts['accepted']} accepted" if "accepted" in counts else ""
    return f"No regression in {len(cells)} cells{accepted}"


def basis(comparison: Comparison) -> str:
    """What the verdict rests on, in one or two sentences."""
    rules = comparison.rules
    noise = "was not measured" if rules.noise_floor is None else f"is {rules.noise_floor:.1%}"
    pairs = "1 pair" if comparison.pairs == 1 else f"{comparison.pairs} pairs"
    return (
        f"{pairs} of launches. A change of latency counts above "
        f"{rules.min_effect:.1%} and {figure('latency', rules.floor_s)}; the noise floor {noise}."
    )


def interval_name(comparison: Comparison) -> str:
    """The interval by its two-sided confidence."""
    return f"{2 * comparison.rules.confidence - 1:.0%} interval"


def figure(quantity: str, value: float | None) -> str:
    """A value with its unit."""
    if value is None:
        return "–"
    units = UNITS[quantity]
    scale, unit = next(((scale, unit) for scale, unit in units if abs(value) >= scale), units[-1])
    return f"{value / scale:.4g} {unit}".rstrip()


def change(cell: CellVerdict) -> str:
    """By how much head differs from base."""
    return "–" if cell.ratio is None else _percent(cell.ratio)


def interval(cell: CellVerdict) -> str:
    """Its interval, or that there is none as the comparison is exact."""
    if cell.ratio_low is None or cell.ratio_high is None:
        return "–"
    return f"{_percent(cell.ratio_low)} to {_percent(cell.ratio_high)}"


def _percent(ratio: float) -> str:
    return f"{ratio - 1:+.1%}" if ratio < 10 else f"× {ratio:.3g}"
