"""One output has one writer, whatever becomes of it."""

import os
import signal
import subprocess
import sys

import pytest

from fakemamba.locks import BusyError, sole_writer

HOLDER = """
import os, sys, time
from fakemamba.locks import sole_writer
begun, telling = os.pipe()
with sole_writer(sys.argv[1]):
    worker = os.fork()  # such as one that reads recordings
    if worker == 0:
        os.write(telling, b"!")  # it has let go of what it was born with
        time.sleep(600)
    os.read(begun, 1)
    print(worker, flush=True)
    sys.stdin.read()
"""


def names(folder):
    return [path.name for path in folder.iterdir()]


@pytest.fixture
def holder(tmp_path):
    """A process that holds an output."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "scores.txt")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    worker = int(process.stdout.readline())
    yield process
    process.kill()
    os.kill(worker, signal.SIGKILL)
    process.communicate()


def test_the_second_writer_is_told_who_the_first_is(holder, tmp_path):
    told = rf"scores\.txt is being written .*\({holder.pid}\)"
    with pytest.raises(BusyError, match=told), sole_writer(tmp_path / "scores.txt"):
        pytest.fail("entered")
    with sole_writer(tmp_path / "others.txt"):
        pass


def test_a_killed_writer_holds_nothing_though_its_worker_lives(holder, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with sole_writer(tmp_path / "scores.txt"):
        assert names(tmp_path) == [".scores.txt.lock"]
    assert names(tmp_path) == []


def test_within_one_process_too(tmp_path):
    with sole_writer(tmp_path), pytest.raises(BusyError), sole_writer(tmp_path):
        pytest.fail("entered")
    assert names(tmp_path) == []


def test_by_whichever_name_and_whether_it_is_there_or_not(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "out")
    with sole_writer(tmp_path / "link"), pytest.raises(BusyError), sole_writer(tmp_path / "out"):
        pytest.fail("entered")
    with sole_writer(tmp_path / "run", is_folder=True):
        assert (tmp_path / "run").is_dir()
        with pytest.raises(BusyError), sole_writer(tmp_path / "run", is_folder=True):
            pytest.fail("entered")
    assert names(tmp_path) == ["link"], "a folder in which nothing was written goes"
    with sole_writer(tmp_path / "run", is_folder=True):
        (tmp_path / "run" / "written").touch()
    assert names(tmp_path / "run") == ["written"]


def test_a_folder_is_no_file_or_device(tmp_path):
    (tmp_path / "file").touch()
    for path, kind in ((tmp_path / "file", "a file"), ("/dev/null", "a device")):
        told = f"is {kind}; name a folder"
        with pytest.raises(OSError, match=told), sole_writer(path, is_folder=True):
            pytest.fail("entered")


def test_of_several_ranks_the_first_holds_it(tmp_path):
    with sole_writer(tmp_path / "out"), sole_writer(tmp_path / "out", is_first=False):
        pass
