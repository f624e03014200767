"""Tables and lines on a terminal show names as they are, and nothing in them controls it."""

import io

import pytest
from rich.console import Console
from rich.table import Column
from rich.text import Text

from fakemamba.cli.printing import TextTable, say

HOSTILE = ["[red]x[/red]", "[/]", "a\x1b[2Jb", "\u202eabc", ":smile:", "[link=file:///]x[/link]"]


def printed(table):
    """What a terminal with colours gets."""
    file = io.StringIO()
    Console(file=file, force_terminal=True, width=200).print(table)
    return file.getvalue()


@pytest.mark.parametrize("name", HOSTILE)
def test_heads_cells_and_titles_are_text(name):
    table = TextTable(name, Column(name, justify="right"), title=name)
    table.add_row(name, Text(name, "bold"))
    shown = printed(table)
    escaped = name.replace("\x1b", "\\u001b").replace("\u202e", "\\u202e")
    assert shown.count(escaped) == 5
    assert "\x1b[2J" not in shown and "\u202e" not in shown and "\x1b]8" not in shown


def test_lines_are_kept(capsys):
    say("a\nb\x1b[2J")
    assert capsys.readouterr().out == "a\nb\\u001b[2J\n"
