"""A front-end for inference that nobody has arranged for speed: the plain one, in half precision.

WavLM, w2v-BERT, Whisper and the base models of wav2vec 2.0 and HuBERT have no `FastFrontend`. Their
products are in half precision by autocast, which rounds weights at each call, and the waveform too.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fakemamba.models.execution.errors import UnsupportedSettingError
from fakemamba.models.frontend import Frontend


class AutocastFrontend(nn.Module):
    """A front-end with the weights that it has: waveforms (B, L) to features in fp32.

    Args:
        frontend: which is shared, not copied.
        dtype: of its products: fp32, bf16 or fp16.
    """

    def __init__(self, frontend: Frontend, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.config, self.plain, self.dtype = frontend.config, frontend, dtype

    def set_attention(self, kind: str) -> None:
        """Attention is the front-end's usual one.

        Raises:
            UnsupportedSettingError: another kind than ``sdpa``.
        """
        if kind != "sdpa":
            raise UnsupportedSettingError(
                f"an optimized front-end has no {kind} attention, but sdpa"
            )
        self.plain.set_attention(kind)

    def forward(
        self, waveforms: Tensor, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """See `Frontend.forward`."""
        if self.dtype == torch.float32:
            return self.plain(waveforms, lengths)
        with torch.autocast(waveforms.device.type, self.dtype):
            frames, counts = self.plain(waveforms, lengths)
        return frames.float(), counts
