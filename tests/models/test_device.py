"""Devices by name, refused clearly where they are not."""

import pytest
import torch

from fakemamba.models.device import DeviceError, resolve_device


def test_auto_is_a_gpu_only_where_there_is_one():
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["cuda:99", "tpu", "mps", "meta"])
def test_a_device_that_is_not_there_is_refused(name):
    with pytest.raises(DeviceError, match=f"device '{name}' is"):
        resolve_device(name)
