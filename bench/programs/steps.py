"""Commands one after the other, each with a limit of time, a log, and a line in a table.

A step that fails or runs over does not stop those after it. The table is on the disk before the
next step begins, so the same list goes on where it was cut: what ended well is not run again.
"""

from __future__ import annotations

import csv
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import IO

from fakemamba import interrupts
from fakemamba.files import write_csv

TABLE = "steps.csv"
LOGS = "log"
GRACE_S = 15.0  # for a step that is told to stop, to write what it has; then it is killed
LEAST_S = 5.0  # with less time left a step is not begun
RAN_OVER = 124  # as `timeout` says it
NO_SUCH_PROGRAM = 127  # as a shell says it


class StepsError(ValueError):
    """A list of steps cannot be run, or not in this folder; the message says what to do."""


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        name: of its log and its line; unique in a list.
        command: program and arguments.
        limit_s: after so many seconds it is interrupted as by Ctrl-C, and later killed.
        expected_status: the exit status that says that all went well.
    """

    name: str
    command: tuple[str, ...]
    limit_s: float
    expected_status: int = 0


@dataclass(frozen=True)
class Ending:
    """How a step ended: a line of the table.

    Attributes:
        step: its name.
        device: that the list was for.
        outcome: ``done``, ``failed``, ``ran over``, ``interrupted`` or ``not begun`` (no time).
        exit_status: of the command, `RAN_OVER` if it had to be stopped; None if it did not run.
        duration_s: how long it ran.
    """

    step: str
    device: str
    outcome: str
    exit_status: int | None = None
    duration_s: float | None = None

    @property
    def is_done(self) -> bool:
        """Whether it ended as it should."""
        return self.outcome == "done"


def run_steps(
    steps: Sequence[Step],
    out: Path,
    folder: Path,
    device: str,
    budget_s: float,
    tell: Callable[[str], None],
    *,
    again: bool = False,
) -> list[Ending]:
    """Run all steps but those that ended well before, and write down how each of them ended.

    Args:
        steps: the most important first.
        out: gets the table and a folder of logs.
        folder: where the commands run.
        device: what is measured; a table of another one is refused.
        budget_s: of all steps together: a step gets its limit or what is left.
        tell: is told the progress.
        again: also what ended well before is run.

    Returns:
        The endings of these steps, in their order, earlier ones included.

    Raises:
        StepsError: the folder holds steps of another device.
        KeyboardInterrupt: by Ctrl-C or SIGTERM; the step that ran is in the table as interrupted.
    """
    known = {ending.step: ending for ending in read_endings(out)}
    for ending in known.values():
        if ending.device != device:
            raise StepsError(
                f"{out} holds what was measured on {ending.device}, and this is {device}; give "
                "another folder"
            )
    end_s = time.monotonic() + budget_s
    for step in steps:
        if not again and step.name in known and known[step.name].is_done:
            tell(f"{step.name}: done before")
            continue
        limit_s = min(step.limit_s, end_s - time.monotonic())
        ending = Ending(step.name, device, "not begun")
        if limit_s >= min(LEAST_S, step.limit_s):
            tell(f"{step.name} …")
            ending = _run(replace(step, limit_s=limit_s), ending, out / LOGS, folder)
        known[step.name] = ending
        _write(out, known.values())
        tell(_line(ending))
        if ending.outcome == "interrupted":
            raise KeyboardInterrupt
    return [known[step.name] for step in steps]


def read_endings(out: Path) -> list[Ending]:
    """The table of a folder; empty if there is none.

    Raises:
        StepsError: it is no such table.
    """
    path = out / TABLE
    if not path.exists():
        return []
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    try:
        return [
            Ending(
                row["step"],
                row["device"],
                row["outcome"],
                int(row["exit_status"]) if row["exit_status"] else None,
                float(row["duration_s"]) if row["duration_s"] else None,
            )
            for row in rows
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise StepsError(f"{path} is no table of steps ({error!r}); remove it") from error


def _write(out: Path, endings: Iterable[Ending]) -> None:
    columns = [field.name for field in fields(Ending)]
    write_csv(out / TABLE, columns, (vars(ending).values() for ending in endings))


def _run(step: Step, ending: Ending, logs: Path, folder: Path) -> Ending:
    logs.mkdir(parents=True, exist_ok=True)
    start_s = time.monotonic()
    with (logs / f"{step.name}.log").open("w") as log:
        log.write(f"$ {shlex.join(step.command)}\n")
        log.flush()
        try:
            outcome, status = _run_logged(step, log, folder)
        except OSError as error:
            log.write(f"{error}\n")
            outcome, status = "failed", NO_SUCH_PROGRAM
    duration_s = round(time.monotonic() - start_s, 2)
    return replace(ending, outcome=outcome, exit_status=status, duration_s=duration_s)


def _run_logged(step: Step, log: IO[str], folder: Path) -> tuple[str, int]:
    """Outcome and exit status of a command.

    It runs in a session of its own, so that it can be stopped with all that it has started.
    """
    program = None
    try:  # an interrupt may come before the first line after the start
        program = subprocess.Popen(
            step.command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        status = program.wait(step.limit_s)
    except subprocess.TimeoutExpired:
        assert program is not None
        _stop(program)
        return "ran over", RAN_OVER
    except KeyboardInterrupt:
        if program is not None:
            _stop(program)
        return "interrupted", interrupts.status()
    return ("done" if status == step.expected_status else "failed"), status


def _stop(program: subprocess.Popen[bytes]) -> None:
    """End a program: first by what Ctrl-C sends, then, in the end, with all of its group."""
    os.killpg(program.pid, signal.SIGINT)
    try:
        program.wait(GRACE_S)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        os.killpg(program.pid, signal.SIGKILL)
        program.wait()


def _line(ending: Ending) -> str:
    took = "" if ending.duration_s is None else f" after {ending.duration_s:.0f} s"
    status = "" if ending.outcome != "failed" else f" with exit status {ending.exit_status}"
    return f"{ending.step}: {ending.outcome}{took}{status}"
