"""Nes2Net-X: sizes that cannot be, and what its tensors do not show."""

import pytest
import torch

from fakemamba import create_detector


@pytest.mark.parametrize(
    "options", [{"groups": 3}, {"groups": 16, "splits": 8}, {"squeeze": 9}], ids=str
)
def test_a_width_that_cannot_be_split_so_is_refused(options):
    with pytest.raises(ValueError, match="width 64 cannot be split into"):
        create_detector("nes2net-x", "xls-r-tiny", **options)


@torch.inference_mode()
def test_channels_that_do_not_divide_into_splits_are_left_out_inside(make_detector, waveforms):
    # Groups of 8 channels, in splits of 2 each: 3 of them, 6 channels.
    detector = make_detector("nes2net-x", splits=3)
    inner = detector.encoder.inner[0]
    assert inner.inward.weight.shape == (6, 8, 1) and inner.outward.weight.shape == (8, 6, 1)
    assert detector(waveforms).isfinite().all()


@torch.inference_mode()
def test_dilation_changes_scores_though_no_tensor_shows_it(make_detector, waveforms):
    two, one = make_detector("nes2net-x"), make_detector("nes2net-x", dilation=1)
    one.load_state_dict(two.state_dict())
    assert not torch.allclose(one(waveforms), two(waveforms), atol=1e-4)
