"""A check of a kernel in a process of its own, which may crash or hang, with a limit of time.

It is not begun by multiprocessing, which runs a script again that has no main guard.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress

from fakemamba.kernel_checks import KernelCheck
from fakemamba.names import one_line
from fakemamba.records import parse_record

PROGRAM = "fakemamba.models.trust.comparison"
LIMIT_S = 180.0  # compiling for three precisions takes half a minute of a core
BY_OTHERS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class _NoAnswerError(ValueError):
    """What a program wrote is no check."""


def check_in_process(kernel: str, device: str, limit_s: float = LIMIT_S) -> KernelCheck:
    """Check a kernel on a device in a new process, which is ended after ``limit_s``."""
    command = [sys.executable or "python3", "-P", "-m", PROGRAM, kernel, device, str(limit_s)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, map(str, sys.path)))}
    try:
        program = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # it is ended with the compilers that it has begun
        )
    except OSError as error:
        return KernelCheck("not-checked", f"no process can be started: {error}", {})
    with program:
        try:
            answer, said = program.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            return KernelCheck("failed", f"it was not done after {limit_s:g} s", {})
        finally:
            if program.returncode is None:
                os.killpg(program.pid, signal.SIGKILL)
    line = answer.rstrip().rpartition(b"\n")[2]  # before it there may be what a kernel has printed
    if program.returncode == 0:
        with suppress(_NoAnswerError):
            return parse_record(line, KernelCheck, PROGRAM, _NoAnswerError, "")
    return _without_answer(program.returncode, said.decode(errors="replace"))


def _without_answer(status: int, said: str) -> KernelCheck:
    last = one_line((said.strip().splitlines() or ["it said nothing"])[-1])
    if status >= 0:  # what a kernel raises is an answer: this is from before it was begun with
        return KernelCheck("not-checked", f"the process that was to check it ended: {last}", {})
    number = signal.Signals(-status)
    error = f"the process that checked it ended by {number.name} ({last})"
    return KernelCheck("not-checked" if number in BY_OTHERS else "failed", error, {})
