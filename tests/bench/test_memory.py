"""Peak memory against allocations of known size."""

import mmap
import sys

import pytest
import torch

from fakemamba.bench.instruments.memory import (
    measure_peak,
    memory_ends_politely,
)
from fakemamba.models.device import is_out_of_memory

CPU = torch.device("cpu")
MIB = 1 << 20

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")


@linux
@pytest.mark.parametrize("size_bytes", [32 * MIB, 256 * MIB])
def test_the_peak_is_what_was_allocated_at_once(size_bytes):
    def call():
        for _ in range(3):  # one after the other: the peak is one of them
            torch.ones(size_bytes // 4).sum()

    peak = measure_peak(call, CPU)
    if peak.peak_bytes is None:
        pytest.skip(peak.reason)
    assert abs(peak.peak_bytes - size_bytes) < max(0.05 * size_bytes, 4 * MIB)


@linux
def test_memory_that_is_freed_and_taken_again_still_counts():
    def call():
        torch.ones(64 * MIB // 4).sum()

    call()
    peak = measure_peak(call, CPU)
    if peak.peak_bytes is None:
        pytest.skip(peak.reason)
    assert peak.peak_bytes > 60 * MIB


@linux
def test_memory_that_is_not_there_ends_in_an_exception():
    with pytest.raises(RuntimeError) as caught, memory_ends_politely(CPU):
        torch.ones(1 << 42)
    assert is_out_of_memory(caught.value)
    assert torch.ones(MIB).sum() == MIB  # and afterwards all is well


@linux
def test_memory_that_is_mapped_but_not_used_yet_counts_as_used():
    """As the heap that an earlier cell has left: using it again needs no new mapping."""
    import resource

    def limit_bytes():
        with memory_ends_politely(CPU):
            return resource.getrlimit(resource.RLIMIT_DATA)[0]

    before = limit_bytes()
    with mmap.mmap(-1, 512 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS):
        assert limit_bytes() < before + 256 * MIB
