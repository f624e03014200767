"""How a program ends: its statuses, and streams that are closed, narrow, or an output as well."""

import errno
import json
import os
import subprocess
import sys

import pytest

from fakemamba import interrupts
from fakemamba.cli.main import main
from fakemamba.data.lengths import list_lengths

LIGHT = [sys.executable, "-m", "fakemamba.cli.main"]
TABLE = list_lengths()[0]


def ending(monkeypatch, error):
    """The status of a sub-command that fails so."""

    def run(arguments):
        raise error

    monkeypatch.setattr("fakemamba.cli.commands.run", run)
    with interrupts.as_exceptions():  # a signal of another test is forgotten
        return main(["score"])


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (ValueError("\x1b[2J\u202ename\nline"), 1, "error: \\u001b[2J\\u202ename\nline"),
        (OSError(errno.ENOSPC, "full", "a.json"), 1, "error: [Errno 28] full: 'a.json'"),
        (ModuleNotFoundError(name="umap"), 1, "error: this needs umap: pip install"),
        (KeyboardInterrupt("interrupted; go on with it"), 130, "interrupted; go on with it"),
        (KeyboardInterrupt(), 130, "interrupted; no file is half written"),
    ],
    ids=repr,
)
def test_an_end_is_one_message(error, status, told, monkeypatch, capsys):
    assert ending(monkeypatch, error) == status
    assert capsys.readouterr().err.startswith(f"fakemamba: {told}")


def test_an_error_that_nobody_foresaw_is_not_hidden(monkeypatch):
    with pytest.raises(ZeroDivisionError):
        ending(monkeypatch, ZeroDivisionError())
    with pytest.raises(ModuleNotFoundError):
        ending(monkeypatch, ModuleNotFoundError(name="ours"))


@pytest.mark.parametrize("number", interrupts.SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("program", ["fakemamba.cli.main", "fakemamba.bench"])
def test_a_signal_at_the_start_is_one_line_too(program, number, tmp_path):
    """While it is importing, as most of a start is."""
    (tmp_path / "tyro.py").write_text("import time; print('here', flush=True); time.sleep(30)")
    with subprocess.Popen(
        [sys.executable, "-m", program, "none"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "here\n"
        process.send_signal(number)
        said, told = process.communicate(timeout=60)
    assert (process.returncode, said) == (128 + number, "")
    assert told == f"fakemamba: {interrupts.AGAIN}\n"


def test_json_on_stdout_is_alone_there(tmp_path):
    done = subprocess.run(
        [*LIGHT, "lengths", TABLE, "--json=/dev/stdout"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["name"] == TABLE
    assert "recordings" in done.stderr
    with (tmp_path / "log").open("w") as log:  # which is not cut off
        log.write("before\n")
        log.flush()
        subprocess.run([*LIGHT, "lengths", TABLE, "--json", "/dev/stdout"], stdout=log, check=True)
    before, *after = (tmp_path / "log").read_text().splitlines()
    assert before == "before" and json.loads("\n".join(after))["name"] == TABLE


def test_a_reader_that_goes_away_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*LIGHT, "lengths", TABLE], stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_locale_of_ascii_is_enough(tmp_path):
    narrow = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    name = str(tmp_path / "µ\u202e.json")
    done = subprocess.run(
        [*LIGHT, "lengths", TABLE, "--json", name], env=narrow, capture_output=True, check=False
    )
    assert done.returncode == 0 and b"\\xb5\\u202e.json" in done.stdout
    missing = subprocess.run([*LIGHT, "lengths", "é.json"], env=narrow, capture_output=True)
    assert missing.returncode == 1 and rb"\xe9.json" in missing.stderr


def test_a_full_disk_is_told_with_the_file(tmp_path):
    """A limit of a file's size stands in for it."""
    import resource

    def nearly_full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))

    out = tmp_path / "out.json"
    done = subprocess.run(
        [*LIGHT, "lengths", TABLE, "--json", str(out)],
        preexec_fn=nearly_full,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == f"fakemamba: error: [Errno 27] File too large: '{out}'\n"
    assert not list(tmp_path.iterdir())
