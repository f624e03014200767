"""A front-end of XLS-R's build for inference: the same function and weights, arranged for speed.

What is different from transformers' modules:

* frames are channels-last from the first convolution on, so that the norms between convolutions see
  contiguous rows and nothing is transposed; a convolution is one or two matrix products over
  overlapping rows, which are views;
* a norm, the sums in front of it and the GELU behind it are one kernel on a GPU (`fused_norm`);
* one product makes queries, keys and values;
* weights may have half precision. The waveform and its first convolution, the residual stream,
  norms and softmax stay in fp32: a waveform in bf16 would have noise 50 dB below it.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fakemamba.models.execution.errors import UnsupportedSettingError
from fakemamba.models.execution.fused_norm import FusedNorm
from fakemamba.models.frontend import Frontend, FrontendConfig
from fakemamba.models.frontends.normalising import normalised
from fakemamba.models.frontends.outputs import put_out
from fakemamba.models.frontends.s3prl import filled_up, fitted
from fakemamba.models.masking import frame_mask, zero_padding


class FastFrontend(nn.Module):
    """`Frontend` without gradients: waveforms (B, L) to features in fp32, of any output.

    There is one of wav2vec 2.0 and HuBERT with norms before attention and after all convolutions;
    of others, see `AutocastFrontend`.

    Args:
        frontend: whose weights are taken, as copies where another dtype or layout is wanted.
        dtype: of the products' weights: fp32, bf16 or fp16.
    """

    def __init__(self, frontend: Frontend, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        assert has_fast_form(frontend.config)
        self.config = frontend.config
        model: Any = frontend.model
        first, *others = model.feature_extractor.conv_layers
        self.convolutions = nn.ModuleList(
            [_Convolution(first, torch.float32, dtype)]
            + [_Convolution(layer, dtype, dtype) for layer in others]
        )
        self.projection_norm = FusedNorm(model.feature_projection.layer_norm, dtype)
        self.projection = _linear(dtype, model.feature_projection.projection)
        self.positions = _Positions(model.encoder.pos_conv_embed.conv, dtype)
        layers = model.encoder.layers
        self.attentions = nn.ModuleList(_Attention(layer.attention, dtype) for layer in layers)
        self.attention_norms = nn.ModuleList(FusedNorm(one.layer_norm, dtype) for one in layers)
        self.feed_forwards = nn.ModuleList(_FeedForward(one.feed_forward, dtype) for one in layers)
        self.feed_forward_norms = nn.ModuleList(
            FusedNorm(one.final_layer_norm, dtype) for one in layers
        )
        self.final_norm = FusedNorm(model.encoder.layer_norm, torch.float32)
        self.layer_sum = frontend.layer_sum

    def set_attention(self, kind: str) -> None:
        """Attention is torch's scaled dot product.

        Raises:
            UnsupportedSettingError: another kind.
        """
        if kind != "sdpa":
            raise UnsupportedSettingError(f"the fast front-end has no {kind} attention, but sdpa")

    def forward(
        self, waveforms: Tensor, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """See `Frontend.forward`."""
        output, num_samples = self.config.output, waveforms.shape[1]
        given, valid = filled_up(waveforms.float(), lengths, self.config)
        frames = normalised(given, valid, self.config.waveform)[..., None]  # (B, L, 1)
        for convolution in self.convolutions:
            frames = convolution(frames)  # (B, fewer, channels)
        counts = None if valid is None else self.config.build.framing.frame_counts(valid)
        # (B, 1, 1, T): which keys are there for every head and query
        mask = None if counts is None else frame_mask(counts, frames.shape[1])[:, None, None]
        hidden = zero_padding(self.projection(self.projection_norm(frames)[1]), counts)
        added, total = self.positions(hidden), hidden
        states = []  # (B, T, hidden) each, the input of every layer
        for attention_norm, attention, feed_forward_norm, feed_forward in zip(
            *(self.attention_norms, self.attentions),
            *(self.feed_forward_norms, self.feed_forwards),
            strict=True,
        ):
            total, normed = attention_norm(added, total)  # (B, T, hidden), the first in fp32
            if output != "last":
                states.append(total)
            total, normed = feed_forward_norm(attention(normed, mask), total)
            added = feed_forward(normed)
        total, normed = self.final_norm(added, total)
        found = normed
        if output != "last":
            states.append(normed if output.endswith("normed") else total)
            found = put_out(states, output, self.layer_sum)
        own = None if lengths is None else self.config.framing.frame_counts(lengths)
        return fitted(found, num_samples, lengths, self.config), own


def has_fast_form(config: FrontendConfig) -> bool:
    """Whether there is a `FastFrontend` of a front-end."""
    is_known = config.family in ("wav2vec2", "hubert")
    return is_known and config.pre_norm and config.feature_norm == "layer"


class _Convolution(nn.Module):
    """A strided convolution over frames, channels last, with its LayerNorm and GELU.

    Taps are cut into pieces of at most ``stride``, so that a piece's rows do not overlap and need
    not be copied: three taps in steps of two are a product with pairs of frames, and one with every
    other frame.
    """

    def __init__(self, layer: Any, dtype: torch.dtype, out_dtype: torch.dtype) -> None:
        super().__init__()
        weight = layer.conv.weight.detach().permute(2, 1, 0)  # (taps, in, out)
        (self.taps, self.channels, _), (self.stride,) = weight.shape, layer.conv.stride
        # One sample is too short a row to be worth a product of its own: there, rows are copied.
        self.piece = self.taps if self.channels == 1 else self.stride
        self.weights = nn.ParameterList(
            nn.Parameter(part.flatten(0, 1).to(dtype).contiguous(), requires_grad=False)
            for part in weight.split(self.piece)
        )  # (taps of the piece · in, out)
        self.bias: nn.Parameter | None = None
        if layer.conv.bias is not None:
            self.bias = nn.Parameter(layer.conv.bias.detach().float(), requires_grad=False)
        self.norm = FusedNorm(layer.layer_norm, out_dtype, gelu=True)

    def forward(self, frames: Tensor) -> Tensor:
        """(B, T, in) to (B, (T - taps) // stride + 1, out)."""
        frames = frames.contiguous()
        batch, num_frames, channels = frames.shape
        count = (num_frames - self.taps) // self.stride + 1
        product = None
        for number, weight in enumerate(self.weights):
            rows = frames.as_strided(
                (batch, count, weight.shape[0]),
                (num_frames * channels, self.stride * channels, 1),
                frames.storage_offset() + number * self.piece * channels,
            )
            if self.piece > self.stride:
                rows = rows.contiguous()
            weight = weight.expand(batch, -1, -1)
            product = rows.bmm(weight) if product is None else product.baddbmm_(rows, weight)
        return self.norm(product, shift=self.bias)[1]


class _Positions(nn.Module):
    """The convolution over 2.5 s that tells frames where they are, with its GELU."""

    def __init__(self, conv: Any, dtype: torch.dtype) -> None:
        super().__init__()
        # Its weight is a direction and a magnitude, which are multiplied here once for all.
        self.weight = nn.Parameter(conv.weight.detach().to(dtype), requires_grad=False)
        self.bias = nn.Parameter(conv.bias.detach().to(dtype), requires_grad=False)
        self.groups, (self.padding,) = conv.groups, conv.padding

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, T, hidden) to (B, T, hidden)."""
        around = F.conv1d(
            hidden.transpose(1, 2), self.weight, self.bias, padding=self.padding, groups=self.groups
        )  # (B, hidden, T, and one more if the kernel is even)
        return F.gelu(around[..., : hidden.shape[1]].transpose(1, 2))


class _Attention(nn.Module):
    """Self-attention with one product for queries, keys and values."""

    def __init__(self, attention: Any, dtype: torch.dtype) -> None:
        super().__init__()
        self.num_heads = attention.num_heads
        self.inward = _linear(dtype, attention.q_proj, attention.k_proj, attention.v_proj)
        self.outward = _linear(dtype, attention.out_proj)

    def forward(self, normed: Tensor, mask: Tensor | None) -> Tensor:
        """(B, T, hidden) to the same; ``mask`` (B, 1, 1, T) is True where a key may be seen."""
        heads = self.inward(normed).unflatten(-1, (3, self.num_heads, -1))  # (B, T, 3, heads, size)
        queries, keys, values = heads.permute(2, 0, 3, 1, 4)  # (B, heads, T, size) each
        mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        return self.outward(mixed.transpose(1, 2).flatten(2))


class _FeedForward(nn.Module):
    def __init__(self, feed_forward: Any, dtype: torch.dtype) -> None:
        super().__init__()
        self.wide = _linear(dtype, feed_forward.intermediate_dense)
        self.narrow = _linear(dtype, feed_forward.output_dense)

    def forward(self, normed: Tensor) -> Tensor:
        """(B, T, hidden) to the same."""
        return self.narrow(F.gelu(self.wide(normed)))


def _linear(dtype: torch.dtype, *layers: nn.Linear) -> nn.Linear:
    """Linear layers of one input as one, in another precision, without gradients."""
    inputs, outputs = layers[0].in_features, sum(layer.out_features for layer in layers)
    joined = nn.utils.skip_init(
        nn.Linear, inputs, outputs, device=layers[0].weight.device, dtype=dtype
    )
    with torch.no_grad():
        joined.weight.copy_(torch.cat([layer.weight for layer in layers]))
        joined.bias.copy_(torch.cat([layer.bias for layer in layers]))
    return joined.requires_grad_(False)
