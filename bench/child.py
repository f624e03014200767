"""A function's answer from a process of its own: nothing that ran here before is in it.

It finds modules where this one does (`sys.path`), and imports those that ``loaded`` names first: a
plug-in may have registered a detector, which is not known otherwise.

For work on a CPU, processes are forked from a server that has imported everything and done nothing,
so that each begins in a fraction of a second. For a GPU they are begun from the start: a driver
that was looked at before a fork does not work after it.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from fakemamba.interrupts import hidden_from_children
from fakemamba.names import shorten

_PRELOADED = ["fakemamba.bench.sweep.isolation"]
LONGEST_REASON = 300
loaded: list[tuple[str, str]] = []  # names and files of modules that every new process imports


class ChildEndedError(RuntimeError):
    """A process ended, or was ended, without an answer; ``said`` is what it wrote meanwhile."""

    def __init__(self, reason: str, said: str) -> None:
        super().__init__(reason)
        self.said = said


def answer_of(
    function: Callable[..., Any],
    *arguments: Any,
    device: torch.device,
    timeout_s: float | None = None,
) -> Any:
    """Call a function in a new process.

    Args:
        function: of a module, so that the process can find it.
        arguments: what it is given; they and the answer are pickled.
        device: where it will work.
        timeout_s: the process is ended after so many seconds.

    Raises:
        ChildEndedError: there is no answer.
    """
    context = context_for(device)
    ours, theirs = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder, ours:
        said = Path(folder) / "said.txt"
        work = (list(loaded), function, arguments)
        process = context.Process(target=_answer, args=(theirs, said, work))
        with hidden_from_children():
            process.start()
        theirs.close()  # so that the pipe ends with the process
        try:
            if not ours.poll(timeout_s):
                reason = f"it took longer than {timeout_s:g} s and was ended"
                raise ChildEndedError(reason, _text(said))
            return ours.recv()
        except EOFError:
            process.join()
            raise ended_without_answer(process.exitcode, said) from None
        finally:
            process.kill()
            process.join()


def context_for(device: torch.device) -> Any:
    """How processes for work on a device are begun: what multiprocessing calls a context."""
    if device.type != "cpu" or "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


def say_into(said: Path) -> None:
    """Let what this process writes to stdout and stderr, and native code of it, go to a file."""
    with said.open("w") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)


def ended_without_answer(status: int | None, said: Path) -> ChildEndedError:
    """Why a process ended, by its exit status and what it wrote to a file."""
    text = _text(said)
    return ChildEndedError(_death(status, text), text)


def _answer(pipe: Connection, said: Path, work: tuple[Any, ...]) -> None:
    say_into(said)
    loaded[:], function, arguments = work
    for name, path in loaded:
        _load(name, path)
    pipe.send(function(*arguments))


def _load(name: str, path: str) -> None:
    """Import a module by its name, or the file that pytest found under no such name.

    Raises:
        ImportError: it cannot be imported here; names it.
    """
    try:
        try:
            found = importlib.util.find_spec(name)
        except ModuleNotFoundError:  # of the package that it would be in
            found = None
        if found is not None and found.origin == path:
            importlib.import_module(name)
            return
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise ImportError(
            f"the plug-in {path} cannot be loaded in a new process ({why})"
        ) from error


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""


def _death(status: int | None, said: str) -> str:
    """Why there is no answer; the last line of a traceback says it best."""
    if status is None:
        return "its process left no answer"
    if status == 1 and said.strip():
        return f"its process ended with: {shorten(said.strip().splitlines()[-1], LONGEST_REASON)}"
    if status == -signal.SIGKILL:
        return "its process was killed (SIGKILL): by hand, or by the kernel because memory ended"
    if status < 0:
        return f"its process ended by signal {signal.Signals(-status).name}"
    return f"its process ended with status {status} and left no record"
