"""The paper's claims on growth: PN-BiMamba is near-linear in duration, self-attention quadratic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from fakemamba.analysis.claims.claim import FAILS, HOLDS, OPEN, PAPER, Claim, Figure, Verdict
from fakemamba.analysis.claims.evidence import paired_ratios, usable, why_none
from fakemamba.analysis.claims.place import OURS, RIVAL, Place, ways
from fakemamba.analysis.scaling.curves import EXACT
from fakemamba.analysis.scaling.verdicts import Scaling, scale

QUANTITIES = {"latency": "latency", "peak-memory": "peak memory", "flops": "count of FLOPs"}
CLAIMS = (
    (OURS, "encoder", "near-linear", "the encoder's {} (PN-BiMamba) is near-linear in duration"),
    (OURS, "end-to-end", "near-linear", "the end-to-end {} is near-linear in duration"),
    (RIVAL, "encoder", "quadratic", "the encoder's {} (self-attention) is quadratic in duration"),
)
VERDICTS: Mapping[str, Mapping[str, Verdict]] = {
    "near-linear": {"near-linear": HOLDS, "quadratic": FAILS},
    "quadratic": {"quadratic": HOLDS, "near-linear": FAILS},
}
MOST_SHARES = 4  # durations at which the front-end's share is told


def growth_claims(place: Place) -> Iterator[Claim]:
    """Latency, peak memory and FLOPs, at batch 1, in each way that the cells were run."""
    for detector, part, growth, statement in CLAIMS:
        fixed = {"detector": detector, "part": part, "batch_size": 1}
        cells = place.select(**fixed, clock="latency")
        for how, group in ways(cells) if len(cells) else [({}, cells)]:
            found = {one.quantity: one for one in scale(group)} if len(group) else {}
            for quantity, words in QUANTITIES.items():
                known: dict[str, Any] = {
                    "name": growth,
                    "by": "paper",
                    "source": PAPER,
                    "statement": statement.format(words),
                    "cells": fixed | how,
                }
                if quantity not in found:
                    reason = f"no {words} was measured" if len(group) else why_none(group)
                    yield place.claim(**known, verdict=OPEN, reason=reason)
                    continue
                scaling = found[quantity]
                claim = place.claim(
                    **known,
                    verdict=VERDICTS[growth].get(scaling.verdict, OPEN),
                    reason=_reason(scaling),
                    figures=_figures(scaling),
                    interval=scaling.resampled,
                )
                is_hidden = part == "end-to-end" and quantity == "latency"
                yield _with_shares(claim, place, group, how) if is_hidden else claim


def _figures(scaling: Scaling) -> tuple[Figure, ...]:
    """The quadratic share at the longest duration, and the exponent."""
    share, exponent, longest_s = scaling.quadratic_share, scaling.exponent, scaling.t_max_s
    if share is None or exponent is None:
        return ()
    share_ci, exponent_ci = scaling.quadratic_share_ci, scaling.exponent_ci
    if scaling.quantity in EXACT or share_ci is None or exponent_ci is None:
        share_ci = exponent_ci = (None, None)
    return (
        Figure(f"quadratic share of the growth at {longest_s:.3g} s", share, "share", *share_ci),
        Figure("exponent", exponent, "", *exponent_ci),
    )


def _with_shares(
    claim: Claim, place: Place, end_to_end: pd.DataFrame, how: dict[str, Any]
) -> Claim:
    """What of end-to-end the front-end alone takes, at a few durations: what hides the encoder."""
    front_end = place.select(detector=OURS, part="front-end", batch_size=1, clock="latency", **how)
    found = paired_ratios(usable(front_end), usable(end_to_end)) if len(front_end) else {}
    if not found:
        return claim
    few = np.unique(np.linspace(0, len(found) - 1, MOST_SHARES).round().astype(int))
    shares = {at: found[at] for at in np.array(list(found))[few].tolist()}
    figures = [
        one.figure(f"front-end's share at {at:.3g} s", "share") for at, one in shares.items()
    ]
    basis = f"of the shares: {next(iter(shares.values())).basis}"
    return replace(
        claim,
        figures=(*claim.figures, *figures),
        interval="; ".join(one for one in (claim.interval, basis) if one),
    )


def _reason(scaling: Scaling) -> str:
    if scaling.t_min_s is None:
        return scaling.reason
    return f"{scaling.verdict}, {scaling.t_min_s:.3g} to {scaling.t_max_s:.3g} s: {scaling.reason}"
