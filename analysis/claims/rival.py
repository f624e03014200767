"""The paper's claims on speed: faster than XLSR-Conformer at 1 to 6 s, by a published RTF."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from fakemamba.analysis.claims.claim import FAILS, HOLDS, OPEN, Claim, Verdict
from fakemamba.analysis.claims.evidence import (
    Found,
    by_duration,
    covered,
    paired_ratios,
    usable,
    value_of,
    why_none,
)
from fakemamba.analysis.claims.place import OURS, RIVAL, Place, ways
from fakemamba.analysis.published import FRONTEND, read_published
from fakemamba.analysis.report.words import number
from fakemamba.analysis.scaling.crossover import Crossover, crossovers
from fakemamba.analysis.ties import TOO_NOISY, is_tie

PARTS = ("end-to-end", "encoder")


def rival_claims(place: Place) -> Iterator[Claim]:
    """Lower RTF than the rival's, and the published RTF, in each way that the cells were run."""
    published = read_published()
    of_ours = published["detectors"].map(lambda names: OURS in names)
    for figure in published[(published["metric"] == "RTF") & of_ours].to_dict("records"):
        for part in PARTS:
            yield from _lower_than_rival(place, part, figure)
        for detector in figure["detectors"]:
            if detector == OURS or len(place.select(detector=detector)):
                yield from _published_rtf(place, detector, figure)


def _lower_than_rival(place: Place, part: str, published: dict[Any, Any]) -> Iterator[Claim]:
    """By the ratio at each duration; from which duration on, by the crossover."""
    from_s, to_s = published["shortest_s"], published["longest_s"]
    fixed = {"detector": OURS, "part": part, "batch_size": 1}
    known: dict[str, Any] = {
        "name": "lower RTF",
        "by": "paper",
        "source": _source(published),
        "statement": f"the RTF is lower than {RIVAL}'s at {from_s:g} to {to_s:g} s, {part}",
    }
    latencies = place.select(part=part, batch_size=1, clock="latency")
    ours = latencies[latencies["detector"] == OURS]
    if ours.empty:
        yield place.claim(**known, cells=fixed, verdict=OPEN, reason=why_none(ours))
    for how, group in ways(ours):
        # A rival without a scan has no backend to be equal.
        theirs = place.select(
            **fixed | {"detector": RIVAL}, clock="latency", **how | {"backend": None}
        )
        inside, theirs_inside = (
            usable(one[one["duration_s"].between(from_s, to_s)]) for one in (group, theirs)
        )
        found = paired_ratios(inside, theirs_inside)
        if found:
            verdict, reason = _at_every_duration(found, from_s, to_s)
        else:
            verdict, reason = OPEN, _why_no_pair(group, theirs, from_s, to_s)
        crossed = crossovers(pd.concat([group, theirs]), ["latency"])
        figures = [one.figure(f"ratio at {at:.3g} s") for at, one in found.items()]
        yield place.claim(
            **known,
            cells=fixed | how,
            verdict=verdict,
            reason="; ".join([reason, *map(_sentence, crossed)]),
            figures=tuple(figures),
            interval=_basis(found),
        )


def _published_rtf(place: Place, detector: str, published: dict[Any, Any]) -> Iterator[Claim]:
    """Whether any of ours lies in the published range, and how far off it is."""
    low, high = published["low"], published["high"]
    from_s, to_s = published["shortest_s"], published["longest_s"]
    fixed = {"detector": detector, "part": "end-to-end", "batch_size": 1}
    known: dict[str, Any] = {
        "name": "published RTF",
        "by": "paper",
        "source": _source(published),
        "statement": f"the RTF is {low:g} to {high:g} at {from_s:g} to {to_s:g} s",
    }
    cells = place.select(**fixed, clock="latency")
    cells = cells[cells["duration_s"].between(from_s, to_s)]
    if usable(cells).empty:
        yield place.claim(**known, cells=fixed, verdict=OPEN, reason=why_none(cells))
    for how, group in ways(usable(cells)):
        bins = dict(by_duration(group))
        found = {
            at: value_of(one["latency_s"] / one["duration_s"], one, len(bins))
            for at, one in bins.items()
        }
        verdict, reason = _in_range(found, published)
        if place.frontend != FRONTEND:
            verdict, reason = OPEN, f"published for {FRONTEND}; here {reason}"
        elif not place.is_gpu:
            verdict, reason = OPEN, f"published for a GPU, and this is a CPU; here {reason}"
        yield place.claim(
            **known,
            cells=fixed | how,
            verdict=verdict,
            reason=reason,
            figures=tuple(one.figure(f"RTF at {at:.3g} s") for at, one in found.items()),
            interval=_basis(found),
        )


