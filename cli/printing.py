"""What is printed: tables and lines in which a name is text, whatever it is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TextIO

from rich.console import Console
from rich.progress import track
from rich.table import Column, Table
from rich.text import Text

from fakemamba.names import UNSEEN, visible


def say(text: object, file: TextIO | None = None) -> None:
    """Print a line, or lines, to stdout or another stream; what cannot be seen is made visible."""
    print(visible(str(text)), file=file or sys.stdout)


def counting(what: str, **how: Any) -> Callable[[Iterable[Any]], Iterable[Any]]:
    """What passes on all that it is given, and shows on stderr how far that is; as `track`."""
    return partial(track, description=what, console=Console(stderr=True), **how)


class TextTable(Table):
    """A rich table whose heads, cells and title are text and no markup."""

    def __init__(self, *heads: Any, title: str | None = None, **looks: Any) -> None:
        super().__init__(*heads, title=title and Text(visible(title), "table.title"), **looks)
        for column in self.columns:
            column.header = _plain(column.header)

    def add_row(self, *cells: Any, **looks: Any) -> None:
        """Add a row of texts, or of what is rich already."""
        super().add_row(*map(_plain, cells), **looks)


def right(head: str) -> Column:
    """A column of numbers."""
    return Column(head, justify="right", no_wrap=True)


def _plain(cell: Any) -> Any:
    if isinstance(cell, Text) and UNSEEN.search(cell.plain):
        return Text(visible(cell.plain), cell.style)
    return Text(visible(cell)) if isinstance(cell, str) else cell
