"""What ``fakemamba trace evaluate`` shows: shares in per cent, with 95 % intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console

from fakemamba.cli.printing import TextTable, right, say
from fakemamba.data.trials import plural
from fakemamba.evaluation.tracing.classifiers import Rule
from fakemamba.evaluation.tracing.closed_set import NAMES as CLOSED
from fakemamba.evaluation.tracing.confounds import MOST_FREQUENT
from fakemamba.evaluation.tracing.figures import TracingEvaluation
from fakemamba.evaluation.tracing.intervals import TracingFigure
from fakemamba.evaluation.tracing.layers import LayerAccuracy
from fakemamba.evaluation.tracing.open_set import NAMES as OPEN
from fakemamba.evaluation.tracing.report import shown
from fakemamba.names import short_name

WORDS = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "auroc": "AUROC",
    "fpr_at_95_tpr": "FPR at 95 % TPR",
    "eer": "EER",
}
MOST_CLASSES = 12  # of a confusion matrix on a terminal


def show(console: Console, found: TracingEvaluation) -> None:
    """Print all of an evaluation but its verdict."""
    for reason, count in found.left_out.items():
        say(f"left out: {count:,} {reason}")
    seen = [one for one in found.systems.values() if one.is_seen]
    say(
        f"{found.choices.classifier}: {sum(one.trials for one in seen):,} trials of {len(seen)} "
        f"seen {plural(found.label)}; apart by {found.kept_together}"
    )
    for name in CLOSED:
        say(f"{WORDS[name]} {shown(found.closed[name])}")
    say(f"95 % intervals: draws of {found.drawn}.")
    console.print(_systems(found))
    if len(found.classes) <= MOST_CLASSES:
        console.print(_confusion(found))
    if found.open:
        console.print(_open(found.open, f"unseen {plural(found.label)} against seen ones"))
    for one in found.one_unseen:
        of = "" if one.systems == (one.name,) else f" ({', '.join(map(short_name, one.systems))})"
        if one.reason is None:
            console.print(_open(one.open, f"{one.name}{of} unseen against the others"))
        else:
            say(f"{one.name}{of} unseen: {one.reason}")
    pairs = found.verification
    kind = "of different speakers" if pairs.across_speakers else "of any speakers"
    if pairs.eer is None:
        say(f"no verification: {pairs.reason}")
    else:
        say(
            f"verification of the same {found.label} by cosine: EER {shown(pairs.eer)}, of "
            f"{pairs.same:,} + {pairs.different:,} pairs {kind}"
        )
    _show_confounds(console, found)


def show_layers(console: Console, study: Sequence[LayerAccuracy]) -> None:
    """Print the accuracy by layer."""
    heads = (right(one) for one in ("width", "accuracy", "macro-F1", "own adds"))
    table = TextTable("layer", *heads)
    for one in study:
        name = "own" if one.layer is None else str(one.layer)
        shares = (one.accuracy, one.macro_f1, one.added)
        table.add_row(name, str(one.width), *map(shown, shares))
    console.print(table)


def _systems(found: TracingEvaluation) -> TextTable:
    table = TextTable(found.label, right("trials"), right("right"), right("none of these"))
    for name, one in found.systems.items():
        right_share = "unseen" if one.right is None else _percent(one.right)
        table.add_row(short_name(name), f"{one.trials:,}", right_share, _percent(one.refused))
    return table


def _confusion(found: TracingEvaluation) -> TextTable:
    heads = [right(short_name(name, 10)) for name in found.classes]
    table = TextTable("is \\ said", *heads)
    for name, counts in zip(found.classes, found.confusion, strict=True):
        table.add_row(short_name(name), *(f"{one:,}" if one else "" for one in counts))
    return table


def _open(figures: Mapping[Rule, Mapping[str, TracingFigure]], title: str) -> TextTable:
    table = TextTable("by", *(right(WORDS[name]) for name in OPEN), title=title)
    for rule, of_rule in figures.items():
        table.add_row(rule, *(shown(of_rule[name]) for name in OPEN))
    return table


def _show_confounds(console: Console, found: TracingEvaluation) -> None:
    head = ("by", right("accuracy"), right("tracing adds"), "")
    table, reasons = TextTable(*head, title="possible confounds"), list[str]()
    for one in found.confounds:
        if one.column == MOST_FREQUENT:
            name = f"most frequent {found.label}"
        elif one.kind == "guess":
            name = f"{found.label} from {one.column} alone"
        else:
            name = f"{one.column} by the embeddings"
        if one.reason is not None:
            reasons.append(f"no {name}: {one.reason}")
            continue
        note = "does as well" if one.does_as_well else ""
        table.add_row(name, shown(one.accuracy), shown(one.behind), note)
    console.print(table)
    for reason in reasons:
        say(reason)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
