"""How strongly each frame counts for the vector that is classified: rollouts, and their parts.

What a layer gives to a frame is taken to be half the frame itself, along the residual, and half
what it mixes, whose rows add up to one; layers are multiplied (Abnar and Zuidema 2020, "Quantifying
attention flow in transformers"), hidden attention as attention (Ali, Zimerman and Wolf 2024).
Starting from the weights of the pooling, only a vector is carried back, and one layer's matrix is
there at a time. None of this has a sign: it says how strongly a frame counts, not for which class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fakemamba.models.maps.mixing import ScanMixing
from fakemamba.models.maps.observation import Observation, padded_or_cut
from fakemamba.models.maps.watching import Mixing

# Of what was seen, the influence of each frame (frames,), or None where the detector has no such.
Influence = Callable[[Observation], Tensor | None]


def pooling(seen: Observation) -> Tensor | None:
    """The weights that frames are pooled with, or with which the class token looked at them last.

    Several poolings, and their heads, count alike.
    """
    if seen.pooling is not None:
        return _in_encoder(seen, ())
    attention = [one for one in seen.encoder if not isinstance(one, ScanMixing)]
    if seen.has_token and attention:
        return attention[-1].matrices()[0, 0, 0, 1:]
    return None


def attention_rollout(seen: Observation) -> Tensor | None:
    """Through the encoder's self-attention; what else mixes frames is taken to leave them."""
    attention = [one for one in seen.encoder if not isinstance(one, ScanMixing)]
    return _in_encoder(seen, attention) if attention else None


def hidden_attention(seen: Observation) -> Tensor | None:
    """Through the encoder's scans, as matrices, and its self-attention if it has some between."""
    if not any(isinstance(one, ScanMixing) for one in seen.encoder):
        return None
    return _in_encoder(seen, seen.encoder)


def frontend_rollout(seen: Observation) -> Tensor | None:
    """On from what counts in the encoder through the self-attention of the front-end's layers.

    An encoder that mixes frames otherwise is taken to use all of them alike.
    """
    if not seen.frontend:
        return None
    influence = _in_encoder(seen, seen.encoder)
    # A network may make more frames, of silence behind.
    start = padded_or_cut(influence, seen.frontend[0].size)
    carried = _carried(start[None], seen.frontend, _summed)
    return padded_or_cut(carried[0], seen.num_frames)


def step_size(seen: Observation) -> Tensor | None:
    """The step sizes Δ of all scans, mean over channels, directions and blocks: what is let in."""
    scans = [one for one in seen.encoder if isinstance(one, ScanMixing)]
    if not scans:
        return None
    steps = torch.stack([one.steps[:, 0].mean((0, 2)) for one in scans]).mean(0)
    return steps[int(seen.has_token) :]


def _in_encoder(seen: Observation, layers: Sequence[Mixing]) -> Tensor:
    """The influence of the encoder's frames (frames,) through some of its layers."""
    weights = _read(seen)
    encoder: Any = seen.detector.encoder
    if hasattr(encoder, "by_column"):
        direct, columns = encoder.by_column(weights)
        found = direct + _carried(columns, layers, lambda matrices: matrices).sum(0)
    else:
        found = _carried(weights.mean(0, keepdim=True), layers, _summed)[0]
    return found[int(seen.has_token) :]


def _read(seen: Observation) -> Tensor:
    """How much the head reads of each position (columns, positions)."""
    if seen.pooling is not None:
        return seen.pooling
    weights = seen.features.new_zeros(1, seen.num_positions)
    if seen.reads_first:
        weights[0, 0] = 1
        return weights
    return weights + 1 / seen.num_positions


def _carried(
    influence: Tensor, layers: Sequence[Mixing], columns_of: Callable[[Tensor], Tensor]
) -> Tensor:
    """Influence (columns, time) at the end of layers as that at their beginning.

    ``columns_of`` makes (columns, time, time) of a layer's matrices (directions, time, time).
    """
    for layer in reversed(layers):
        mixed = F.normalize(columns_of(layer.matrices()[:, 0]), p=1, dim=-1)
        influence = (influence + torch.einsum("ct,cts->cs", influence, mixed)) / 2
    return influence


def _summed(matrices: Tensor) -> Tensor:
    """Directions of one stream, whose outputs are added."""
    return matrices.sum(0, keepdim=True)
