"""XLSR-SLS: the published one hears 64,600 samples of each utterance, the adaptive one all."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fakemamba.baselines.xlsr_sls import PUBLISHED_SAMPLES, TIMES, spread_maxima
from fakemamba.data.audio import cut_or_tile
from fakemamba.data.synthetic import speech_like
from fakemamba.models.detector import UnsupportedInputError


@pytest.fixture
def both(make_detector):
    """The published detector, and the adaptive one with the same weights."""
    published = make_detector("xlsr-sls")
    adaptive = make_detector("xlsr-sls", pooling="adaptive")
    adaptive.load_state_dict(published.state_dict())
    return published, adaptive


def speech(num_samples):
    return torch.from_numpy(speech_like(num_samples, 0))


@torch.inference_mode()
def test_at_the_published_length_both_are_the_same(both):
    waveforms = speech(PUBLISHED_SAMPLES)[None]
    published, adaptive = (one(waveforms) for one in both)
    torch.testing.assert_close(adaptive, published, rtol=0, atol=1e-6)


@pytest.mark.parametrize("num_samples", [5_000, 80_000])
@torch.inference_mode()
def test_the_published_one_is_cut_or_repeated_as_its_authors_do_it(both, num_samples):
    published, adaptive = both
    waveform = speech(num_samples)
    wanted = published(torch.from_numpy(cut_or_tile(waveform.numpy(), PUBLISHED_SAMPLES))[None])
    torch.testing.assert_close(published(waveform[None]), wanted, rtol=0, atol=0)
    assert not torch.allclose(adaptive(waveform[None]), wanted, atol=1e-3)


@torch.inference_mode()
def test_only_the_adaptive_one_hears_what_is_behind_four_seconds(both):
    waveforms = speech(80_000).expand(2, -1).clone()
    waveforms[1, PUBLISHED_SAMPLES:] *= -0.5
    published, adaptive = (one(waveforms) for one in both)
    torch.testing.assert_close(published[0], published[1], rtol=0, atol=1e-6)
    assert not torch.allclose(adaptive[0], adaptive[1], atol=1e-4)


def test_evidence_behind_what_it_hears_is_zero(both):
    evidence = both[0].frames(speech(80_000)[None])
    heard = 201  # frames of 64,600 samples
    assert evidence.shape == (1, 249)
    assert evidence[0, :heard].any() and not evidence[0, heard:].any()


def test_the_published_encoder_refuses_another_number_of_frames(both):
    with pytest.raises(UnsupportedInputError, match="takes 201 to 203 of each utterance"):
        both[0].encoder(torch.zeros(1, 3, 204, 64))


@given(st.lists(st.integers(1, 3 * TIMES), min_size=1, max_size=3), st.integers(0, 100))
def test_maxima_of_a_ragged_batch_are_those_of_its_rows(lengths, seed):
    torch.manual_seed(seed)
    frames = torch.randn(len(lengths), max(lengths), 4)
    found = spread_maxima(frames, torch.tensor(lengths))
    for row, length in enumerate(lengths):
        own = frames[row, :length].T[None]  # (1, 4, length)
        wanted = torch.nn.functional.adaptive_max_pool1d(own, TIMES)[0].T
        assert torch.equal(found[row], wanted)
