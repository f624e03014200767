"""A process that holds a detector, so that its end takes nothing with it but what it computes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from fakemamba.bench.child import (
    ChildEndedError,
    context_for,
    ended_without_answer,
    say_into,
)
from fakemamba.bench.load.dispatch import Answer
from fakemamba.interrupts import hidden_from_children

Compute = Callable[[Sequence[int]], Sequence[Answer]]  # places of waveforms to an answer each
Make = Callable[[], Compute]  # called in the process; it is pickled
ENDS_WITHIN_S = 2.0  # when nobody asks any more


class Worker:
    """A process that makes a detector and then answers batches, one at a time.

    Args:
        make: makes what answers, in the process.
        device: where that works.
        timeout_s: after which a batch without an answer ends it.
    """

    def __init__(self, make: Make, device: torch.device, timeout_s: float) -> None:
        context = context_for(device)
        self._timeout_s = timeout_s
        self._folder = tempfile.TemporaryDirectory()
        self._said = Path(self._folder.name) / "said.txt"
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_work, args=(theirs, self._said, make), name="fakemamba load", daemon=True
        )
        with hidden_from_children():
            self._process.start()
        theirs.close()  # so that the pipe ends with the process

    def wait_until_ready(self) -> None:
        """Wait until the detector is made.

        Raises:
            ChildEndedError: it cannot be.
        """
        self._received()

    def answers(self, samples: Sequence[int]) -> Sequence[Answer]:
        """Answers of a batch, by the places of its waveforms.

        Raises:
            ChildEndedError: the process ended, or took too long and was ended.
        """
        try:
            self._pipe.send(list(samples))
        except OSError:  # it ended since the last batch, and why is found below
            pass
        else:
            if not self._pipe.poll(self._timeout_s):
                reason = f"a batch took longer than {self._timeout_s:g} s"
                raise ChildEndedError(f"{reason}, and its worker was ended", "")
        return self._received()

    def close(self) -> None:
        """End the process; one that does not end by itself is killed."""
        self._pipe.close()
        self._process.join(ENDS_WITHIN_S)
        self._process.kill()
        self._process.join()
        self._folder.cleanup()

    def _received(self) -> Sequence[Answer]:
        try:
            found: Sequence[Answer] = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            raise ended_without_answer(self._process.exitcode, self._said) from None
        return found


def _work(pipe: Connection, said: Path, make: Make) -> None:
    say_into(said)
    compute = make()
    pipe.send(())
    while True:
        try:
            samples = pipe.recv()
        except EOFError:  # whoever asked is gone
            return
        pipe.send(compute(samples))
