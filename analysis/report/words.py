"""Figures, and strings from foreign files, as people read them.

A result may hold any string. Markup is escaped where it is inserted (by the template, and by
``plotly_label``); here characters that cannot be seen, or that turn the text around them, are made
visible.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

UNKNOWN = "–"
LABEL_LENGTH = 48
# Control characters but tab and newline, soft hyphens, zero widths, line and paragraph separators,
# directions, lone surrogates, language tags.
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """``text`` with characters that cannot be seen as their escapes, e.g. ``\\u202e``."""
    return UNSEEN.sub(lambda found: rf"\u{ord(found.group()):04x}", text)


def shorten(text: str, length: int = LABEL_LENGTH) -> str:
    """The beginning of a long text, as long as ``length`` at the most."""
    return text if len(text) <= length else text[: length - 1] + "…"


def plotly_label(text: str) -> str:
    """A short label that Plotly, which knows some tags and ``%{...}``, shows as it is."""
    escaped = html.escape(shorten(visible(text)), quote=False)
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
