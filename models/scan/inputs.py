"""What every backend of the scan is given."""

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
