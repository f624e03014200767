"""XLS-R front-end: raw 16 kHz waveforms to frames, through transformers' ``Wav2Vec2Model``.

The detectors take the last layer after the encoder's final LayerNorm (``last_hidden_state``) of a
waveform that is *not* normalised. transformers' defaults would silently change training (dropout,
layer drop, SpecAugment); here they are all off, as they are in the fairseq configuration that the
published detectors were trained with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2Model

from fakemamba.models.masking import frame_mask
from fakemamba.models.state_dicts import count_blocks, shape_of
from fakemamba.records import check_fields

CONV_KERNELS = (10, 3, 3, 3, 3, 2, 2)
CONV_STRIDES = (5, 2, 2, 2, 2, 2, 2)
MIN_SAMPLES = 400  # the receptive field of one frame
ATTENTION_KINDS = ("sdpa", "eager")

Layers = Annotated[int, Field(ge=1, le=1_000)]
Blocks = Annotated[int, Field(ge=0, le=1_000)]  # of an encoder, which may be a projection alone
Size = Annotated[int, Field(ge=1, le=1 << 16)]


@dataclass(frozen=True)
class FrontendConfig:
    """Sizes of one XLS-R encoder. ``name`` is a label for people; the sizes decide."""

    name: str
    hidden_size: Size
    num_layers: Layers
    num_heads: Size
    ffn_size: Size
    conv_channels: Size = 512
    position_kernel: Size = 128
    position_groups: Size = 16
    attention: str = "sdpa"

    def __post_init__(self) -> None:
        check_fields(self)
        if self.attention not in ATTENTION_KINDS:
            raise ValueError(
                f"front-end attention {self.attention!r} is not one of {', '.join(ATTENTION_KINDS)}"
            )
        if self.hidden_size % self.num_heads:
            raise ValueError(
                f"front-end width {self.hidden_size} cannot be split into {self.num_heads} heads"
            )
        if self.hidden_size % self.position_groups:
            raise ValueError(
                f"front-end width {self.hidden_size} cannot be split into {self.position_groups} "
                "groups of the position convolution"
            )

    def to_transformers(self) -> Wav2Vec2Config:
        """The same encoder in transformers' words, with every training-time change switched off."""
        config = Wav2Vec2Config(
            hidden_size=self.hidden_size,
            num_hidden_layers=self.num_layers,
            num_attention_heads=self.num_heads,
            intermediate_size=self.ffn_size,
            conv_dim=(self.conv_channels,) * len(CONV_KERNELS),
            conv_kernel=CONV_KERNELS,
            conv_stride=CONV_STRIDES,
            conv_bias=True,
            feat_extract_norm="layer",
            do_stable_layer_norm=True,
            num_conv_pos_embeddings=self.position_kernel,
            num_conv_pos_embedding_groups=self.position_groups,
            layer_norm_eps=1e-5,
            hidden_act="gelu",
            hidden_dropout=0.0,
            attention_dropout=0.0,
            activation_dropout=0.0,
            feat_proj_dropout=0.0,
            final_dropout=0.0,
            layerdrop=0.0,
            apply_spec_augment=False,
            mask_time_prob=0.0,
            mask_feature_prob=0.0,
        )
        config._attn_implementation = self.attention
        return config

    @classmethod
    def from_state(
        cls, state: Mapping[str, Tensor], *, num_heads: int, name: str
    ) -> FrontendConfig:
        """Sizes read off a ``Wav2Vec2Model`` state dict; only the head count leaves no trace.

        Raises:
            ValueError: tensors that show them are missing, or are of no such model.
        """
        position_key = "encoder.pos_conv_embed.conv.parametrizations.weight.original1"
        hidden_size, group_size, position_kernel = shape_of(state, position_key, 3)
        ffn_size, _ = shape_of(state, "encoder.layers.0.feed_forward.intermediate_dense.weight", 2)
        conv_channels, _, _ = shape_of(state, "feature_extractor.conv_layers.0.conv.weight", 3)
        return cls(
            name=name,
            hidden_size=hidden_size,
            num_layers=count_blocks(state, "encoder.layers."),
            num_heads=num_heads,
            ffn_size=ffn_size,
            conv_channels=conv_channels,
            position_kernel=position_kernel,
            position_groups=hidden_size // max(group_size, 1),
        )


FRONTEND_SIZES: dict[str, FrontendConfig] = {
    config.name: config
    for config in (
        FrontendConfig("xls-r-300m", 1024, 24, 16, 4096),
        FrontendConfig("xls-r-1b", 1280, 48, 16, 5120),
        FrontendConfig("xls-r-2b", 1920, 48, 16, 7680),
        FrontendConfig("xls-r-tiny", 64, 2, 4, 256, conv_channels=32),
    )
}


def frame_count(num_samples: int) -> int:
    """Frames of an utterance of ``num_samples`` samples: 50 a second, 0 below 400 samples."""
    frames = num_samples
    for kernel, stride in zip(CONV_KERNELS, CONV_STRIDES, strict=True):
        frames = (frames - kernel) // stride + 1
    return max(frames, 0)


def frame_counts(num_samples: Tensor) -> Tensor:
    """`frame_count` of a tensor of lengths in samples, on its device."""
    frames = num_samples
    for kernel, stride in zip(CONV_KERNELS, CONV_STRIDES, strict=True):
        frames = torch.div(frames - kernel, stride, rounding_mode="floor") + 1
    return frames.clamp(min=0)


class Frontend(nn.Module):
    """Waveforms (B, L) float32 in [-1, 1] at 16 kHz, not normalised, to frames (B, T, hidden)."""

    def __init__(self, config: FrontendConfig) -> None:
        super().__init__()
        self.config = config
        self.model = Wav2Vec2Model(config.to_transformers())

    def set_attention(self, kind: str) -> None:
        """Use another implementation of attention, ``sdpa`` or ``eager``, with the same weights."""
        self.model.set_attn_implementation(kind)

    def forward(
        self, waveforms: Tensor, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Return features (B, T, hidden) and the valid frames of each utterance (B,).

        ``lengths`` (B,) counts the valid samples of each row; None says that all rows are full, and
        then the second result is None as well. Frames beyond an utterance's own are meaningless,
        and no valid frame depends on them.
        """
        if lengths is None:
            return self.model(waveforms).last_hidden_state, None
        valid_samples = frame_mask(lengths, waveforms.shape[1])
        features = self.model(waveforms, attention_mask=valid_samples).last_hidden_state
        return features, frame_counts(lengths)
