"""Detectors whose linear layers multiply in int8, by torch's own ways."""

import copy
import warnings

import pytest
import torch
from torch import nn

from fakemamba.models.execution.modes import quantised
from tests.kinds import KINDS

USUAL = ("fake-mamba", "xlsr-mamba", "xlsr-conformer", "xlsr-mambo", "wavlm-mhfa")


def errors(detector, changed, waveforms):
    with torch.no_grad():
        return (changed(waveforms) - detector(waveforms)).abs().max()


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in USUAL else pytest.mark.at_length) for name in KINDS],
)
def test_torchs_dynamic_quantisation_works_on_a_whole_detector(name, make_detector, waveforms):
    detector = make_detector(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        changed = torch.ao.quantization.quantize_dynamic(copy.deepcopy(detector), {nn.Linear})
    assert not any(type(layer) is nn.Linear for layer in changed.modules())
    assert 0 < errors(detector, changed, waveforms) < 0.3


@pytest.mark.parametrize("name", ["fake-mamba-s", "xlsr-mambo"])
def test_torchao_works_on_a_whole_detector(name, make_detector, waveforms):
    torchao = pytest.importorskip("torchao.quantization", reason="torchao is not installed")
    detector = make_detector(name)
    changed = copy.deepcopy(detector)
    torchao.quantize_(changed, torchao.Int8DynamicActivationInt8WeightConfig())
    assert 0 < errors(detector, changed, waveforms) < 0.3


def test_the_layers_that_are_not_called_stay_as_they_are(waveforms):
    from fakemamba.models.frontend_sources import create_frontend

    torch.manual_seed(0)
    frontend = create_frontend("wavlm-tiny").eval()
    with torch.no_grad():
        error = (quantised(frontend)(waveforms)[0] - frontend(waveforms)[0]).abs().max()
    assert 0 < error < 0.3
