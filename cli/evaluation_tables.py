"""What ``fakemamba evaluate`` shows, in 80 columns: rates in per cent, costs beside values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd
from rich.console import Console
from rich.table import Column
from rich.text import Text

from fakemamba.cli.printing import TextTable, right
from fakemamba.evaluation.bootstrap import Interval
from fakemamba.evaluation.breakdown import DURATION_BUCKETS
from fakemamba.evaluation.evaluate import Evaluation, Figures
from fakemamba.evaluation.transfer import Transfer
from fakemamba.evaluation.uncertainty import PairedDifference
from fakemamba.names import visible

NAMES = {
    "eer": "EER (%)",
    "eer_threshold": "threshold of it",
    "min_dcf": "minDCF",
    "act_dcf": "actDCF",
    "cllr_bits": "Cllr (bits)",
    "min_tdcf_2019": "min t-DCF 2019",
    "min_tdcf_2021": "min t-DCF 2021",
    "t_eer": "t-EER (%)",
    "segment_eer": "segment EER (%)",
    "segment_eer_of_8_frames": "of 8 frames (%)",
    "range_eer": "range EER (%)",
    "f1": "F1 (%)",
    "iou": "IoU (%)",
}
OF_SEGMENTS = ("segment_eer", "segment_eer_of_8_frames", "range_eer", "f1", "iou")
RATES = ("eer", "t_eer", *OF_SEGMENTS)  # fractions, shown in per cent
IN_ROWS = ("min_dcf", "act_dcf", "cllr_bits")


def show(console: Console, evaluation: Evaluation) -> None:
    """Print one system's metrics, then the parts, the confusion and the calibration."""
    console.print(_metrics(evaluation))
    kinds = {one.kind for one in evaluation.whole.intervals.values()}
    for kind in kinds:
        _say(console, f"95 % intervals: {_replicates(evaluation.whole)} draws of {kind}.")
    if evaluation.doubt:
        _say(console, f"warning: {evaluation.doubt}")
    for reason, metrics in _by_reason(evaluation.reasons).items():
        _say(console, f"no {', '.join(metrics)}: {reason}")
    for column, rows in evaluation.by.items():
        console.print()
        console.print(_parts(column, rows))
        _say_kinds(console, rows)
        for value, figures in rows.items():
            if figures.reason:
                _say(console, f"{value}: {figures.reason}")
    if evaluation.confusion is not None:
        console.print()
        console.print(_confusion(evaluation.confusion, evaluation.threshold))
    if evaluation.transfer is not None:
        console.print()
        console.print(_transfer(evaluation.transfer))
        _say(console, _threshold(evaluation.transfer))


def show_differences(
    console: Console, found: Sequence[PairedDifference], names: Sequence[str], doubt: str | None
) -> None:
    """Print paired differences; systems are numbered in the order in which they were named."""
    if not found:
        return
    table = TextTable(
        *("metric", "pair", right("difference"), right("95 %"), right("p"), right("p, Holm")),
        title="paired differences",
        title_justify="left",
        box=None,
    )
    numbers = {name: number for number, name in enumerate(names, 1)}
    for one in found:
        table.add_row(
            NAMES[one.metric],
            f"{numbers[one.first]} - {numbers[one.second]}",
            _figure(one.metric, one.difference.value, "+"),
            _ends(one.metric, one.difference.low, one.difference.high),
            f"{one.difference.p_value:.2g}",
            f"{one.p_holm:.2g}",
        )
    console.print()
    console.print(table)
    kind = found[0].difference
    _say(console, f"95 % intervals: {kind.replicates:,} draws of {kind.kind}, alike for both.")
    if doubt:
        _say(console, f"warning: {doubt}")


def _metrics(evaluation: Evaluation) -> TextTable:
    whole = evaluation.whole
    title = f"{whole.bonafide:,} bona fide and {whole.spoof:,} spoof trials"
    table = TextTable(
        Column("metric", no_wrap=True),
        right("value"),
        right("95 %"),
        Column("costs", style="dim"),
        title=title,
        title_justify="left",
        box=None,
    )
    known = {metric: value for metric, value in whole.metrics.items() if value is not None}
    for metric, value in known.items():
        table.add_row(
            NAMES[metric],
            _figure(metric, value),
            _interval(metric, whole.intervals.get(metric)),
            Text(evaluation.costs.get(metric, "accepted from it on")),
        )
    return table


