"""Waveforms of zero mean and unit variance: each row by its own valid samples, or not at all."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from fakemamba.models.masking import masked_mean, zero_padding

# transformers' extractors and fairseq's layer_norm add different numbers to the variance.
Waveform = Literal["none", "utterance", "utterance-fairseq"]
EPS = {"utterance": 1e-7, "utterance-fairseq": 1e-5}


def normalised(waveforms: Tensor, lengths: Tensor | None, how: Waveform) -> Tensor:
    """Waveforms (B, L) as ``how`` says, zero beyond each row's ``lengths`` (B,) samples.

    ``none`` leaves them as they are. The variance is that of the population.
    """
    if how == "none":
        return waveforms
    centred = waveforms - masked_mean(waveforms, lengths)[:, None]
    variance = masked_mean(centred.square(), lengths)[:, None]
    return zero_padding((centred / (variance + EPS[how]).sqrt())[..., None], lengths)[..., 0]
