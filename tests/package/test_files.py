"""What is read is a file, and what is written appears whole, where it was asked for."""

import errno
import json
import os
import socket
import threading

import pytest

from fakemamba.files import atomic_write, beside, kind_of, require_file, write_json


class OurError(ValueError):
    pass


@pytest.fixture
def oddities(tmp_path):
    """One of each kind of thing that a path can be."""
    os.mkfifo(tmp_path / "a pipe")
    (tmp_path / "a folder").mkdir()
    bound = socket.socket(socket.AF_UNIX)
    bound.bind(os.path.relpath(tmp_path / "a socket"))
    yield {"a device": "/dev/null"} | {one.name: one for one in tmp_path.iterdir()}
    bound.close()


def test_what_is_no_file_is_refused_by_what_it_is_and_not_opened(oddities):
    for kind, path in oddities.items():
        assert kind_of(path) == kind
        with pytest.raises(OurError, match=f"is {kind}, not a file; give a key"):
            require_file(path, OurError, "give a key")


def test_no_file_and_no_name_are_told_apart(tmp_path):
    with pytest.raises(OurError, match="no such file"):
        require_file(tmp_path / "none", OurError)
    with pytest.raises(OurError, match="no file's name"):
        require_file("a\0b", OurError)
    with pytest.raises(OurError, match="cannot be read"):
        require_file(tmp_path / ("x" * 300), OurError)
    (tmp_path / "there").write_text("")
    require_file(tmp_path / "there", OurError)


def test_a_link_is_written_where_it_points(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "link.json"
    link.symlink_to("elsewhere/goal.json")
    for content in (1, 2):
        write_json(link, content)
        assert link.is_symlink()
        assert json.loads((tmp_path / "elsewhere" / "goal.json").read_text()) == content


def test_a_pipe_is_written_to(tmp_path):
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_json(pipe, [1])
    reader.join()
    assert json.loads(read[0]) == [1]
    assert kind_of(pipe) == "a pipe"


def test_a_folder_or_socket_is_not_replaced(oddities):
    for kind in ("a folder", "a socket"):
        with pytest.raises(OSError, match=f"is {kind} and cannot be written"):
            write_json(oddities[kind], 1)
        assert kind_of(oddities[kind]) == kind


@pytest.mark.parametrize(
    "full",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("write: No space left on device"),
    ],
)
def test_a_full_disk_names_the_file_and_leaves_what_stood_there(tmp_path, full):
    path = tmp_path / "scores.txt"
    path.write_text("before")
    told = r"No space left on device: '.*scores\.txt'"
    with pytest.raises(OSError, match=told), atomic_write(path) as partial:
        partial.write_text("half")
        raise full
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_the_longest_name_can_be_written(tmp_path):
    path = tmp_path / ("n" * 250 + ".json")
    write_json(path, {"a": 0.1})
    assert json.loads(path.read_text()) == {"a": 0.1}
    assert beside(path, "lock") != beside(path.with_name("m" * 250), "lock")
