"""What ``fakemamba evaluate-segments`` prints: each map's figures, then their differences."""

from __future__ import annotations

import textwrap

from rich.console import Console

from fakemamba.cli.printing import TextTable, right, say
from fakemamba.evaluation.bootstrap import Interval
from fakemamba.evaluation.cut_flags import PLACES, RULE
from fakemamba.evaluation.segment_evaluation import (
    BEYOND,
    COARSE,
    OF_A_MAP,
    THRESHOLD_RULE,
    HowToJudge,
    MapFigures,
    SegmentEvaluation,
)

WIDTH = 80


def show_maps(found: SegmentEvaluation, how: HowToJudge) -> None:
    """Print all maps, and how they differ."""
    console = Console()
    rows = {
        "segment_eer": f"segment EER, {how.frame_s:g} s",
        "segment_eer_of_8_frames": f"segment EER, {COARSE * how.frame_s:g} s",
        "range_eer": "range EER",
        "f1": f"F1 of spoof, {how.frame_s:g} s",
        "iou": "IoU of spoof",
    }
    say(
        f"{found.recordings['bonafide']:,} recordings are bona fide, {found.recordings['spoof']:,} "
        "have spoof"
    )
    for number, (name, one) in enumerate(found.maps.items(), 1):
        console.print()
        title = f"{number}. {name}" if len(found.maps) > 1 else name
        table = TextTable(
            *("%", right("all"), right("95 %")),
            *(right(f"{how.collar_s:g} s off cuts"), right("95 %")),
            title=title,
            title_justify="left",
            box=None,
        )
        for figure in OF_A_MAP:
            table.add_row(rows[figure], *_cells(one, figure), *_cells(one, figure + BEYOND))
        console.print(table)
        if one.threshold is not None:
            console.print(_flags(one, how))
            say(textwrap.fill(f"threshold {one.threshold:.6g}: {THRESHOLD_RULE}", WIDTH))
        else:
            say("no F1, no IoU and no flags: a threshold takes --dev-frames and --dev-segments")
        say(textwrap.fill(one.cuts, WIDTH))
    kinds = {one.kind: one for of_map in found.maps.values() for one in of_map.intervals.values()}
    say(f"\nFrames are labelled by {how.rule}; range EER and IoU are of seconds, exactly.")
    if any(one.threshold is not None for one in found.maps.values()):
        say(textwrap.fill(RULE, WIDTH))
    for kind, interval in kinds.items():
        say(f"95 % intervals: {interval.replicates:,} draws of {kind}; a trial is a recording.")
    if found.doubt:
        say(textwrap.fill(f"warning: {found.doubt}", WIDTH))
    if found.differences:
        from fakemamba.cli.evaluation_tables import show_differences  # of the extra `evaluate`

        shown = [one for one in found.differences if one.metric in OF_A_MAP]
        show_differences(console, shown, list(found.maps), None)


def _flags(one: MapFigures, how: HowToJudge) -> TextTable:
    table = TextTable(
        f"frames flagged, near: {how.collar_s:g} s", right("%"), right("95 %"), box=None
    )
    for place, words in PLACES.items():
        table.add_row(words, *_cells(one, f"flagged_{place}"))
    return table


def _cells(one: MapFigures, figure: str) -> tuple[str, str]:
    value = one.figures.get(figure)
    if value is None:
        return "-", ""
    return f"{100 * value:.2f}", _ends(one.intervals.get(figure))


def _ends(interval: Interval | None) -> str:
    return "" if interval is None else f"{100 * interval.low:.2f} to {100 * interval.high:.2f}"
