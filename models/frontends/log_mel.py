"""Log-mel features of waveforms in torch: Kaldi's, as w2v-BERT has them, and Whisper's.

Both are transformers' feature extractors, as functions that pass gradients on and that know where
an utterance ends. Whatever the precision around them, they are computed in fp32.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.audio_utils import mel_filter_bank, window_function

from fakemamba.models.device import without_autocast
from fakemamba.models.frontends.framing import SAMPLE_RATE_HZ
from fakemamba.models.masking import masked_mean, zero_padding

WINDOW, HOP = 400, 160
KALDI_FFT, KALDI_MELS = 512, 80
KALDI_FLOOR = 1.192092955078125e-07
FULL_SCALE = 2.0**15  # Kaldi's samples are 16-bit integers
WHISPER_SAMPLES = 30 * SAMPLE_RATE_HZ


def kaldi_log_mel(waveforms: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Waveforms (B, L) to normalised features (B, F, 80), 100 a second, and valid ones (B,).

    Each mel band has zero mean and unit variance over an utterance's own frames; others are zero.
    """
    with without_autocast(waveforms.device):
        frames = waveforms.float().unfold(1, WINDOW, HOP) * FULL_SCALE  # (B, F, 400)
        frames = frames - frames.mean(-1, keepdim=True)
        before = torch.cat([frames[..., :1], frames[..., :-1]], -1)
        frames = (frames - 0.97 * before) * _constant(_window, "povey", waveforms.device)
        power = _power(F.pad(frames, (0, KALDI_FFT - WINDOW)))
        filters = _constant(_kaldi_filters, KALDI_MELS, waveforms.device)
        features = (power @ filters).clamp(min=KALDI_FLOOR).log()
        counts = None
        if lengths is not None:
            counts = torch.div(lengths - WINDOW, HOP, rounding_mode="floor") + 1
        number: Any = features.shape[1] if counts is None else counts[:, None, None]
        centred = features - masked_mean(features, counts)[:, None]
        # Not the variance of the population: the extractor's divides by one less.
        variance = masked_mean(centred.square(), counts)[:, None] * (number / (number - 1))
        return zero_padding(centred / (variance + 1e-7).sqrt(), counts), counts


def whisper_log_mel(waveforms: Tensor, num_mels: int) -> Tensor:
    """Waveforms (B, L) of at most 30 s, zero after their end, to (B, mels, 3000), of 30 s."""
    with without_autocast(waveforms.device):
        padded = F.pad(waveforms.float(), (0, WHISPER_SAMPLES - waveforms.shape[1]))
        around = F.pad(padded[:, None], (WINDOW // 2, WINDOW // 2), mode="reflect")[:, 0]
        window = _constant(_window, "hann", waveforms.device)
        power = _power(around.unfold(1, WINDOW, HOP)[:, :-1] * window)  # (B, 3000, 201)
        filters = _constant(_whisper_filters, num_mels, waveforms.device)
        mels = (power @ filters).clamp(min=1e-10).log10()
        loudest = mels.amax((1, 2), keepdim=True)
        return ((torch.maximum(mels, loudest - 8.0) + 4.0) / 4.0).transpose(1, 2)


def _power(frames: Tensor) -> Tensor:
    return torch.view_as_real(torch.fft.rfft(frames)).square().sum(-1)


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _constant(values: Callable[..., Any], argument: Any, device: torch.device) -> Tensor:
    """Whose making by NumPy is nothing that torch.compile should go through."""
    return _kept(values, argument, device)


@cache
def _kept(values: Callable[..., Any], argument: Any, device: torch.device) -> Tensor:
    """On its device for whoever comes next, who may need gradients as inference does not."""
    made = values(argument)
    if device.type == "meta":  # moving numbers there would be counted as work
        return torch.empty(made.shape, device=device)
    with torch.inference_mode(False):
        return torch.tensor(made, dtype=torch.float32, device="cpu").to(device)


def _window(name: str) -> Any:
    return window_function(WINDOW, name, periodic=name == "hann")


def _kaldi_filters(num_mels: int) -> Any:
    return mel_filter_bank(
        num_frequency_bins=KALDI_FFT // 2 + 1,
        num_mel_filters=num_mels,
        min_frequency=20,
        max_frequency=SAMPLE_RATE_HZ // 2,
        sampling_rate=SAMPLE_RATE_HZ,
        norm=None,
        mel_scale="kaldi",
        triangularize_in_mel_space=True,
    )


def _whisper_filters(num_mels: int) -> Any:
    return mel_filter_bank(
        num_frequency_bins=WINDOW // 2 + 1,
        num_mel_filters=num_mels,
        min_frequency=0.0,
        max_frequency=8_000.0,
        sampling_rate=SAMPLE_RATE_HZ,
        norm="slaney",
        mel_scale="slaney",
    )
