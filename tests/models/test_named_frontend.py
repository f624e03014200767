"""A detector's name may say its front-end, too."""

import pytest
import torch

from fakemamba import create_detector
from fakemamba.bench.sweep.plan import SweepOptions, plan
from fakemamba.models.checkpoints import from_pretrained, save_pretrained
from fakemamba.models.external.names import ExternalDetectorError

NAME = "fake-mamba?depth=1&frontend=wavlm-tiny?layers=1"


def test_it_is_behind_that_front_end_whatever_else_is_asked_for(tmp_path):
    detector = create_detector(NAME, "xls-r-tiny").eval()
    config = detector.config.frontend
    assert (config.name, config.num_layers, detector.config.depth) == ("wavlm-tiny?layers=1", 1, 1)

    save_pretrained(detector, tmp_path)
    waveforms = torch.randn(1, 8_000)
    for expected in (None, NAME):
        again = from_pretrained(tmp_path, expected=expected)
        assert torch.equal(again(waveforms), detector(waveforms))


def test_in_a_sweep_it_stands_beside_those_behind_another():
    options = SweepOptions("smoke", "cpu", [NAME, "fake-mamba-s"], [1.0], frontend="xls-r-tiny")
    parts = {"front-end", "encoder", "end-to-end"}
    cells = {(cell.detector, cell.frontend, cell.part) for cell in plan(options)}
    assert cells == {
        (name, frontend, part)
        for name, frontend in ((NAME, "own"), ("fake-mamba-s", "xls-r-tiny"))
        for part in parts
    }


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("fake-mamba?frontend=wavlm-huge", "unknown front-end 'wavlm-huge'"),
        ("torch.nn:Identity?frontend=wavlm-tiny", "torch.nn:Identity takes no front-end"),
    ],
)
def test_a_front_end_that_cannot_be_is_told(name, told):
    error = ExternalDetectorError if "takes" in told else ValueError
    with pytest.raises(error, match=told):
        create_detector(name)
