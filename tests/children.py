"""Commands in processes of their own that begin at once, to be killed in the midst of their work.

A server that has imported everything forks them, so that a kill costs no start-up; each is a
process like any other, with threads, files and locks of its own.
"""

import contextlib
import multiprocessing
import os
import sys
import time
from pathlib import Path

PRELOADED = [
    "torch",
    "fakemamba.cli.main",
    "fakemamba.cli.score",
    "fakemamba.evaluation.checkpoint_scores",
    "fakemamba.training.run",
    "fakemamba.bench.sweep_runner",
]


def _main(arguments, log, folder):
    os.chdir(folder)
    with log.open("a") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    if arguments[0] == "pytest":
        import pytest

        sys.exit(int(pytest.main(arguments[1:])))
    from fakemamba.cli.main import main

    sys.exit(main(arguments))


class Children:
    """Starts commands (``fakemamba``'s, or ``pytest``) in a folder, with one log for all."""

    def __init__(self, folder, log):
        self.folder, self.log = Path(folder), Path(log)
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(PRELOADED)

    def start(self, arguments):
        """A command that runs beside us."""
        words = [str(one) for one in arguments]
        child = self.context.Process(target=_main, args=(words, self.log, self.folder))
        child.start()
        return child

    def run(self, arguments):
        """A command to its end, which has to be a good one."""
        child = self.start(arguments)
        child.join()
        assert child.exitcode == 0, self.log.read_text()

    def kill_at_work(self, arguments, progress, delay_s):
        """Kill -9 a command when it has done something more, and a moment after that.

        Args:
            arguments: of the command.
            progress: tells how much is done; None while that cannot be told.
            delay_s: the moment.

        Returns:
            Whether it was at work when it was killed; otherwise it has ended, and well.
        """
        before = progress()
        child = self.start(arguments)
        while child.is_alive() and progress() in (before, None):
            time.sleep(0.001)
        child.join(delay_s)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, 9)
        child.join()
        assert child.exitcode in (0, -9), self.log.read_text()
        return child.exitcode == -9
