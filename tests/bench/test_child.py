"""Answers from processes of their own, and every way not to get one."""

import os
import signal
import time

import pytest
import torch

from fakemamba.bench.child import ChildEndedError, answer_of

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize("device", [CPU, GPU], ids=["forked", "begun-anew"])
def test_the_answer_is_another_processs(device):
    assert answer_of(os.getpid, device=device) != os.getpid()
    assert answer_of(divmod, 17, 5, device=device) == (3, 2)


def test_a_process_that_is_killed_says_so():
    with pytest.raises(ChildEndedError, match=r"killed \(SIGKILL\)"):
        answer_of(signal.raise_signal, signal.SIGKILL, device=CPU)
    with pytest.raises(ChildEndedError, match="signal SIGABRT"):
        answer_of(os.abort, device=CPU)


def test_a_process_that_ends_without_an_answer_shows_what_it_said():
    with pytest.raises(ChildEndedError, match="status 3"):
        answer_of(os._exit, 3, device=CPU)
    with pytest.raises(ChildEndedError, match="ended with: ZeroDivisionError") as ended:
        answer_of(divmod, 1, 0, device=CPU)
    assert "ZeroDivisionError" in ended.value.said


def test_a_process_that_takes_too_long_is_ended():
    with pytest.raises(ChildEndedError, match=r"longer than 0\.5 s and was ended"):
        answer_of(time.sleep, 600, device=CPU, timeout_s=0.5)


def test_an_answer_may_be_larger_than_a_pipe():
    assert len(answer_of(bytes, 10_000_000, device=CPU)) == 10_000_000


def test_what_is_loaded_here_is_loaded_there(tmp_path, monkeypatch):
    """By its name where modules are found, and a conftest.py, which has none, by its file."""
    (tmp_path / "named_plugin.py").write_text("import os\nos.environ['NAMED'] = 'yes'\n")
    conftest = tmp_path / "below" / "conftest.py"
    conftest.parent.mkdir()
    conftest.write_text("import os\nos.environ['UNNAMED'] = 'yes'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    named = str(tmp_path / "named_plugin.py")
    loaded = [("named_plugin", named), ("below.conftest", str(conftest))]
    monkeypatch.setattr("fakemamba.bench.child.loaded", loaded)
    for device in (CPU, GPU):
        assert answer_of(os.getenv, "NAMED", device=device) == "yes"
        assert answer_of(os.getenv, "UNNAMED", device=device) == "yes"


def test_a_plugin_that_cannot_be_loaded_there_is_the_reason(tmp_path, monkeypatch):
    path = tmp_path / "broken_plugin.py"
    path.write_text("raise ValueError('only under pytest')\n")
    monkeypatch.setattr("fakemamba.bench.child.loaded", [("broken_plugin", str(path))])
    with pytest.raises(ChildEndedError) as ended:
        answer_of(os.getpid, device=CPU)
    assert f"the plug-in {path} cannot be loaded in a new process" in str(ended.value)
    assert "ValueError: only under pytest" in str(ended.value)
