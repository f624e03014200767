"""Which groups of a front-end int8 harms most, by what they add to the error of its states.

Two models tell it of all groups at once. To quantise each group alone and see by how much scores
move takes a model a group, and found the same ones.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from fakemamba.models.export.drafts import Draft

LEAST_SQUARE = 1e-12  # of a channel that is always 0


def most_harmed(
    draft: Draft, folder: Path, examples: Tensor | None, kept: Collection[str], waveforms: Tensor
) -> list[str]:
    """The groups that are not kept in fp32, the one first that int8 harms most.

    Args:
        draft: that has int8.
        folder: in which models are written for a while.
        examples: speech (n, samples) for ranges of activations.
        kept: groups that stay in fp32.
        waveforms: speech (rows, samples) that errors are measured on.
    """

    def states(precision: str, examples: Tensor | None) -> list[Tensor]:
        """The state (rows, T, width) behind each group."""
        with TemporaryDirectory(dir=folder) as place:
            draft.write(Path(place), precision, examples, kept=kept, tells=True)
            lengths = torch.full((len(waveforms),), waveforms.shape[1])
            _, _, *told = draft.open(Path(place), precision)(waveforms, lengths)
        return told[: len(draft.groups)]

    added, before = {}, 0.0
    pairs = zip(states("fp32", None), states("int8", examples), strict=True)
    for group, (exact, found) in zip(draft.groups, pairs, strict=True):
        # By channel: one that is a thousand times as large as the others would hide them.
        squares = exact.square().mean((0, 1)).clamp(min=LEAST_SQUARE)
        error = float(((found - exact).square().mean((0, 1)) / squares).mean())
        added[group], before = error - before, error
    return sorted((one for one in added if one not in kept), key=added.__getitem__, reverse=True)
