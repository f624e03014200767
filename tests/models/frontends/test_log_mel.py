"""Log-mel features in torch are those of transformers' extractors, whatever is around a row."""

import numpy as np
import pytest
import torch
from transformers import SeamlessM4TFeatureExtractor, WhisperFeatureExtractor

from fakemamba.data.synthetic import speech_like
from fakemamba.models.frontends.log_mel import kaldi_log_mel, whisper_log_mel

LENGTHS = [16_000, 9_001, 720, 5_555]


@pytest.fixture
def rows():
    return [speech_like(length, seed) for seed, length in enumerate(LENGTHS)]


def padded(rows):
    waveforms = torch.full((len(rows), max(map(len, rows))), 7.0)
    for waveform, row in zip(waveforms, rows, strict=True):
        waveform[: len(row)] = torch.from_numpy(row)
    return waveforms


def test_kaldis_are_w2v_berts(rows):
    features, counts = kaldi_log_mel(padded(rows), torch.tensor(LENGTHS))
    extractor = SeamlessM4TFeatureExtractor(stride=1)
    for row, found, count in zip(rows, features, counts.tolist(), strict=True):
        given = extractor(row, sampling_rate=16_000, pad_to_multiple_of=1, return_tensors="pt")
        wanted = given["input_features"][0]
        assert count == len(wanted) and not found[count:].any()
        torch.testing.assert_close(found[:count], wanted, rtol=0, atol=2e-3)


@pytest.mark.parametrize("num_mels", [80, 128])
def test_whispers_are_padded_to_thirty_seconds(rows, num_mels):
    waveforms = padded(rows)
    for waveform, row in zip(waveforms, rows, strict=True):
        waveform[len(row) :] = 0.0
    found = whisper_log_mel(waveforms, num_mels)
    extractor = WhisperFeatureExtractor(feature_size=num_mels)
    wanted = extractor(rows, sampling_rate=16_000, return_tensors="pt")["input_features"]
    assert found.shape == (4, num_mels, 3_000)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4)


def test_autocast_and_inference_leave_them_in_fp32(rows):
    waveforms = padded(rows[:1])
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        features, _ = kaldi_log_mel(waveforms, None)
    assert features.dtype == torch.float32
    torch.testing.assert_close(features, kaldi_log_mel(waveforms, None)[0])
    waveforms.requires_grad_()
    whisper_log_mel(waveforms, 80).sum().backward()
    assert np.isfinite(waveforms.grad.numpy()).all()
