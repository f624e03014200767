"""Figures as people read them, and labels as Plotly shows them."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from typing import Any

from fakemamba.names import short_name

UNKNOWN = "–"


def plotly_label(text: str) -> str:
    """A short label that Plotly, which knows some tags and ``%{...}``, shows as it is."""
    escaped = html.escape(short_name(text), quote=False)
    return escaped.replace("%", "&#37;").replace("$", "&#36;").replace("\n", " ")


def is_known(value: Any) -> bool:
    """Whether there is a value: neither None nor NaN."""
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def number(value: float | None) -> str:
    """Three significant digits, or a dash where it is unknown."""
    if value is None or math.isnan(value):
        return UNKNOWN
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def share(value: float | None) -> str:
    """A share as a percentage."""
    return UNKNOWN if value is None or math.isnan(value) else f"{number(round(value * 100, 1))} %"


def interval(low_high: Sequence[float | None] | None, scale: float = 1.0, decimals: int = 4) -> str:
    """``[low, high]``, or nothing where it is unknown."""
    if low_high is None or not all(map(is_known, low_high)):
        return ""
    ends = [number(round(end * scale, decimals)) for end in low_high if end is not None]
    return f"[{', '.join(ends)}]"


def enumerate_names(names: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
