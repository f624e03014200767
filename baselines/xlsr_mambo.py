"""XLSR-MamBo (2026): Hydra mixers, feed-forwards and self-attention in one of four layouts.

Between elements the sum of all outputs so far is carried on, in fp32, and each element gets it
normalised. The published detector normalises a batch of waveforms jointly, which is here
``waveform="joint"``; by default each utterance is normalised by itself, as a batch of one was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fakemamba.models.detector import Detector, DetectorConfig
from fakemamba.models.frontend import Blocks, Frontend, FrontendConfig, Size
from fakemamba.models.frontends.tensor_names import OfficialFrontend, transformers_key_of_torchaudio
from fakemamba.models.hydra import Hydra, RMSNorm
from fakemamba.models.masking import frame_mask, masked_softmax
from fakemamba.models.state_dicts import count_blocks, shape_of

DROPOUT = 0.1
CONV_TAPS = 4
MOST_ELEMENTS = 1_000
Element = Literal["hydra", "feed-forward", "attention"]


@dataclass(frozen=True)
class MamBoConfig(DetectorConfig):
    """The published sizes of MamBo-3-Hydra-N3.

    Attributes:
        layout: 1 to 4, see `elements`.
        repeats: of the layout (L).
        mixers: Hydras in a row (N).
        width: of the frames.
        num_states: of a Hydra.
        head_channels: of a Hydra.
        heads: of the attention. Tensors do not show them.
        waveform: how the front-end normalises it, where its source chooses nothing.
    """

    layout: Literal[1, 2, 3, 4] = 3
    repeats: Blocks = 5
    mixers: Blocks = 3
    width: Size = 128
    num_states: Size = 64
    head_channels: Size = 64
    heads: Size = 4
    waveform: Literal["utterance", "joint"] = "utterance"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.heads:
            raise ValueError(f"width {self.width} cannot be split over {self.heads} heads")
        count = self.repeats * len(elements(self.layout, self.mixers))
        if count > MOST_ELEMENTS:
            raise ValueError(f"{count} elements are more than {MOST_ELEMENTS}")
        if 2 * self.width % self.head_channels:
            raise ValueError(
                f"twice the width {self.width} cannot be split into heads of {self.head_channels}"
            )


def elements(layout: int, mixers: int) -> list[Element]:
    """What is repeated in a layout."""
    hydras: list[Element] = ["hydra"] * mixers
    layouts: dict[int, list[Element]] = {
        1: [*hydras, "feed-forward"],
        2: [*hydras, "attention"],
        3: [*hydras, "feed-forward", "attention", "feed-forward"],
        4: [*hydras, "feed-forward", *hydras, "attention"],
    }
    return layouts[layout]


class SwiGLU(nn.Module):
    """Linear of SiLU(gate) times value, which are linear, too; no biases."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        hidden = int(8 * width / 3)
        self.gate_and_value = nn.Linear(width, 2 * hidden, bias=False)
        self.out = nn.Linear(hidden, outputs, bias=False)
        for layer in (self.gate_and_value, self.out):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")

    def forward(self, frames: Tensor) -> Tensor:
        """(..., width) to (..., outputs)."""
        gate, value = self.gate_and_value(frames).chunk(2, dim=-1)
        return self.out(F.silu(gate) * value)


class GatedFeedForward(SwiGLU):
    """SwiGLU from width to width, with dropout."""

    def __init__(self, config: MamBoConfig) -> None:
        super().__init__(config.width, config.width)

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, width) to the same."""
        return F.dropout(super().forward(frames), DROPOUT, self.training)


class ConvolvedAttention(nn.Module):
    """Self-attention over all frames, whose q, k and v each see the three frames before.

    There are no positions; the convolution, which is causal, tells the order.
    """

    def __init__(self, config: MamBoConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.in_proj = nn.Linear(width, 3 * width)
        self.conv1d = nn.Conv1d(3 * width, 3 * width, CONV_TAPS, groups=3 * width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, width) to the same."""
        before = F.pad(self.in_proj(frames).transpose(1, 2), (CONV_TAPS - 1, 0))
        # Fused attention takes channels that lie side by side.
        convolved = self.conv1d(before).transpose(1, 2).contiguous()
        qkv = convolved.unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, T, d)
        mask = None if lengths is None else frame_mask(lengths, frames.shape[1])[:, None, None]
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


class MamBoBlock(nn.Module):
    """One element and the norm in front of it."""

    def __init__(self, element: Element, config: MamBoConfig) -> None:
        super().__init__()
        self.norm = RMSNorm(config.width)
        if element == "hydra":
            sizes = {"num_states": config.num_states, "head_channels": config.head_channels}
            self.mixer: nn.Module = Hydra(config.width, **sizes)
        elif element == "attention":
            self.mixer = ConvolvedAttention(config)
        else:
            self.mixer = GatedFeedForward(config)

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """What the element adds to frames (B, T, width)."""
        added: Tensor = self.mixer(self.norm(frames), lengths)
        return added


