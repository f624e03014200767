"""Two gates on one device do not run at once."""

import threading

import pytest

from fakemamba.bench.gate.lock import device_asked_for, device_lock


def is_free(device, folder):
    """Whether a second gate would begin at once; if not, it is let in before this returns."""
    told, entered = threading.Event(), threading.Event()

    def enter():
        with device_lock(device, lambda text: told.set(), folder):
            entered.set()

    thread = threading.Thread(target=enter, daemon=True)
    thread.start()
    while not (told.wait(0.001) or entered.is_set()):
        pass
    return (not told.is_set()), thread, entered


@pytest.mark.parametrize(
    ("first", "second", "free"),
    [
        ("cpu", "cpu", False),
        ("auto", "cuda:0", False),
        ("cuda:0", "cpu", False),
        ("cuda:0", "cuda:0", False),
        ("cuda:0", "cuda:1", True),
    ],
)
def test_a_device_is_held_by_one_gate_and_the_machine_by_one_or_by_its_gpus(
    tmp_path, monkeypatch, first, second, free
):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with device_lock(first, pytest.fail, tmp_path):
        found, thread, entered = is_free(second, tmp_path)
        assert found == free and entered.is_set() == free
    thread.join(timeout=30)
    assert entered.is_set(), "it has to get in once the first has ended"


def test_renumbered_gpus_are_told_apart_by_what_they_are(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-5f/x")
    with device_lock("cuda:0", pytest.fail, tmp_path):
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
        found, thread, _ = is_free("cuda:2", tmp_path)
        assert not found
    thread.join(timeout=30)


def test_a_lock_is_not_taken_through_a_link(tmp_path):
    (tmp_path / "elsewhere").write_text("")
    (tmp_path / "fakemamba-gate-machine.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError), device_lock("cpu", pytest.fail, tmp_path):
        pass


@pytest.mark.parametrize(
    ("arguments", "device"),
    [
        ([], "auto"),
        (["--bench-device", "cuda:1"], "cuda:1"),
        (["--bench-device=cpu", "--bench-durations", "1"], "cpu"),
        (["--bench-device", "cpu", "--bench-device=cuda:0"], "cuda:0"),
    ],
)
def test_the_device_is_read_from_the_sweeps_options(arguments, device):
    assert device_asked_for(arguments) == device
