"""Which groups of a front-end int8 harms most: by how much each moves a detector's score.

One model in int8 tells it of all groups: what it has behind each group is put into the detector,
whose rest is in fp32. To quantise each group alone takes a model a group, and gave the same order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from fakemamba.models.detector import Detector
from fakemamba.models.export.drafts import Draft


def most_harmed(
    detector: Detector,
    draft: Draft,
    folder: Path,
    examples: Tensor | None,
    kept: Collection[str],
    waveforms: Tensor,
) -> list[str]:
    """The groups that are not kept in fp32, the one first that int8 harms most.

    Args:
        detector: in evaluation mode, on the CPU.
        draft: of it, that has int8.
        folder: in which a model is written for a while.
        examples: speech (n, samples) for ranges of activations.
        kept: groups that stay in fp32.
        waveforms: speech (rows, samples) whose scores are looked at.
    """
    lengths = torch.full((len(waveforms),), waveforms.shape[1])
    with TemporaryDirectory(dir=folder) as place:
        draft.write(Path(place), "int8", examples, kept=kept, tells=True)
        _, _, *told = draft.open(Path(place), "int8")(waveforms, lengths)
    states = told[: len(draft.groups)]
    scores = []
    for count in range(len(states) + 1):
        with torch.no_grad(), _given(detector.frontend.layers, states[:count]):
            scores.append(detector.scores(detector(waveforms, lengths)))
    moves = [float((after - before).abs().mean()) for before, after in pairwise(scores)]
    harm = dict(zip(draft.groups, moves, strict=True))
    return sorted((one for one in harm if one not in kept), key=harm.__getitem__, reverse=True)


@contextmanager
def _given(layers: nn.ModuleList, states: Sequence[Tensor]) -> Iterator[None]:
    """Layers whose first states (rows, T, width), the first layer's input before all, are these."""

    def before(layer: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        return (_put_into(given[0], states[0]), *given[1:])

    with ExitStack() as hooks:
        if states:
            hooks.callback(layers[0].register_forward_pre_hook(before).remove)
        for layer, state in zip(layers, states[1:], strict=False):

            def after(
                layer: nn.Module, given: tuple[Any, ...], made: Any, state: Tensor = state
            ) -> Any:
                if isinstance(made, tuple):
                    return (_put_into(made[0], state), *made[1:])
                return _put_into(made, state)

            hooks.callback(layer.register_forward_hook(after).remove)
        yield


def _put_into(own: Tensor, state: Tensor) -> Tensor:
    """A state with the frames of another, of which s3prl has some more."""
    frames = min(own.shape[1], state.shape[1])
    return torch.cat([state[:, :frames], own[:, frames:]], dim=1)