class MamBoEncoder(nn.Module):
    """Projection, elements around a carried sum, and a norm of it."""

    def __init__(self, config: MamBoConfig) -> None:
        super().__init__()
        self.projection = nn.Linear(config.frontend.hidden_size, config.width, bias=False)
        self.projection_norm = RMSNorm(config.width)
        sequence = elements(config.layout, config.mixers) * config.repeats
        self.blocks = nn.ModuleList(MamBoBlock(element, config) for element in sequence)
        self.norm = RMSNorm(config.width)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, frontend width) to (B, T, width)."""
        frames = F.silu(self.projection_norm(self.projection(features)))
        frames = frames.to(torch.promote_types(frames.dtype, torch.float32))
        for block in self.blocks:
            frames = frames + block(frames, lengths)
        return self.norm(frames)


class MamBoHead(nn.Module):
    """Attention pooling by a gated score of each frame, and a linear layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = SwiGLU(width, 1)
        self.classifier = nn.Linear(width, 2)
        nn.init.kaiming_normal_(self.classifier.weight, nonlinearity="linear")

    def weights(self, encoded: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, width) to (B, T, 1), summing to one over an utterance's own frames."""
        return masked_softmax(self.score(encoded), lengths, dim=1)

    def embed(self, encoded: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, width) to (B, width)."""
        return (self.weights(encoded, lengths).transpose(1, 2) @ encoded).squeeze(1)

    def forward(self, encoded: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, width) to logits (B, 2)."""
        pooled = self.embed(encoded, lengths)
        return self.classifier(F.dropout(pooled, DROPOUT, self.training))


class XLSRMamBo(Detector):
    """XLSR-MamBo with Hydra."""

    config_class = MamBoConfig
    frontend_waveform = "utterance-fairseq"
    ranks_by = "difference"
    official_frontend = OfficialFrontend(
        "feature_extractor.model.model.", transformers_key_of_torchaudio
    )
    official_keys = (
        (r"^input_proj\.input_proj\.", "encoder.projection."),
        (r"^input_proj\.norm\.", "encoder.projection_norm."),
        (r"^stacked_mamba2\.layers\.norm\.", "encoder.norm."),
        (r"^stacked_mamba2\.layers\.layers\.(\d+)\.norm\.", r"encoder.blocks.\1.norm."),
        (
            r"^stacked_mamba2\.layers\.layers\.(\d+)\.(?:mamba|mlp|mha)\.",
            r"encoder.blocks.\1.mixer.",
        ),
        (r"^(encoder\.blocks\.\d+\.mixer)\.w1_w3_combined\.", r"\1.gate_and_value."),
        (r"^(encoder\.blocks\.\d+\.mixer)\.w2_out\.", r"\1.out."),
        (r"^attention_pool\.gate_value_proj\.", "head.score.gate_and_value."),
        (r"^attention_pool\.to_score\.", "head.score.out."),
        (r"^classifier\.", "head.classifier."),
    )

    def __init__(self, config: MamBoConfig, frontend: Frontend | None = None) -> None:
        super().__init__(config, frontend)
        self.encoder = MamBoEncoder(config)
        self.head = MamBoHead(config.width)

    @classmethod
    def frontend_taken(cls, frontend: FrontendConfig, options: Mapping[str, Any]) -> FrontendConfig:
        """A front-end that normalises waveforms, jointly if ``options`` say so."""
        if frontend.waveform == "none" and options.get("waveform") == "joint":
            frontend = replace(frontend, waveform="joint")
        return super().frontend_taken(frontend, options)

    @classmethod
    def sizes_from_state(cls, state: dict[str, Tensor]) -> dict[str, Any]:
        """Layout, repeats, Hydras in a row, width, and a Hydra's states and head channels.

        Raises:
            ValueError: the elements have the order of no layout.
        """
        mixer = "encoder.blocks.{}.mixer.".format
        found = [_element(state, mixer(i)) for i in range(count_blocks(state, "encoder.blocks."))]
        mixers = next((i for i, element in enumerate(found) if element != "hydra"), len(found))
        for layout in (1, 2, 3, 4):
            block = elements(layout, mixers)
            repeats = len(found) // len(block)
            if found and block * repeats == found:
                break
        else:
            raise ValueError(f"no layout has the elements {', '.join(found)}")
        width, channels = shape_of(state, f"{mixer(0)}out_proj.weight", 2)
        (heads,) = shape_of(state, f"{mixer(0)}dt_bias", 1)
        (mixed,) = shape_of(state, f"{mixer(0)}conv1d.bias", 1)
        return {
            **{"layout": layout, "repeats": repeats, "mixers": mixers, "width": width},
            "num_states": (mixed - channels) // 4,
            "head_channels": channels // heads,
        }


def _element(state: dict[str, Tensor], prefix: str) -> Element:
    """Of which kind the element is whose tensors' names begin so."""
    if f"{prefix}A_log" in state:
        return "hydra"
    return "attention" if f"{prefix}in_proj.bias" in state else "feed-forward"
