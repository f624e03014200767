"""Signals in processes of their own that are at a certain place: one line, and 130 or 143."""

import os
import signal
import subprocess
import sys

import pytest

from fakemamba import interrupts

COMMAND = """
import sys, time
from fakemamba.files import atomic_write
from fakemamba.interrupts import *
from fakemamba.locks import sole_writer
def here():
    print("here", flush=True)
sys.path.insert(0, sys.argv[1])
with as_exceptions():
    try:
        exec(sys.argv[2])
    except KeyboardInterrupt as interrupt:
        print(str(interrupt) or AGAIN, file=sys.stderr)
        leave()
print("not interrupted")
"""
PLACES = {
    "at work": "here(); time.sleep(30)",
    "while a thread works": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "pool = ThreadPoolExecutor(); pool.submit(time.sleep, 30); here(); time.sleep(30)"
    ),
    "while a process works": (
        "from multiprocessing import Process\n"
        "with hidden_from_children(): Process(target=time.sleep, args=(30,)).start()\n"
        "here(); time.sleep(30)"
    ),
    "while it waits for a program": (
        "with child([sys.executable, '-c', 'import time; time.sleep(90)']) as process:\n"
        "    here(); process.wait()"
    ),
    "in a finalizer": (
        "class Finalized:\n"
        "    def __del__(self):\n"
        "        here(); time.sleep(30)\n"
        "Finalized(); time.sleep(30)"
    ),
    "in an import": "import slow_for_ever",
    "in an import while it writes": (
        "out = sys.argv[1] + '/out'\n"
        "with sole_writer(out), atomic_write(out) as partial:\n"
        "    partial.write_text('half'); import slow; time.sleep(30)"
    ),
}


def interrupted(folder, program, number, **options):
    """Status and outputs of a program whose group got a signal when it was at its place."""
    for name, seconds in (("slow", 0.3), ("slow_for_ever", 30)):
        module = "print('here', flush=True)\nimport time\n"
        (folder / f"{name}.py").write_text(f"{module}time.sleep({seconds})\n")
    command = [sys.executable, "-c", COMMAND, str(folder), program]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    ) as process:
        assert process.stdout.readline() == "here\n"
        os.killpg(process.pid, number)
        said, told = process.communicate(timeout=60)
    return process.returncode, said, told


@pytest.mark.parametrize("number", interrupts.SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("place", PLACES)
def test_it_is_one_line_and_a_shells_status(tmp_path, place, number):
    status, said, told = interrupted(tmp_path, PLACES[place], number)
    assert (status, said) == (128 + number, "")
    assert told.removeprefix("fakemamba: ") == f"{interrupts.AGAIN}\n"
    left = {path.name for path in tmp_path.iterdir()}
    assert left <= {"slow.py", "slow_for_ever.py", "__pycache__"}, "nothing half made"


def test_the_second_signal_ends_what_the_first_one_does_not(tmp_path):
    program = (
        "import os, signal\n"
        "try:\n"
        "    here(); time.sleep(30)\n"
        "finally:\n"
        "    end_at_once(); os.kill(os.getpid(), signal.SIGTERM); time.sleep(30)"
    )
    assert interrupted(tmp_path, program, signal.SIGINT) == (143, "", "")


def test_how_to_go_on_is_told(tmp_path):
    program = "with gone_on_with('go on with --resume'):\n    here(); time.sleep(30)"
    *_, told = interrupted(tmp_path, program, signal.SIGTERM)
    assert told == "interrupted; go on with --resume\n"


def test_an_error_that_a_signal_caused_is_the_interrupt(tmp_path):
    program = (
        "with gone_on_with('go on'):\n"
        "    try:\n"
        "        here(); time.sleep(30)\n"
        "    except KeyboardInterrupt:\n"
        "        raise RuntimeError('a worker was killed') from None"
    )
    status, _, told = interrupted(tmp_path, program, signal.SIGINT)
    assert (status, told) == (130, "interrupted; go on\n")


def test_a_signal_that_is_ignored_stays_so(tmp_path):
    program = "here(); time.sleep(0.5)"
    ignoring = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)}
    status, said, _ = interrupted(tmp_path, program, signal.SIGINT, **ignoring)
    assert (status, said) == (0, "not interrupted\n")


def test_what_was_before_is_so_again():
    before = [signal.getsignal(number) for number in interrupts.SIGNALS]
    hook = sys.unraisablehook
    with interrupts.as_exceptions(), pytest.raises(KeyboardInterrupt):
        assert not interrupts.has_come()
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            assert interrupts.has_come() and interrupts.status() == 143
    assert [signal.getsignal(number) for number in interrupts.SIGNALS] == before
    assert sys.unraisablehook is hook and not interrupts.has_come()


def test_this_module_is_light():
    """Signals before it is loaded end in Python's own way."""
    loads = "import sys; from fakemamba.cli import main; print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", loads], capture_output=True, text=True, check=True
    )
    assert not {"torch", "numpy", "tyro", "rich", "logging"} & {*found.stdout.split()}
