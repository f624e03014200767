"""Commands in processes of their own that begin at once, to get signals in the midst of their work.

A server that has imported everything forks them, so that one costs no start-up; each is a process
like any other, with threads, files and locks of its own.
"""

import contextlib
import multiprocessing
import os
import signal
import socket
import sys
import time
from pathlib import Path

from fakemamba import interrupts

PRELOADED = [
    "torch",
    "fakemamba.cli.main",
    "fakemamba.cli.score",
    "fakemamba.evaluation.checkpoint_scores",
    "fakemamba.training.run",
    "fakemamba.bench.sweep.runner",
]


def _main(arguments, outputs, folder, environment):
    os.setsid()  # a group of its own, which can get a signal as by Ctrl-C
    signal.pthread_sigmask(signal.SIG_UNBLOCK, interrupts.SIGNALS)  # also if the server blocks it
    os.chdir(folder)
    os.environ.update(environment)
    for number, path in enumerate(outputs, start=1):
        with path.open("a") as output:
            os.dup2(output.fileno(), number)
    if arguments[0] == "pytest":
        import pytest

        sys.exit(int(pytest.main(arguments[1:])))
    from fakemamba.cli.main import main

    sys.argv[1:] = arguments
    sys.exit(main())


def lines_of(*paths):
    """How many lines are in files, None while there are none."""
    there = [path.read_bytes().count(b"\n") for path in paths if path.exists()]
    return sum(there) if there else None


class Children:
    """Starts commands (``fakemamba``'s, or ``pytest``) in a folder.

    What all of them print is in files below ``out``, as their texts are in ``said`` and ``told``
    (stdout and stderr).
    """

    def __init__(self, folder, out):
        self.folder, self.outputs = Path(folder), (out / "stdout", out / "stderr")
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(PRELOADED)

    @property
    def said(self):
        return self.outputs[0].read_text()

    @property
    def told(self):
        return self.outputs[1].read_text()

    def start(self, arguments, **environment):
        """A command that runs beside us."""
        words = [str(one) for one in arguments]
        child = self.context.Process(
            target=_main, args=(words, self.outputs, self.folder, environment)
        )
        child.start()
        return child

    def start_until(self, is_there, arguments):
        """A command that runs beside us, and has come so far that ``is_there()``."""
        child = self.start(arguments)
        while not is_there():
            assert child.is_alive(), self.told
            time.sleep(0.002)
        return child

    def run(self, arguments):
        """A command to its end, which has to be a good one."""
        child = self.start(arguments)
        child.join()
        assert child.exitcode == 0, self.said + self.told

    def run_ranks(self, count, arguments):
        """The ranks of a command to their good ends, each told its place as torchrun tells it."""
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = free.getsockname()[1]
        world = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
        world["LOCAL_WORLD_SIZE"] = str(count)
        ranks = [
            self.start(arguments, **world, RANK=str(rank), LOCAL_RANK=str(rank))
            for rank in range(count)
        ]
        for rank in ranks:
            rank.join(300)
        assert [rank.exitcode for rank in ranks] == [0] * count, self.said + self.told

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
        assert child.exitcode in (0, -9), self.said + self.told
        return child.exitcode == -9
