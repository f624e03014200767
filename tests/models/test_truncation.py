"""A detector behind its front-end's first layers has their weights, and runs."""

import pytest
import torch

from fakemamba.models.truncation import with_first_layers


@pytest.mark.parametrize("name", ["fake-mamba-s", "wavlm-mhfa", "xlsr-sls"])
def test_features_are_those_of_the_first_layers(name, make_detector, waveforms):
    whole = make_detector(name)
    few = with_first_layers(whole, 1)
    assert few.config.frontend.num_layers == 1
    with torch.no_grad():
        wanted, _ = whole.frontend.layer_frames(waveforms)
        found, _ = few.frontend.layer_frames(waveforms)
        assert few(waveforms).isfinite().all()
    assert len(found) == 2
    torch.testing.assert_close(torch.stack(found), torch.stack(wanted[:2]), rtol=0, atol=0)


def test_all_layers_are_the_same_detector(make_detector, waveforms):
    whole = make_detector("wavlm-mhfa")
    with torch.no_grad():
        assert torch.equal(with_first_layers(whole, 2)(waveforms), whole(waveforms))


@pytest.mark.parametrize("layers", [0, 3])
def test_layers_that_there_are_not_are_refused(make_detector, layers):
    with pytest.raises(ValueError, match="give a number from 1 to 2"):
        with_first_layers(make_detector("antideepfake"), layers)
