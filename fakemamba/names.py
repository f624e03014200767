"""Names are data: text of anybody's, a file's name or a result's, wherever it is shown or written.

Whatever it is, it neither controls a terminal, nor is markup, nor a formula, nor a folder. What
is shown by rich goes through a ``Text`` or ``markup=False`` besides, and HTML and Plotly have their
own rules in ``analysis/report``.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable
from itertools import count
from typing import Any

LABEL_LENGTH, LINE_LENGTH = 48, 200
# Control characters but tab and newline, soft hyphens, zero widths, line and paragraph separators,
# directions, lone surrogates, language tags.
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
MARKUP = re.compile(r"([\\`*_{}\[\]|<>#&!~$])|(?<=:)(?=//)|(?<=www)(?=\.)")
MARKUP_AT_THE_START = re.compile(r"^(?=[-+=](?!\d))|^\d+(?=[.)](?:\s|$))")
# In code all may be markup, or end it; "@" would notify, also where it is written as an entity.
NOT_CODE = re.compile(r"[^0-9A-Za-z ,/=()%+\-\u00a1-\U0010ffff]")
FORMULA = re.compile(r"\s*[=+\-@\t\r]")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
LONGEST_WORD = 40  # letters of a file's name
LONGEST_PART = 200  # bytes of it; file systems take 255, with endings


def visible(text: str) -> str:
    """``text`` with characters that cannot be seen as their escapes, e.g. ``\\u202e``."""
    return UNSEEN.sub(lambda found: rf"\u{ord(found.group()):04x}", text)


def shorten(text: str, length: int = LABEL_LENGTH) -> str:
    """The beginning of a long text, as long as ``length`` at the most."""
    return text if len(text) <= length else text[: length - 1] + "…"


def short_name(name: str, length: int = LABEL_LENGTH) -> str:
    """A name on one line; of a long one the middle is left out, as options stand at its end."""
    name = visible(" ".join(name.split()))
    end = (length - 1) // 2
    return name if len(name) <= length else f"{name[: length - 1 - end]}…{name[-end:]}"


def short_names(names: Iterable[str], length: int = LABEL_LENGTH) -> dict[str, str]:
    """`short_name` of each; those that would become the same are numbered."""
    found: dict[str, str] = {}
    for name in dict.fromkeys(names):
        short = short_name(name, length)
        for number in count(2):
            if short not in found.values():
                break
            mark = f" ({number})"
            short = short_name(name, length - len(mark)) + mark
        found[name] = short
    return found


def one_line(text: str, length: int = LINE_LENGTH) -> str:
    """A text on one line, visible and not too long."""
    # What is not shown need not be escaped: a text may have any length.
    escaped = visible(shorten(text, length)).replace("\n", r"\n").replace("\t", r"\t")
    return shorten(escaped, length)


def in_markdown(text: str, length: int = LINE_LENGTH) -> str:
    """A text that is no markup, link, cell's end or line's beginning, and notifies nobody."""
    escaped = MARKUP.sub(lambda found: f"\\{found.group()}", one_line(text, length))
    escaped = MARKUP_AT_THE_START.sub(lambda found: f"{found.group()}\\", escaped)
    return escaped.replace("@", "@&#8203;")


def in_markdown_code(text: str, length: int = LINE_LENGTH) -> str:
    """A text as code, so that all of it is shown as it is; nothing of an empty one."""
    if not text:
        return ""
    escaped = NOT_CODE.sub(lambda found: f"&#{ord(found.group())};", one_line(text, length))
    return f"<code>{escaped.replace('&#64;', '&#64;&#8203;')}</code>"


def in_spreadsheet(value: Any) -> Any:
    """A cell of a CSV for people: what a spreadsheet would compute begins with ``'``.

    Numbers stay numbers. Files that are read back (scores, manifests) keep their texts as they are.
    """
    if not isinstance(value, str) or not FORMULA.match(value) or NUMBER.fullmatch(value):
        return value
    return f"'{value}"


def in_file_name(words: Iterable[object]) -> str:
    """Words as a file's name or a part of one: letters, digits, - and dots, and never too long."""
    plain = (re.sub(r"[^\w.]+", "-", str(word).replace(":", "")).strip("-.") for word in words)
    name = "-".join(word[:LONGEST_WORD] for word in plain if word)
    if len(name.encode()) <= LONGEST_PART:
        return name
    cut = name.encode()[: LONGEST_PART - 9].decode(errors="ignore")
    return f"{cut}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def distinct_file_names(names: Iterable[str]) -> list[str]:
    """`in_file_name` of each recording's name, all of them different on any file system."""
    taken: set[str] = set()
    found = []
    for name in names:
        stem = in_file_name([name]) or "recording"
        tries = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
        found.append(next(one for one in tries if one.casefold() not in taken))
        taken.add(found[-1].casefold())
    return found


class VisibleFormatter(logging.Formatter):
    """Formats records of logging so that nothing in them controls a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, or lines, of a record."""
        return visible(super().format(record))
