"""Ceilings: what is timed is what is claimed, by a clock that counts flops and bytes itself."""

import pytest
import torch

from fakemamba.bench.instruments import ceilings
from fakemamba.bench.instruments.ceilings import measure_ceilings
from fakemamba.bench.instruments.work import count_work
from fakemamba.models.execution.modes import UnsupportedSettingError

CPU = torch.device("cpu")
BYTES_PER_S, FLOPS_PER_S = 1e10, 1e9


@pytest.fixture
def slow_machine(monkeypatch):
    """A clock that shows how long a machine of known speed would take for what it is given."""

    def time_once(call, device):
        work = count_work(call, device)
        sizes.append(work)
        return work.flops / FLOPS_PER_S if work.flops else work.bytes_moved / BYTES_PER_S

    sizes = []
    monkeypatch.setattr(ceilings, "time_once", time_once)
    monkeypatch.setitem(ceilings.COPY_BYTES, "cpu", 1 << 20)
    return sizes


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_the_speeds_of_a_known_machine_are_found(slow_machine, precision):
    found = measure_ceilings(CPU, precision)
    assert found.copy_bytes_per_s == pytest.approx(BYTES_PER_S)
    assert found.matmul_flops_per_s == pytest.approx(FLOPS_PER_S)
    assert (found.precision, found.device) == (precision, "cpu")


def test_products_grow_until_they_last(slow_machine, monkeypatch):
    monkeypatch.setattr(ceilings, "LONG_ENOUGH_S", 2 * 500**3 / FLOPS_PER_S)
    measure_ceilings(CPU, "fp32")
    products = [work.flops for work in slow_machine if work.flops]
    assert products == [2 * 256**3] + [2 * 512**3] * (1 + ceilings.REPEATS)


def test_products_do_not_grow_beyond_what_memory_allows(slow_machine, monkeypatch):
    monkeypatch.setattr(ceilings, "LONG_ENOUGH_S", float("inf"))
    monkeypatch.setitem(ceilings.LARGEST_PRODUCT, "cpu", 512)
    measure_ceilings(CPU, "fp32")
    assert slow_machine[-1].flops == 2 * 512**3


def test_a_precision_that_a_cpu_lacks_is_refused():
    with pytest.raises(UnsupportedSettingError, match="TF32 is a GPU's"):
        measure_ceilings(CPU, "tf32")
