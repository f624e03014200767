"""XLS-R front-end: raw 16 kHz waveforms to frames, through transformers' ``Wav2Vec2Model``.

The detectors take the last layer after the encoder's final LayerNorm (``last_hidden_state``) of a
waveform that is *not* normalised. transformers' defaults would silently change training (dropout,
layer drop, SpecAugment); here they are all off, as they are in the fairseq configuration that the
published detectors were trained with.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2Model

from fakemamba.models.fairseq_checkpoint import read_fairseq_frontend, strip_pretraining_tensors
from fakemamba.models.masking import frame_mask

CONV_KERNELS = (10, 3, 3, 3, 3, 2, 2)
CONV_STRIDES = (5, 2, 2, 2, 2, 2, 2)
MIN_SAMPLES = 400  # the receptive field of one frame
ATTENTION_KINDS = ("sdpa", "eager")


@dataclass(frozen=True)
class FrontendConfig:
    """Sizes of one XLS-R encoder. ``name`` is a label for people; the sizes decide."""

    name: str
    hidden_size: int
    num_layers: int
    num_heads: int
    ffn_size: int
    conv_channels: int = 512
    position_kernel: int = 128
    position_groups: int = 16
    attention: str = "sdpa"

    def __post_init__(self) -> None:
        if self.attention not in ATTENTION_KINDS:
            raise ValueError(
                f"front-end attention {self.attention!r} is not one of {', '.join(ATTENTION_KINDS)}"
            )
        if self.hidden_size % self.num_heads:
            raise ValueError(
                f"front-end width {self.hidden_size} cannot be split into {self.num_heads} heads"
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
    def from_state(cls, state: dict[str, Tensor], *, num_heads: int, name: str) -> FrontendConfig:
        """Sizes read off a ``Wav2Vec2Model`` state dict; only the head count leaves no trace."""
        position = state["encoder.pos_conv_embed.conv.parametrizations.weight.original1"]
        hidden_size = position.shape[0]
        layers = {int(key.split(".")[2]) for key in state if key.startswith("encoder.layers.")}
        return cls(
            name=name,
            hidden_size=hidden_size,
            num_layers=1 + max(layers),
            num_heads=num_heads,
            ffn_size=state["encoder.layers.0.feed_forward.intermediate_dense.weight"].shape[0],
            conv_channels=state["feature_extractor.conv_layers.0.conv.weight"].shape[0],
            position_kernel=position.shape[2],
            position_groups=hidden_size // position.shape[1],
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


def frontend_config(source: str | Path | FrontendConfig, attention: str = "sdpa") -> FrontendConfig:
    """Sizes of a source without loading weights; only for named sizes and folders."""
    if isinstance(source, FrontendConfig):
        return source
    if str(source) in FRONTEND_SIZES:
        return replace(FRONTEND_SIZES[str(source)], attention=attention)
    return _config_from_transformers(source, attention)


def create_frontend(source: str | Path | FrontendConfig, attention: str = "sdpa") -> Frontend:
    """Make a front-end from a named size, a fairseq ``.pt``, or a Hugging Face folder or id.

    A named size (``xls-r-300m``, ``xls-r-1b``, ``xls-r-2b``, ``xls-r-tiny``) or a `FrontendConfig`
    gives random weights; every other source gives the weights that it holds.

    Raises:
        ValueError: the source is of no known kind, or it is not an XLS-R model.
        UnsafeCheckpointError: a ``.pt`` holds objects that a front-end checkpoint has no need of.
    """
    if isinstance(source, FrontendConfig) or str(source) in FRONTEND_SIZES:
        return Frontend(frontend_config(source, attention))
    path = Path(source)
    if path.suffix in {".pt", ".pth"}:
        state, num_heads = read_fairseq_frontend(path)
        config = FrontendConfig.from_state(state, num_heads=num_heads, name=path.stem)
        with torch.device("meta"):
            frontend = Frontend(replace(config, attention=attention))
        frontend.model.load_state_dict(strip_pretraining_tensors(state), assign=True)
        return frontend
    config = _config_from_transformers(source, attention)
    with torch.device("meta"):
        frontend = Frontend(config)
    frontend.model = Wav2Vec2Model.from_pretrained(
        str(source), config=config.to_transformers(), attn_implementation=attention
    )
    return frontend


def _config_from_transformers(source: str | Path, attention: str) -> FrontendConfig:
    is_folder = Path(source).is_dir()
    if not is_folder and "/" not in str(source):
        guesses = get_close_matches(str(source), FRONTEND_SIZES)
        hint = f"; did you mean {' or '.join(guesses)}?" if guesses else ""
        raise ValueError(
            f"unknown front-end {str(source)!r}{hint} Named sizes: {', '.join(FRONTEND_SIZES)}; "
            "otherwise give a fairseq .pt file, a Hugging Face folder or an id such as "
            "facebook/wav2vec2-xls-r-300m"
        )
    try:
        found = Wav2Vec2Config.from_pretrained(str(source))
    except (OSError, json.JSONDecodeError) as error:
        raise ValueError(
            f"front-end {str(source)!r} is neither a folder with a config.json nor a Hugging Face "
            f"id that can be reached from here: {error}"
        ) from error
    layout = (tuple(found.conv_kernel), tuple(found.conv_stride), found.feat_extract_norm)
    if layout != (CONV_KERNELS, CONV_STRIDES, "layer") or not found.do_stable_layer_norm:
        raise ValueError(
            f"front-end {str(source)!r} is not an XLS-R model: its feature extractor or its norms "
            "are laid out differently (layer-normed convolutions and pre-norm layers are needed)"
        )
    return FrontendConfig(
        name=Path(source).name,
        hidden_size=found.hidden_size,
        num_layers=found.num_hidden_layers,
        num_heads=found.num_attention_heads,
        ffn_size=found.intermediate_size,
        conv_channels=found.conv_dim[0],
        position_kernel=found.num_conv_pos_embeddings,
        position_groups=found.num_conv_pos_embedding_groups,
        attention=attention,
    )
