"""The table by which a detector is chosen: all of them, and why a figure is missing."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from fakemamba.analysis.length_cost import HOUR
from fakemamba.analysis.report.labels import labels
from fakemamba.analysis.report.sections import Section
from fakemamba.analysis.report.tables import Field, Record, tabulate
from fakemamba.analysis.report.words import interval, is_known, number
from fakemamba.data.lengths import LengthTable

NOTE = (
    "End to end, at one duration for all that stand together. Memory is the peak with the weights; "
    "device time is seconds for an hour of audio, in batches of equal lengths."
)
WITHOUT_LENGTHS = (
    "Device time is of recordings of that duration; --lengths NAME gives it for a corpus, with "
    "percentiles of its latencies."
)
WITHOUT_RATES = "Error rates: --eer FILE or --published-eer DATA-SET."


def _ends(low: str, high: str, scale: float = 1.0) -> Callable[[Record], str | None]:
    return lambda one: interval((one[low], one[high]), scale) or None


def _rate(one: Record) -> str | None:
    """An error rate with its interval, and whether it is only quoted."""
    if not is_known(one["eer"]):
        return None
    doubt = "" if one["eer_verified"] else "not verified"
    return " ".join(filter(None, (interval((one["eer_low"], one["eer_high"])), doubt))) or None


def decision_section(
    decisions: pd.DataFrame, lengths: LengthTable | None, rates_source: str
) -> Section:
    """One sortable table, the largest front-end first, then the fastest."""
    notes = [NOTE]
    if lengths is None:
        notes.append(WITHOUT_LENGTHS)
    else:
        notes.append(
            f"p50, p95, largest memory and device time are over {lengths.name}: {lengths.count:,} "
            f"recordings, {lengths.hours:.2f} h."
        )
    notes.append(f"EER: {rates_source}." if rates_source else WITHOUT_RATES)
    fields = (
        Field("detector", "detector", is_key=True),
        *labels("frontend"),
        Field("at (s)", "at_s"),
        Field("RTF", "rtf", is_key=True),
        Field("latency (ms)", "latency_s", 1e3, is_key=True),
        Field("p50 (ms)", "latency_p50_s", 1e3, is_key=True),
        Field("p95 (ms)", "latency_p95_s", 1e3, is_key=True),
        Field("memory (MB)", "memory_bytes", 1e-6, is_key=True),
        Field("largest (MB)", "corpus_memory_bytes", 1e-6, is_key=True),
        Field("GFLOP", "flops", 1e-9, is_key=True),
        Field("params (M)", "n_parameters", 1e-6, is_key=True),
        Field("device s / audio h", HOUR, is_key=True),
        Field("EER (%)", "eer"),
        Field("of the EER", _rate),
        Field("missing", "reason"),
        Field("notes", "notes"),
        *labels("backend", "precision", "batch_size", "execution", "attention", "clock"),
        *labels("device_name"),
        Field("95 % interval of latency (ms)", _ends("latency_low_s", "latency_high_s", 1e3)),
        Field("of p50 (ms)", _ends("latency_p50_low_s", "latency_p50_high_s", 1e3)),
        Field("of p95 (ms)", _ends("latency_p95_low_s", "latency_p95_high_s", 1e3)),
        Field("of device s / audio h", _ends(f"{HOUR}_low", f"{HOUR}_high")),
    )
    title = "Which detector for which budget"
    if decisions.empty:
        notes = ["No cell of a detector was measured, so there is none to choose."]
        return Section("decision", "Which one", title, tuple(notes), ())
    ordered = decisions.assign(
        size=decisions.groupby("frontend", dropna=False)["n_parameters"].transform("max")
    ).sort_values(["size", "rtf"], ascending=[False, True], kind="stable", na_position="last")
    caption = f"All {number(float(decisions['detector'].nunique()))} detectors"
    table = tabulate("decisions", caption, fields, ordered.to_dict("records"))
    return Section("decision", "Which one", title, tuple(notes), (table,))
