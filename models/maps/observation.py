"""One run of a detector on one recording, with all that maps are made of.

Parts are run one after the other, as `Detector.forward` does, and looked at while they run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fakemamba.models.block_detector import BlockEncoder, SummaryHead
from fakemamba.models.detector import Detector
from fakemamba.models.maps.watching import Mixing, watching


@dataclass(frozen=True, eq=False)
class Observation:
    """What was seen.

    Attributes:
        detector: that was run.
        given: the waveform that its front-end got (1, samples), cut or repeated where it has to be.
        features: what its encoder got (1, frames, width), or of all layers (1, layers, ...).
        frontend: what mixes frames in the front-end, in order; empty if it was not looked at.
        encoder: what does so in the encoder, on `num_positions`.
        pooling: how much a position of what is pooled counts (columns, positions); None where the
            detector has no such weights.
        encoded: what the encoder made of the features.
    """

    detector: Detector
    given: Tensor
    features: Tensor
    frontend: tuple[Mixing, ...]
    encoder: tuple[Mixing, ...]
    pooling: Tensor | None
    encoded: Tensor

    @property
    def encoded_frames(self) -> Tensor | None:
        """What the encoder made of each frame (frames, width); None where it keeps none apart."""
        if self.encoded.ndim != 3 or self.encoded.shape[1] != self.num_positions:
            return None
        return self.encoded[0, int(self.has_token) :]

    @property
    def num_frames(self) -> int:
        """Of the front-end."""
        return self.features.shape[-2]

    @property
    def has_token(self) -> bool:
        """Whether a class token is the first position, from which the head reads."""
        return has_token(self.detector)

    @property
    def num_positions(self) -> int:
        """Of what the encoder works on: frames, and a class token in front."""
        return self.num_frames + int(self.has_token)

    @property
    def reads_first(self) -> bool:
        """Whether the head takes the first position alone, a token or a frame."""
        head = self.detector.head
        return isinstance(head, SummaryHead) and head.pooling is None


@torch.no_grad()
def observe(detector: Detector, waveform: Tensor, *, in_frontend: bool) -> Observation:
    """Run a detector on a waveform (samples,) on its device.

    Args:
        detector: one of this package's kind, in eval mode.
        waveform: at 16 kHz.
        in_frontend: look at the front-end's attention, too, which takes memory for each layer.

    Raises:
        ValueError: see `Detector.check_input`.
    """
    detector.check_input(waveform[None], None)
    given, _ = detector.prepared(waveform[None])
    least = detector.framing.frame_count(given.shape[1])
    looked: AbstractContextManager[list[Mixing]] = nullcontext([])
    if in_frontend:
        looked = watching(detector.frontend, least)
    with looked as frontend:
        features, _ = detector.frontend(given)
    positions = features.shape[-2] + int(has_token(detector))
    with watching(detector.encoder, positions) as encoder, _pooling(detector) as pooled:
        encoded = detector.encoder(features)
        detector.head(encoded)
    pooled = [one for one in pooled if len(one) == positions]
    return Observation(
        detector,
        given,
        features,
        tuple(frontend),
        tuple(one for one in encoder if one.size == positions),
        torch.stack(pooled) if pooled else None,
        encoded,
    )


def has_token(detector: Detector) -> bool:
    """Whether its encoder puts a class token in front of the frames."""
    encoder = detector.encoder
    return isinstance(encoder, BlockEncoder) and encoder.class_token is not None


def padded_or_cut(values: Tensor, count: int) -> Tensor:
    """Values (frames,) as ``count`` of them: zeros behind, or the last left out."""
    return F.pad(values, (0, max(count - len(values), 0)))[:count]


@contextmanager
def _pooling(detector: Detector) -> Iterator[list[Tensor]]:
    """The weights (positions,) of each module that pools, mean over heads, as they are used.

    It pools if it has ``weights``, which gives (B, positions, heads) of what it is given.
    """
    found: list[Tensor] = []

    def keep(module: Any, given: tuple[Any, ...]) -> None:
        found.append(module.weights(*given)[0].mean(-1))

    with ExitStack() as hooks:
        for part in (detector.encoder, detector.head):
            for module in part.modules():
                if callable(getattr(module, "weights", None)):
                    hooks.enter_context(module.register_forward_pre_hook(keep))
        yield found
