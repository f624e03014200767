"""What every backend of the two scans is given."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class ScanInputs(NamedTuple):
    """Arguments of `fakemamba.models.scan.directional_scan`, in the order in which they go along.

    u, delta, z: (directions, batch, time, channels); B, C: (directions, batch, time, states);
    A: (directions, channels, states); D, delta_bias: (directions, channels); lengths: (batch,).
    """

    u: Tensor
    delta: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    D: Tensor | None
    z: Tensor | None
    delta_bias: Tensor | None
    reverse: tuple[bool, ...]
    lengths: Tensor | None


class SSDInputs(NamedTuple):
    """Arguments of `fakemamba.models.scan.ssd_scan`, in the order in which they go along.

    x: (directions, batch, time, heads, head channels); delta: (directions, batch, time, heads);
    A, delta_bias: (directions, heads); B, C: (directions, batch, time, states); lengths: (batch,).
    """

    x: Tensor
    delta: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    delta_bias: Tensor | None
    reverse: tuple[bool, ...]
    exclusive: bool
    lengths: Tensor | None
