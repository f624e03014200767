"""Devices by name, refused clearly where they are not."""

import pytest
import torch

from fakemamba.models.device import DeviceError, is_out_of_memory, resolve_device


def test_auto_is_a_gpu_only_where_there_is_one():
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["cuda:99", "tpu", "mps", "meta"])
def test_a_device_that_is_not_there_is_refused(name):
    with pytest.raises(DeviceError, match=f"device '{name}' is"):
        resolve_device(name)


def test_other_errors_are_not_taken_for_memory():
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
