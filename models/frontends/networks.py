"""How waveforms go through each kind of network of transformers, with exact masks.

Each function takes a network, waveforms (B, L) and the valid samples of each row (B,), or None, and
gives the network's last hidden state; what it computes of a row depends on that row's valid samples
alone. There may be frames after an utterance's last.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fakemamba.models.frontends.framing import Framing
from fakemamba.models.frontends.group_norm import ValidGroupNorm
from fakemamba.models.frontends.log_mel import kaldi_log_mel, whisper_log_mel
from fakemamba.models.masking import frame_mask, zero_padding

_FIRST_CONVOLUTION = Framing(first_samples=10, hop_samples=5)


def exact_norms(network: Any) -> None:
    """Put the group norm that knows padding into a network of convolutions, if it has one."""
    first = network.feature_extractor.conv_layers[0]
    if isinstance(first.layer_norm, nn.GroupNorm):
        first.layer_norm = ValidGroupNorm.of(first.layer_norm)


def through_convolutions(network: Any, waveforms: Tensor, lengths: Tensor | None) -> Tensor:
    """wav2vec 2.0, HuBERT and WavLM: convolutions over the waveform itself."""
    # transformers would ask for the waveform's gradient, which torch forbids where there is one.
    network.feature_extractor._requires_grad = not waveforms.requires_grad
    if lengths is None:
        return network(waveforms).last_hidden_state
    norm = network.feature_extractor.conv_layers[0].layer_norm
    counts = _FIRST_CONVOLUTION.frame_counts(lengths)
    with norm.over(counts) if isinstance(norm, ValidGroupNorm) else nullcontext():
        mask = frame_mask(lengths, waveforms.shape[1])
        return network(waveforms, attention_mask=mask).last_hidden_state


def through_kaldi_features(network: Any, waveforms: Tensor, lengths: Tensor | None) -> Tensor:
    """w2v-BERT: normalised log-mel features, a frame for two of them."""
    features, counts = kaldi_log_mel(waveforms, lengths)
    pairs = features[:, : features.shape[1] // 2 * 2].unflatten(1, (-1, 2)).flatten(2)
    if counts is None:
        return network(pairs).last_hidden_state
    mask = frame_mask(torch.div(counts, 2, rounding_mode="floor"), pairs.shape[1])
    return network(pairs, attention_mask=mask).last_hidden_state


def through_whisper_features(network: Any, waveforms: Tensor, lengths: Tensor | None) -> Tensor:
    """Whisper: log-mel features of 30 s, silence after the utterance's end, which is not masked."""
    waveforms = zero_padding(waveforms[..., None], lengths)[..., 0]
    features = whisper_log_mel(waveforms, network.config.num_mel_bins)
    return network(features).last_hidden_state


def set_attention(network: Any, kind: str) -> None:
    """transformers' own way to choose between its implementations."""
    network.set_attn_implementation(kind)


def set_wavlm_attention(network: Any, kind: str) -> None:
    """transformers has WavLM's attention only as ``eager``; ``sdpa`` is the same, fused."""
    fused, eager = _wavlm_attentions()
    for layer in network.encoder.layers:
        layer.attention.__class__ = fused if kind == "sdpa" else eager


@cache
def _wavlm_attentions() -> tuple[type, type]:
    from transformers.models.wavlm.modeling_wavlm import WavLMAttention

    class FusedWavLMAttention(WavLMAttention):
        """By torch's scaled dot product, to which the gated position bias is added."""

        def torch_multi_head_self_attention(  # type: ignore[override]
            self, hidden_states: Tensor, attention_mask: Tensor | None, gated_position_bias: Tensor
        ) -> tuple[Tensor, None]:
            """(B, T, hidden) to the same; the mask (B, T) is True at valid frames."""
            queries, keys, values = (
                project(hidden_states).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
                for project in (self.q_proj, self.k_proj, self.v_proj)
            )  # (B, heads, T, size) each
            bias = gated_position_bias.unflatten(0, (-1, self.num_heads)).to(queries.dtype)
            if attention_mask is not None:
                bias = bias.masked_fill(~attention_mask[:, None, None], -torch.inf)
            mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=bias)
            return self.out_proj(mixed.transpose(1, 2).flatten(2)), None

    return FusedWavLMAttention, WavLMAttention
