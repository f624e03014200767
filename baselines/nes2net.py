"""Nes2Net-X (Liu et al. 2025): a Res2Net of Res2Nets on the front-end's full width.

The outer level splits channels into groups, of which each gets the one before it added. A group
goes through an inner Res2Net, in which what was split stays apart in streams and is put together by
learned weights. There is no projection in front, and no pooling but the mean over time behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from fakemamba.baselines.antideepfake import LinearHead
from fakemamba.models.detector import Detector, DetectorConfig
from fakemamba.models.frontend import Frontend, Size
from fakemamba.models.masking import ImageBatchNorm, masked_mean, zero_padding
from fakemamba.models.state_dicts import count_blocks, shape_of

Parts = Annotated[int, Field(ge=2, le=1 << 10)]


@dataclass(frozen=True)
class Nes2NetConfig(DetectorConfig):
    """The published sizes.

    Attributes:
        groups: of channels, in the outer level.
        splits: of a group's channels, in the inner level.
        dilation: of the convolutions over time; 2 in the released speech models, 1 in others of
            the authors. Tensors do not show it.
        squeeze: by how much the gate over channels narrows.
    """

    groups: Parts = 8
    splits: Parts = 8
    dilation: Size = 2
    squeeze: Size = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        width = self.frontend.hidden_size
        if width % self.groups or width // self.groups < max(self.splits, self.squeeze):
            raise ValueError(
                f"front-end width {width} cannot be split into {self.groups} equal groups of at "
                f"least {max(self.splits, self.squeeze)} channels"
            )


class ChannelGate(nn.Module):
    """Squeeze and excitation: each channel times a factor that the mean over time decides."""

    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__()
        self.narrow = nn.Conv1d(channels, channels // squeeze, 1)
        self.wide = nn.Conv1d(channels // squeeze, channels, 1)

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, C, T) to the same."""
        mean = masked_mean(frames.transpose(1, 2), lengths)[..., None]  # (B, C, 1)
        return frames * self.wide(F.relu(self.narrow(mean))).sigmoid()


class StreamedRes2Net(nn.Module):
    """The inner level: a convolution sees all splits so far, each as a stream of its own."""

    def __init__(self, channels: int, config: Nes2NetConfig) -> None:
        super().__init__()
        width, steps = channels // config.splits, range(config.splits - 1)
        inside = width * config.splits  # fewer than ``channels`` where these do not divide
        dilation = config.dilation
        self.splits = config.splits
        self.inward = nn.Conv1d(channels, inside, 1)
        self.inward_norm = ImageBatchNorm(inside)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(width, width, (3, 1), dilation=(dilation, 1), padding=(dilation, 0))
            for _ in steps
        )
        self.norms = nn.ModuleList(ImageBatchNorm(width) for _ in steps)
        self.stream_weights = nn.ParameterList(
            nn.Parameter(torch.full((1, 1, 1, step + 2), 1 / (step + 2))) for step in steps
        )
        self.outward = nn.Conv1d(inside, channels, 1)
        self.outward_norm = ImageBatchNorm(channels)
        self.gate = ChannelGate(channels, config.squeeze)

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, C, T), zero in padding, to the same."""
        hidden = self.inward_norm(F.relu(self.inward(frames)), lengths)
        *splits, last = hidden.chunk(self.splits, dim=1)  # (B, width, T) each
        streams, mixed = last[..., None], []  # (B, width, T, streams)
        for split, convolution, norm, weights in zip(
            splits, self.convolutions, self.norms, self.stream_weights, strict=True
        ):
            streams = torch.cat([streams, split[..., None]], dim=-1)
            streams = norm(F.relu(convolution(streams)), lengths, time_dim=2)
            mixed.append((streams * weights).sum(-1))
        joined = self.outward(torch.cat([*mixed, last], dim=1))
        return self.gate(self.outward_norm(F.relu(joined), lengths), lengths) + frames


class NestedRes2Net(nn.Module):
    """The outer level: each group but the first gets what became of the one before it added."""

    def __init__(self, config: Nes2NetConfig) -> None:
        super().__init__()
        width = config.frontend.hidden_size
        channels = width // config.groups
        self.groups = config.groups
        self.inner = nn.ModuleList(
            StreamedRes2Net(channels, config) for _ in range(config.groups - 1)
        )
        self.norms = nn.ModuleList(ImageBatchNorm(channels) for _ in range(config.groups - 1))
        self.norm = ImageBatchNorm(width)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, width) to the mean over time (B, width)."""
        frames = zero_padding(features, lengths).transpose(1, 2)  # (B, width, T)
        *groups, last = frames.chunk(self.groups, dim=1)
        made: list[Tensor] = []
        for group, inner, norm in zip(groups, self.inner, self.norms, strict=True):
            group = group + made[-1] if made else group
            made.append(norm(F.relu(inner(group, lengths)), lengths))
        # Here alone the norm comes before ReLU.
        joined = F.relu(self.norm(torch.cat([*made, last], dim=1), lengths))
        return masked_mean(joined.transpose(1, 2), lengths)


class Nes2NetX(Detector):
    """Nes2Net-X."""

    config_class = Nes2NetConfig
    official_keys = (
        (r"^Nested_Res2Net_TDNN\.Build_in_Res2Nets\.", "encoder.inner."),
        (r"^Nested_Res2Net_TDNN\.bns\.", "encoder.norms."),
        (r"^Nested_Res2Net_TDNN\.bn\.", "encoder.norm."),
        (r"^Nested_Res2Net_TDNN\.fc\.", "head.classifier."),
        (r"^(encoder\.inner\.\d+)\.conv1\.", r"\1.inward."),
        (r"^(encoder\.inner\.\d+)\.bn1\.", r"\1.inward_norm."),
        (r"^(encoder\.inner\.\d+)\.convs\.", r"\1.convolutions."),
        (r"^(encoder\.inner\.\d+)\.bns\.", r"\1.norms."),
        (r"^(encoder\.inner\.\d+)\.weighted_sum\.", r"\1.stream_weights."),
        (r"^(encoder\.inner\.\d+)\.conv3\.", r"\1.outward."),
        (r"^(encoder\.inner\.\d+)\.bn3\.", r"\1.outward_norm."),
        (r"^(encoder\.inner\.\d+)\.se\.se\.1\.", r"\1.gate.narrow."),
        (r"^(encoder\.inner\.\d+)\.se\.se\.3\.", r"\1.gate.wide."),
    )

    def __init__(self, config: Nes2NetConfig, frontend: Frontend | None = None) -> None:
        super().__init__(config, frontend)
        self.encoder = NestedRes2Net(config)
        self.head = LinearHead(config.frontend.hidden_size)

    @classmethod
    def sizes_from_state(cls, state: dict[str, Tensor]) -> dict[str, Any]:
        """Groups, splits and squeeze."""
        inner = "encoder.inner.0."
        narrow, channels, _ = shape_of(state, f"{inner}gate.narrow.weight", 3)
        return {
            "groups": count_blocks(state, "encoder.inner.") + 1,
            "splits": count_blocks(state, f"{inner}convolutions.") + 1,
            "squeeze": channels // narrow,
        }
