"""XLSR-AASIST (Tak et al. 2022): XLS-R, residual convolutions, spectro-temporal graph attention."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from fakemamba.baselines.graph_attention import (
    GraphAttention,
    GraphPool,
    HeterogeneousGraphAttention,
)
from fakemamba.models.detector import Detector, DetectorConfig
from fakemamba.models.frontend import Frontend, Size
from fakemamba.models.masking import (
    ImageBatchNorm,
    frame_mask,
    masked_mean,
    masked_softmax,
    optional_mask,
)

CHANNELS = (1, 32, 32, 64, 64, 64, 64)
GRAPH_WIDTHS = (64, 32)


@dataclass(frozen=True)
class AASISTConfig(DetectorConfig):
    """Width of the projection; everything else is fixed by the published model."""

    width: Annotated[Size, Field(ge=3)] = 128


class ImageAttention(nn.Sequential):
    """Pointwise layers in a row, of which the batch norms are told the lengths."""

    def forward(self, input: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, C, F, T) to (B, C', F, T)."""
        for layer in self:
            input = layer(input, lengths) if isinstance(layer, ImageBatchNorm) else layer(input)
        return input


class ResidualBlock(nn.Module):
    """Two (2, 3) convolutions and a residual.

    ``bn1`` is in the published checkpoints and counts, but the published block feeds conv1 its raw
    input, so this norm has no effect on any output; it is kept and never run.
    """

    def __init__(self, channels_in: int, channels_out: int, *, first: bool = False) -> None:
        super().__init__()
        if not first:
            self.bn1 = ImageBatchNorm(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels_out, (2, 3), padding=(1, 1))
        self.bn2 = ImageBatchNorm(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, (2, 3), padding=(0, 1))
        self.conv_downsample = (
            nn.Conv2d(channels_in, channels_out, (1, 3), padding=(0, 1))
            if channels_in != channels_out
            else None
        )

    def forward(self, image: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, C, F, T) to (B, C', F, T); padded time comes in and goes out as zero."""
        hidden = F.selu(self.bn2(self.conv1(image), lengths))  # (B, C', F + 1, T)
        out = self.conv2(hidden)
        out = out + (image if self.conv_downsample is None else self.conv_downsample(image))
        return _zero_time(out, lengths)


class AASISTEncoder(nn.Module):
    """Features to the readout of the graph network (B, 160)."""

    def __init__(self, config: AASISTConfig) -> None:
        super().__init__()
        last, (wide, narrow) = CHANNELS[-1], GRAPH_WIDTHS
        self.linear = nn.Linear(config.frontend.hidden_size, config.width)
        self.first_bn = ImageBatchNorm(1)
        self.residual_blocks = nn.ModuleList(
            ResidualBlock(a, b, first=i == 0) for i, (a, b) in enumerate(pairwise(CHANNELS))
        )
        self.first_bn1 = ImageBatchNorm(last)
        self.attention = ImageAttention(
            nn.Conv2d(last, 128, 1), nn.SELU(), ImageBatchNorm(128), nn.Conv2d(128, last, 1)
        )
        self.pos_S = nn.Parameter(torch.randn(1, config.width // 3, last))
        self.master1 = nn.Parameter(torch.randn(1, 1, wide))
        self.master2 = nn.Parameter(torch.randn(1, 1, wide))
        self.GAT_layer_S = GraphAttention(last, wide)
        self.GAT_layer_T = GraphAttention(last, wide)
        self.pool_S, self.pool_T = GraphPool(wide), GraphPool(wide)
        for branch in (1, 2):
            self.add_module(f"HtrgGAT_layer_ST{branch}1", HeterogeneousGraphAttention(wide, narrow))
            self.add_module(
                f"HtrgGAT_layer_ST{branch}2", HeterogeneousGraphAttention(narrow, narrow)
            )
            self.add_module(f"pool_hS{branch}", GraphPool(narrow))
            self.add_module(f"pool_hT{branch}", GraphPool(narrow))
        self.drop_way = nn.Dropout(0.2)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, frontend width) to (B, 160); T at least 3."""
        image = self.linear(features).transpose(1, 2)[:, None]  # (B, 1, width, T)
        # Without the frames that fill no window: torch < 2.12 would fix T % 3 when it is traced.
        image = F.pad(image, (0, -(image.shape[3] % 3)))
        image = F.max_pool2d(image, 3)  # (B, 1, width // 3, T // 3)
        lengths = None if lengths is None else lengths // 3
        image = F.selu(self.first_bn(image, lengths))
        for block in self.residual_blocks:
            image = block(image, lengths)
        image = F.selu(self.first_bn1(image, lengths))  # (B, 64, 42, T')

        spectral, temporal = self._to_nodes(image, lengths)
        valid = optional_mask(lengths, temporal.shape[1])
        spectral, _ = self.pool_S(self.GAT_layer_S(spectral))
        temporal, counts = self.pool_T(self.GAT_layer_T(temporal, valid), lengths)
        first = self._branch(1, temporal, spectral, self.master1, counts)
        second = self._branch(2, temporal, spectral, self.master2, counts)
        temporal, spectral, master = (
            torch.maximum(self.drop_way(a), self.drop_way(b))
            for a, b in zip(first, second, strict=True)
        )
        if counts is not None:
            counts = (counts // 2).clamp(min=1)
            exists = frame_mask(counts, temporal.shape[1])
            temporal = temporal.masked_fill(~exists[..., None], 0.0)
        readout = [
            temporal.abs().amax(1),
            masked_mean(temporal, counts),
            spectral.abs().amax(1),
            spectral.mean(1),
            master.squeeze(1),
        ]
        return torch.cat(readout, dim=1)

    def _to_nodes(self, image: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        """An image (B, 64, 42, T') to spectral nodes (B, 42, 64) and temporal ones (B, T', 64)."""
        weights = self.attention(image, lengths)  # (B, 64, 42, T')
        over_time = masked_softmax(weights, lengths, dim=3)
        spectral = (image * over_time).sum(3).transpose(1, 2) + self.pos_S
        temporal = (image * weights.softmax(dim=2)).sum(2).transpose(1, 2)
        return spectral, temporal.contiguous()  # else each product of pairs is copied

    def _branch(
        self, branch: int, temporal: Tensor, spectral: Tensor, master: Tensor, counts: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Two heterogeneous layers with pooling between them and a residual around the second."""
        layers: Any = self._modules
        master = master.expand(temporal.shape[0], -1, -1)
        temporal, spectral, master = layers[f"HtrgGAT_layer_ST{branch}1"](
            temporal, spectral, master, optional_mask(counts, temporal.shape[1])
        )
        spectral, _ = layers[f"pool_hS{branch}"](spectral)
        temporal, counts = layers[f"pool_hT{branch}"](temporal, counts)
        more = layers[f"HtrgGAT_layer_ST{branch}2"](
            temporal, spectral, master, optional_mask(counts, temporal.shape[1])
        )
        return temporal + more[0], spectral + more[1], master + more[2]


class AASISTHead(nn.Module):
    """Dropout and one linear layer on the readout."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5)
        self.classifier = nn.Linear(width, 2)

    def embed(self, encoded: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The readout itself, (B, 160)."""
        return encoded

    def forward(self, encoded: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, 160) to logits (B, 2)."""
        return self.classifier(self.drop(encoded))


class XLSRAASIST(Detector):
    """XLSR-AASIST; needs three frames, 1,040 samples."""

    config_class = AASISTConfig
    min_frames = 3
    official_keys = (
        (r"^LL\.", "encoder.linear."),
        (r"^encoder\.(\d+)\.0\.", r"encoder.residual_blocks.\1."),
        (r"^out_layer\.", "head.classifier."),
        (r"^(?!encoder\.|head\.)", "encoder."),
    )

    def __init__(self, config: AASISTConfig, frontend: Frontend | None = None) -> None:
        super().__init__(config, frontend)
        self.encoder = AASISTEncoder(config)
        self.head = AASISTHead(5 * GRAPH_WIDTHS[1])

    @classmethod
    def sizes_from_state(cls, state: dict[str, Tensor]) -> dict[str, Any]:
        """Width of the projection."""
        return {"width": state["encoder.linear.bias"].shape[0]}


def _zero_time(image: Tensor, lengths: Tensor | None) -> Tensor:
    if lengths is None:
        return image
    return image.masked_fill(~frame_mask(lengths, image.shape[3])[:, None, None], 0.0)