def _at_every_duration(
    found: Mapping[float, Found], from_s: float, to_s: float
) -> tuple[Verdict, str]:
    """Whether ratios are below 1 at all durations; one that is above refutes it."""
    states = {at: one.is_at_most(1.0) for at, one in found.items()}
    higher = [at for at, state in states.items() if state == FAILS]
    without = [one.basis for one in found.values() if one.low is None]
    is_open = [at for at, state in states.items() if state == OPEN]
    if higher:
        return FAILS, f"it is higher at {_seconds(higher)}"
    missing = covered(list(found), from_s, to_s)
    if missing:
        return OPEN, missing
    if not is_open:
        return HOLDS, f"it is lower at each of {len(found)} durations"
    if without:
        return OPEN, without[0]
    noisy = [at for at in is_open if not is_tie(found[at].low or 0.0, found[at].high or np.inf)]
    if noisy:
        return OPEN, f"{TOO_NOISY} at {_seconds(noisy)}"
    return OPEN, f"the interval holds a tie at {_seconds(is_open)}"


def _in_range(found: Mapping[float, Found], published: Mapping[Any, Any]) -> tuple[Verdict, str]:
    """Whether RTFs lie in a range at all durations; one that is surely outside refutes it."""
    low, high = published["low"], published["high"]
    values = [one.value for one in found.values()]
    inside = sum(low <= value <= high for value in values)
    told = f"{inside} of {len(values)} durations are inside"
    if max(values) < low:
        told = f"{_span(low / max(values), low / min(values))} times below {low:g}"
    elif min(values) > high:
        told = f"{_span(min(values) / high, max(values) / high)} times above {high:g}"
    without = [one.basis for one in found.values() if one.low is None]
    outside = [
        at for at, one in found.items() if FAILS in (one.is_at_least(low), one.is_at_most(high))
    ]
    missing = covered(list(found), published["shortest_s"], published["longest_s"])
    if outside:
        return FAILS, f"{told}; surely outside at {_seconds(outside)}"
    if missing:
        return OPEN, f"{told}; {missing}"
    if without:
        return OPEN, f"{told}; {without[0]}"
    if all(HOLDS == one.is_at_least(low) == one.is_at_most(high) for one in found.values()):
        return HOLDS, told
    return OPEN, f"{told}; the interval holds an end of the range"


def _why_no_pair(ours: pd.DataFrame, theirs: pd.DataFrame, from_s: float, to_s: float) -> str:
    reasons = []
    for name, cells in ((OURS, ours), (RIVAL, theirs)):
        inside = cells[cells["duration_s"].between(from_s, to_s)]
        if usable(inside).empty:
            reasons.append(f"{name} at {from_s:g} to {to_s:g} s: {why_none(inside)}")
    return "; ".join(reasons) or "the two have no duration in common in any launch"


def _source(published: Mapping[Any, Any]) -> str:
    return f"{published['source']}; measured on a {published['device']}"


def _sentence(one: Crossover) -> str:
    """From which duration on the better one is better, over all that was measured."""
    if one.from_s is None or one.to_s is None or one.ratio is None:
        return f"over all durations: {one.reason}"
    since = f"from {one.from_s:.3g} s on"
    if one.from_s_ci is not None:
        since += f" ({one.from_s_ci[0]:.3g} to {one.from_s_ci[1]:.3g})"
    return f"{one.detector} is faster {since}, at {one.to_s:.3g} s {one.ratio:.3g} times"


def _span(least: float, most: float) -> str:
    return " to ".join(dict.fromkeys((number(least), number(most))))


def _seconds(durations_s: Sequence[float]) -> str:
    return f"{', '.join(f'{one:.3g}' for one in durations_s)} s"


def _basis(found: Mapping[float, Found]) -> str | None:
    """What the intervals are made of, which hold together; None where there are none."""
    bases = dict.fromkeys(one.basis for one in found.values() if one.low is not None)
    if not bases:
        return None
    together = [f"{len(found)} intervals that hold together"] if len(found) > 1 else []
    return "; ".join([*bases, *together])
