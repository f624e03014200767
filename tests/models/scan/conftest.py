"""What makes a wrong scan show: two threads, and memory that is NaN until it is written."""

import pytest
import torch


@pytest.fixture(scope="module")
def two_threads():
    """Kernels that share out their work may do something wrong only on more than one."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def poisoned_memory(monkeypatch):
    """New memory is full of NaN, so that an output which is not written is not right by chance."""
    empty, new_empty = torch.empty, torch.Tensor.new_empty

    def poison(tensor):
        return tensor.fill_(float("nan")) if tensor.is_floating_point() else tensor

    monkeypatch.setattr(torch, "empty", lambda *a, **k: poison(empty(*a, **k)))
    monkeypatch.setattr(torch.Tensor, "new_empty", lambda *a, **k: poison(new_empty(*a, **k)))
