"""The scan on a CPU uses as many threads as torch, and leaves torch as many as it had."""

import os
import subprocess
import sys

import pytest

CODE = """
import torch
torch.set_num_threads({threads})
from fakemamba import create_detector
detector = create_detector("fake-mamba", "xls-r-tiny", depth=1, width=16)
for _ in range(2):
    detector(torch.rand(2, 4000)).sum().backward()
    print(torch.get_num_threads())
import numba
print(numba.get_num_threads())
"""


@pytest.mark.at_length
def test_a_process_keeps_the_threads_that_it_was_told_to_use():
    # Numba starts its threads once in a process, so this one has to be new.
    env = os.environ | {"NUMBA_NUM_THREADS": "4"}
    command = [sys.executable, "-c", CODE.format(threads=2)]
    found = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    assert found.stdout.split() == ["2", "2", "2"]
