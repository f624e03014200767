"""Where checks of kernels are kept, whatever is there already, and by however many processes."""

import threading
import time

import pytest

from fakemamba.kernel_checks import Circumstances, KernelCheck, kept_check, unused_kernels

AROUND = Circumstances("scan", "ab", "Test GPU", "9.0", "550.1", "2.13", "3.4")
PASSED = KernelCheck("passed", None, {"fp32": 2e-7})


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def never():
    raise AssertionError("it was checked")


def test_a_check_is_kept_in_the_cache_folder(cache, monkeypatch, tmp_path):
    assert kept_check(AROUND, lambda: PASSED) == PASSED == kept_check(AROUND, never)
    assert AROUND.path.parent == cache / "fakemamba" / "kernels" and AROUND.path.is_file()
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert kept_check(AROUND, lambda: PASSED) == PASSED
    assert AROUND.path.parent == tmp_path / "home" / ".cache" / "fakemamba" / "kernels"
    assert AROUND.path.is_file()


def cut(path):
    path.write_text(path.read_text()[:-40])


def changed(path):
    path.write_text(path.read_text().replace("passed", "failed"))


def emptied(path):
    path.write_text("")


def of_another_kind(path):
    path.write_text("[1, 2]")


def of_another_gpu(path):
    other = Circumstances("scan", "ab", "Other GPU", "9.0", "550.1", "2.13", "3.4")
    kept_check(other, lambda: KernelCheck("failed", "it is wrong", {}))
    other.path.replace(path)


@pytest.mark.parametrize("damage", [cut, changed, emptied, of_another_kind, of_another_gpu])
def test_what_cannot_be_used_is_made_again(damage):
    kept_check(AROUND, lambda: PASSED)
    damage(AROUND.path)
    made = []
    assert kept_check(AROUND, lambda: made.append(1) or PASSED) == PASSED and made
    assert kept_check(AROUND, never) == PASSED


def a_file_is_there(cache, monkeypatch):
    cache.write_text("")


def it_cannot_be_written(cache, monkeypatch):
    def fail(*_, **__):
        raise PermissionError(30, "Read-only file system")

    monkeypatch.setattr("fakemamba.kernel_checks.write_sealed", fail)


def it_cannot_be_locked(cache, monkeypatch):
    def fail(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("fakemamba.locks._opened_to_read", fail)


def there_is_no_home(cache, monkeypatch):
    def fail():
        raise RuntimeError("no home")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr("pathlib.Path.home", fail)


@pytest.mark.parametrize(
    "fault", [a_file_is_there, it_cannot_be_written, it_cannot_be_locked, there_is_no_home]
)
def test_where_nothing_can_be_kept_each_process_checks(cache, monkeypatch, fault):
    fault(cache, monkeypatch)
    made = []
    for _ in range(2):
        assert kept_check(AROUND, lambda: made.append(1) or PASSED) == PASSED
    assert len(made) == 2


def test_a_folder_in_its_place_is_left_alone():
    AROUND.path.mkdir(parents=True)
    assert kept_check(AROUND, lambda: PASSED) == PASSED and AROUND.path.is_dir()


def test_of_several_at_once_one_checks_and_the_others_wait():
    made, found = [], []

    def check():
        made.append(1)
        time.sleep(0.2)
        return PASSED

    threads = [
        threading.Thread(target=lambda: found.append(kept_check(AROUND, check))) for _ in range(4)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert found == [PASSED] * 4 and len(made) == 1


def test_an_interrupted_check_leaves_nothing(cache):
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept_check(AROUND, interrupted)
    assert not AROUND.path.exists()
    assert kept_check(AROUND, lambda: PASSED) == PASSED


def test_only_kernels_that_are_not_used_are_told_of():
    described = {
        "scan": {"status": "passed", "error": None, "differences": {}},
        "norm": {"status": "failed", "error": "it is wrong", "differences": {}},
    }
    assert unused_kernels(described) == [
        "torch computes for the kernel norm, which is not right here: it is wrong"
    ]
