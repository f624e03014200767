"""A worker is a process: it answers, ends, hangs, and is gone when it is closed."""

import os
import time
from pathlib import Path

import pytest
import torch

from fakemamba.bench.child import ChildEndedError
from fakemamba.bench.load.worker import Worker

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _tests_are_found_by_processes(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[3])  # where ``tests`` lies


def own_number(places):
    if 7 in places:
        os._exit(3)
    if 8 in places:
        time.sleep(600)
    return [float(os.getpid())] * len(places)


def numbers():
    print("this is not for the terminal")
    return own_number


def broken():
    raise ValueError("there is no such detector")


@pytest.mark.at_length
def test_it_answers_from_a_process_of_its_own_until_that_ends(capfd):
    worker = Worker(numbers, CPU, timeout_s=60)
    worker.wait_until_ready()
    first, second = worker.answers([1, 2])
    assert first == second != os.getpid()
    with pytest.raises(ChildEndedError, match="status 3"):
        worker.answers([7])
    with pytest.raises(ChildEndedError, match="status 3"):
        worker.answers([1])
    worker.close()
    assert capfd.readouterr().out == ""


def test_one_that_hangs_is_ended(monkeypatch):
    monkeypatch.setattr("fakemamba.bench.load.worker.ENDS_WITHIN_S", 0.1)
    worker = Worker(numbers, CPU, timeout_s=0.5)
    worker.wait_until_ready()
    with pytest.raises(ChildEndedError, match=r"longer than 0\.5 s, and its worker was ended"):
        worker.answers([8])
    worker.close()


def test_one_that_cannot_make_its_detector_says_why():
    worker = Worker(broken, CPU, timeout_s=60)
    with pytest.raises(ChildEndedError, match="ValueError: there is no such detector"):
        worker.wait_until_ready()
    worker.close()
