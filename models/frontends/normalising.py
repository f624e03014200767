"""Waveforms of zero mean and unit variance: each row by its own valid samples, or not at all.

``joint`` is one mean and one variance for all rows of a batch, so that a row's frames depend on the
others: it is there to give what a published detector gave.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from fakemamba.models.masking import masked_mean, zero_padding

# transformers' extractors and fairseq's layer_norm add different numbers to the variance.
Waveform = Literal["none", "utterance", "utterance-fairseq", "joint"]
_EPS = {"utterance": 1e-7, "utterance-fairseq": 1e-5, "joint": 1e-5}


def normalised(waveforms: Tensor, lengths: Tensor | None, how: Waveform) -> Tensor:
    """Waveforms (B, L) as ``how`` says, zero beyond each row's ``lengths`` (B,) samples.

    ``none`` leaves them as they are. The variance is that of the population.
    """
    if how == "none":
        return waveforms

    def mean(values: Tensor) -> Tensor:
        of_rows = masked_mean(values, lengths)[:, None]
        if how != "joint":
            return of_rows
        if lengths is None:
            return of_rows.mean()
        return (of_rows * lengths[:, None]).sum() / lengths.sum()

    centred = waveforms - mean(waveforms)
    variance = mean(centred.square())
    return zero_padding((centred / (variance + _EPS[how]).sqrt())[..., None], lengths)[..., 0]
