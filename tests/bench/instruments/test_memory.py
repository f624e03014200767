"""Peak memory of a call against what it is known to allocate, to the byte."""

import pytest
import torch
from torch import nn

from fakemamba.bench.cells import Cell, ScanCell
from fakemamba.bench.instruments.memory import measure_peak, most_held_bytes
from fakemamba.bench.measuring.measurers import make_preparer
from fakemamba.models.scan import unavailable_backends

CPU = torch.device("cpu")
KIB = 1 << 10
kernels = pytest.mark.skipif("cpu" in unavailable_backends(), reason="needs numba")
TINY = Cell("fake-mamba-s", "xls-r-tiny", "end-to-end", 0.5, backend="torch")


def block(size_bytes):
    return torch.empty(size_bytes, dtype=torch.uint8)


def peak_bytes(call):
    return measure_peak(call, CPU).peak_bytes


def test_an_output_counts_with_its_operands_or_alone():
    a, b = torch.ones(64, 32), torch.ones(32, 48)
    assert peak_bytes(lambda: a @ b) == 64 * 48 * 4
    assert peak_bytes(lambda: torch.ones(64, 32) @ b) == 64 * 32 * 4 + 64 * 48 * 4


def test_nothing_is_counted_where_nothing_is_allocated():
    x = torch.ones(KIB)
    assert peak_bytes(lambda: x.sigmoid_().neg_().view(32, 32).t()[3:]) == 0


def test_what_is_freed_makes_room():
    def call():
        for _ in range(3):
            block(32 * KIB)
        held = block(5 * KIB)
        block(16 * KIB)
        return held

    assert peak_bytes(call) == 32 * KIB
    chain = nn.Sequential(nn.Sigmoid(), nn.Sigmoid(), nn.Sigmoid())
    x = torch.ones(KIB)
    with torch.inference_mode():
        assert peak_bytes(lambda: chain(x)) == 2 * x.nbytes
    assert peak_bytes(lambda: chain(x.requires_grad_())) == 3 * x.nbytes


def test_a_view_keeps_all_of_its_block():
    def call():
        views = [block(8 * KIB)[:1] for _ in range(4)]
        del views[1]
        block(8 * KIB)

    assert peak_bytes(call) == 4 * 8 * KIB


def test_freeing_what_was_there_before_hides_no_growth():
    before = [block(64 * KIB) for _ in range(3)]

    def call():
        before.pop()
        first = block(16 * KIB)
        before.clear()
        return first, block(16 * KIB)

    assert peak_bytes(call) == 32 * KIB


def test_freeing_what_an_earlier_measurement_left_hides_no_growth():
    """The profiler knows its size, also of whatever came to lie at its address afterwards."""
    kept = []
    measure_peak(lambda: kept.append(block(64 * KIB)), CPU)

    def call():
        first = block(16 * KIB)
        kept.clear()
        return first, block(16 * KIB)

    assert peak_bytes(call) == 32 * KIB


@pytest.mark.parametrize(
    ("allocations", "wanted"),
    [
        ([], 0),
        ([(1, 5), (2, 7), (1, -5), (3, 4), (3, -4), (2, -7)], 12),
        ([(9, -100), (1, 5)], 5),  # there before
        ([(1, 5), (1, 7)], 7),  # freed where it was not seen
    ],
    ids=["none", "in-any-order", "there-before", "taken-again"],
)
def test_what_is_held_at_once(allocations, wanted):
    assert most_held_bytes(allocations) == wanted


def test_memory_that_ends_ends_the_call_and_the_next_is_measured():
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        measure_peak(lambda: block(1 << 60), CPU)
    assert peak_bytes(lambda: block(KIB)) == KIB


def test_the_backward_pass_counts():
    layer = nn.Linear(32, 16, bias=False)
    x = torch.ones(8, 32, requires_grad=True)

    def call():
        layer.weight.grad = x.grad = None
        layer(x).backward(ones)

    ones = torch.ones(8, 16)
    assert peak_bytes(call) >= layer.weight.nbytes + x.nbytes
    assert peak_bytes(call) == peak_bytes(call)


@pytest.mark.parametrize(
    "cell",
    [
        TINY,
        Cell("fake-mamba-s", "xls-r-tiny", "training-step", 0.5, backend="torch"),
        Cell("fake-mamba-s", "xls-r-tiny", "end-to-end", 0.5, backend="torch", precision="int8"),
        Cell(
            "fake-mamba-s", "xls-r-tiny", "end-to-end", 0.5, backend="torch", execution="optimized"
        ),
        pytest.param(
            Cell("fake-mamba-s", "xls-r-tiny", "encoder", 0.5, backend="cpu"), marks=kernels
        ),
        pytest.param(
            ScanCell("cpu", 50, 1, "fp32", "both-shared", "forward+backward", "cpu"), marks=kernels
        ),
    ],
    ids=["end-to-end", "training-step", "int8", "optimized", "encoder", "scan"],
)
def test_it_repeats_to_the_byte(cell):
    work = make_preparer(type(cell)).prepare(cell)
    given = work.inputs()[0]
    call = lambda: work.run(given)  # noqa: E731
    call()
    peaks = {measure_peak(call, CPU).peak_bytes for _ in range(3)}
    assert len(peaks) == 1 and peaks.pop() > 10 * KIB


@kernels
def test_the_scan_counts_its_outputs():
    """What the kernels take for themselves is a few KiB a thread, and not counted."""
    cell = ScanCell("cpu", 200, 1, "fp32", "both-shared", "forward", "cpu")
    work = make_preparer(ScanCell).prepare(cell)
    given = work.inputs()[0]
    output_bytes = work.run(given).nbytes
    assert peak_bytes(lambda: work.run(given)) >= output_bytes
