"""Resident growth against allocations of known size."""

import sys

import pytest
import torch

from fakemamba.bench.cells import Cell
from fakemamba.bench.child import ChildEndedError
from fakemamba.bench.instruments import resident
from fakemamba.bench.instruments.memory import measure_peak
from fakemamba.bench.instruments.resident import measure_growth, resident_growth
from fakemamba.bench.measuring.preparation import WorkloadCache

MIB = 1 << 20
CELL = Cell("fake-mamba-s", "xls-r-tiny", "encoder", 0.5, backend="torch")

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")


@linux
# Over what glibc may keep of freed memory, resident, where `malloc_trim` does not reach (64 MiB).
@pytest.mark.parametrize("size_bytes", [96 * MIB, 256 * MIB])
def test_growth_is_what_was_allocated_at_once(size_bytes):
    def call():
        for _ in range(3):  # one after the other: the peak is one of them
            torch.ones(size_bytes // 4).sum()

    call()
    growth = measure_growth(call)
    if growth.value is None:
        pytest.skip(growth.reason)
    assert abs(growth.value - size_bytes) < max(0.05 * size_bytes, 4 * MIB)
    allocated_bytes = measure_peak(call, torch.device("cpu")).peak_bytes
    assert size_bytes <= allocated_bytes < size_bytes + 100


@pytest.mark.at_length
@linux
def test_growth_is_measured_in_a_process_of_its_own():
    growth = resident_growth(WorkloadCache, CELL)
    assert growth.value is not None or "not readable" in growth.reason


def test_a_process_that_dies_gives_a_reason(monkeypatch):
    def ended(*arguments, **options):
        raise ChildEndedError("it ended", "no such driver")

    monkeypatch.setattr(resident, "answer_of", ended)
    growth = resident_growth(WorkloadCache, CELL)
    assert growth.value is None and growth.reason.endswith("it ended")
