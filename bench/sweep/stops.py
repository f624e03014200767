"""A sweep that is interrupted: by Ctrl-C or SIGTERM alike, with a shell's status and how to go on.

pytest then writes what was measured, as at the end of any session; what it cannot keeps its place
in the journal.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fakemamba import interrupts


class Stops:
    """A plugin of pytest; ``result`` is the sweep's, if it has one."""

    def __init__(self, config: pytest.Config, result: Path | None) -> None:
        self._config = config
        remedy = "nothing was written" if result is None else f"go on with --bench-resume {result}"
        self._line = f"fakemamba sweep: interrupted; {remedy}"
        stack = ExitStack()
        stack.enter_context(interrupts.as_exceptions())
        config.add_cleanup(stack.close)

    def pytest_keyboard_interrupt(self) -> None:
        """The second one does not wait for the result."""
        interrupts.end_at_once()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        """The status is 130 or 143 instead of pytest's own for both."""
        was_interrupted = session.exitstatus == pytest.ExitCode.INTERRUPTED
        yield
        if was_interrupted and interrupts.has_come():
            session.exitstatus = interrupts.status()
            self._config.get_terminal_writer().line(self._line, red=True)
