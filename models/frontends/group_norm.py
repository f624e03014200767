"""GroupNorm over the valid frames of each row, so that padding is in no row's statistics.

The first convolution of wav2vec 2.0, HuBERT and WavLM of the base size is normalised over time, a
group a channel. transformers norms over the padded row, wherefore these models are published to run
without a mask, on padding, and give each row other frames in another batch. Here mean and variance
are those of the frames that a row would have alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from fakemamba.models.masking import frame_mask


class ValidGroupNorm(nn.GroupNorm):
    """`nn.GroupNorm` with a group a channel, over frames (B, channels, T)."""

    _counts: Tensor | None = None

    @classmethod
    def of(cls, norm: nn.GroupNorm) -> ValidGroupNorm:
        """The same norm with the same parameters."""
        made = cls(norm.num_groups, norm.num_channels, norm.eps, device="meta")
        made.weight, made.bias = norm.weight, norm.bias
        return made

    @contextmanager
    def over(self, counts: Tensor | None) -> Iterator[None]:
        """Inside, statistics are over the first ``counts`` (B,) frames of each row."""
        self._counts = counts
        try:
            yield
        finally:
            self._counts = None

    def forward(self, input: Tensor) -> Tensor:
        """(B, channels, T) to the same."""
        if self._counts is None:
            return super().forward(input)
        valid = frame_mask(self._counts, input.shape[2])[:, None]  # (B, 1, T)
        frames, counts = input.float(), self._counts[:, None, None]
        mean = frames.masked_fill(~valid, 0.0).sum(2, keepdim=True) / counts
        centred = frames - mean
        variance = centred.masked_fill(~valid, 0.0).square().sum(2, keepdim=True) / counts
        normed = centred * (variance + self.eps).rsqrt()
        return (normed * self.weight[:, None] + self.bias[:, None]).to(input.dtype)