def _parts(column: str, rows: Mapping[str, Figures]) -> TextTable:
    name = "duration (s)" if column == "duration" else column
    kept = ", each with all bona fide trials" if column == "attack" else ""
    table = TextTable(
        Column(name, overflow="fold"),
        *(right(head) for head in ("bona fide", "spoof", "EER (%)", "95 %")),
        *(right(NAMES[metric].removesuffix(" (bits)")) for metric in IN_ROWS),
        title=f"by {column}{kept}; costs as above",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    for value, figures in rows.items():
        table.add_row(
            Text(value),
            *(f"{figures.bonafide:,}", f"{figures.spoof:,}"),
            _percent(figures.metrics["eer"]),
            " to ".join(_percent(end) for end in _both_ends(figures.intervals.get("eer"))),
            *(_figure(metric, figures.metrics[metric]) for metric in IN_ROWS),
        )
    return table


def _confusion(confusion: pd.DataFrame, threshold: float) -> TextTable:
    """Accepted shares, an attack a row and a bucket a column."""
    total = confusion["accepted"] + confusion["rejected"]
    cells = confusion.assign(text=_shares(confusion["accepted_share"], total))
    buckets = list(dict.fromkeys(confusion["bucket"]))
    heads = [f"{one} s" if one in DURATION_BUCKETS else one for one in buckets]
    table = TextTable(
        Column("", overflow="fold"),
        *(Column(head, justify="right") for head in heads),
        title=f"accepted as bona fide from {threshold:.6g} on, by duration: per cent of trials",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    of_attack = {str(name): rows for name, rows in cells.groupby("attack")}
    first = [name for name in ("bonafide",) if name in of_attack]
    for attack in [*first, *sorted(name for name in of_attack if name not in first)]:
        texts = of_attack[attack].set_index("bucket")["text"]
        table.add_row(Text(attack), *(texts.get(bucket, "") for bucket in buckets))
    return table


def _shares(shares: pd.Series, totals: pd.Series) -> list[str]:
    return [f"{100 * one:.1f} of {n:,}" for one, n in zip(shares, totals, strict=True)]


def _transfer(found: Transfer) -> TextTable:
    table = TextTable("calibration", right("before"), right("after"), box=None)
    table.add_row("actDCF", f"{found.act_dcf_before:.4f}", f"{found.act_dcf_after:.4f}")
    table.add_row("Cllr (bits)", f"{found.cllr_bits_before:.4f}", f"{found.cllr_bits_after:.4f}")
    return table


def _threshold(found: Transfer) -> str:
    return (
        f"At the development threshold {found.threshold:.6g} (EER there "
        f"{100 * found.dev_eer:.3f} %): FRR {100 * found.frr:.3f} %, FAR {100 * found.far:.3f} %, "
        f"HTER {100 * found.hter:.3f} %"
    )


def _say_kinds(console: Console, rows: Mapping[str, Figures]) -> None:
    """What was drawn for the intervals of parts, which may allow less than the whole."""
    kinds = Counter(one.intervals["eer"].kind for one in rows.values() if "eer" in one.intervals)
    if kinds:
        told = "; ".join(f"{kind} ({count} rows)" for kind, count in kinds.items())
        _say(console, f"95 % intervals: draws of {told}.")


def _replicates(figures: Figures) -> str:
    return f"{next(iter(figures.intervals.values())).replicates:,}"


def _by_reason(reasons: Mapping[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for metric, reason in reasons.items():
        found.setdefault(reason, []).append(NAMES[metric].removesuffix(" (%)"))
    return found


def _interval(metric: str, interval: Interval | None) -> str:
    return "" if interval is None else _ends(metric, interval.low, interval.high)


def _both_ends(interval: Interval | None) -> tuple[float, ...]:
    return () if interval is None else (interval.low, interval.high)


def _percent(rate: float | None) -> str:
    return "-" if rate is None else f"{100 * rate:.2f}"


def _ends(metric: str, low: float, high: float) -> str:
    return f"{_figure(metric, low)} to {_figure(metric, high)}"


def _figure(metric: str, value: float | None, sign: str = "") -> str:
    if value is None:
        return "-"
    if metric in RATES:
        return f"{100 * value:{sign}.3f}"
    return f"{value:{sign}.6g}" if metric == "eer_threshold" else f"{value:{sign}.4f}"


def _say(console: Console, text: str) -> None:
    console.print(visible(text), highlight=False, markup=False)
