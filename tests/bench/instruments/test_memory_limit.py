"""The end of memory as an exception."""

import mmap
import sys

import pytest
import torch

from fakemamba.bench.instruments.memory_limit import memory_ends_politely
from fakemamba.models.device import is_out_of_memory

CPU = torch.device("cpu")
MIB = 1 << 20

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")


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
