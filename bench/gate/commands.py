"""Programs that the gate runs: in an environment that nobody's shell has bent, with their output.

A gate compares two revisions, so nothing of the caller's environment may reach one of them and not
the other: variables of Python, pytest, git and pip's constraints are left out. What a program
prints goes into one log; where a program fails, its last lines are in the error.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

# A constraint file of one revision, or the repository in whose hook a gate is run, would silently
# be used for the other one as well.
LEFT_OUT = (
    *("PYTHON", "PYTEST", "VIRTUAL_ENV", "__PYVENV", "PIP_CONSTRAINT"),
    *("GIT_DIR", "GIT_INDEX", "GIT_OBJECT", "GIT_PREFIX", "GIT_WORK_TREE"),
)
LAST_LINES = 12


class GateError(ValueError):
    """The gate cannot answer; the message says what went wrong and what to do."""


def clean_environment() -> dict[str, str]:
    """The environment variables without those that change what Python, pytest, pip or git do."""
    return {name: value for name, value in os.environ.items() if not name.startswith(LEFT_OUT)}


def run_logged(command: Sequence[str | Path], folder: Path, log: Path) -> int:
    """Run a program in a folder, with its output at the end of the log.

    It gets a process group of its own, which is ended with all that it started if this process is
    interrupted.

    Returns:
        Its exit status.

    Raises:
        OSError: it cannot be started.
    """
    words = [str(word) for word in command]
    with log.open("a") as written:
        written.write(f"\n$ cd {folder} && {' '.join(words)}\n")
        written.flush()
        with subprocess.Popen(
            words,
            cwd=folder,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as program:
            try:
                return program.wait()
            finally:
                if program.returncode is None:
                    os.killpg(program.pid, signal.SIGKILL)


def require(command: Sequence[str | Path], folder: Path, log: Path, what: str) -> None:
    """Run a program that has to succeed.

    Raises:
        GateError: it did not; with ``what`` failed, and the last lines that it printed.
    """
    start = log.stat().st_size if log.exists() else 0
    status = run_logged(command, folder, log)
    if status:
        raise GateError(f"{what} failed (exit status {status}; see {log}):\n{_tail(log, start)}")


def ask(command: Sequence[str | Path], folder: Path, **variables: str) -> str:
    """What a short program answers on its standard output.

    Args:
        command: the program and its arguments.
        folder: where it runs.
        variables: to be added to its environment.

    Raises:
        GateError: it failed, or is not there; with what it printed on standard error.
    """
    words = [str(word) for word in command]
    try:
        finished = subprocess.run(
            words,
            cwd=folder,
            env=clean_environment() | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise GateError(f"{words[0]} cannot be run: {error}") from error
    if finished.returncode:
        raise GateError(f"`{' '.join(words)}` failed: {finished.stderr.strip()}")
    return finished.stdout.strip()


def _tail(log: Path, start: int) -> str:
    with log.open(errors="replace") as written:
        written.seek(start)
        return "\n".join(written.read().splitlines()[-LAST_LINES:])
