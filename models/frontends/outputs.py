"""Which layers' frames a front-end gives: the last, all of them, or a learned sum.

A network of N layers has N + 1 states: the input of its first layer, and each layer's output. Where
norms stand before attention and feed-forward (``pre_norm``) and in Whisper, one more LayerNorm
comes after the last layer. ``last`` has it. transformers 5 gives the raw state as the last of
``hidden_states``, and so do fairseq's ``layer_results``; transformers 4 gave the normed one: here
``all`` is raw and ``all-normed`` has the norm on its last entry. Elsewhere the two are the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

Output = Literal["last", "last-raw", "all", "all-normed", "weighted", "weighted-normed"]


class LayerSum(nn.Module):
    """A weighted sum of states, its weights the softmax of learned ones, at first all equal."""

    def __init__(self, num_states: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(num_states))

    def forward(self, states: list[Tensor]) -> Tensor:
        """States of (B, T, hidden) each to (B, T, hidden)."""
        weights = self.weights.softmax(0)
        total = weights[0] * states[0]
        for weight, state in zip(weights[1:], states[1:], strict=True):
            total = total + weight * state
        return total


def put_out(states: list[Tensor], output: Output, layer_sum: LayerSum | None) -> Tensor:
    """What an output other than ``last`` is of states, (B, T, hidden) each.

    The last of them has to be normed, or not, as the output wants it.
    """
    if layer_sum is not None:
        return layer_sum(states)
    return states[-1] if output == "last-raw" else torch.stack(states, 1)


@contextmanager
def states_of(layers: nn.ModuleList) -> Iterator[list[Tensor]]:
    """A list that is filled, while the network runs, with the states of its layers."""
    states: list[Tensor] = []

    def before(layer: nn.Module, given: tuple[Any, ...]) -> None:
        states.append(given[0])

    def after(layer: nn.Module, given: tuple[Any, ...], made: Any) -> None:
        states.append(made[0] if isinstance(made, tuple) else made)

    with ExitStack() as hooks:
        hooks.callback(layers[0].register_forward_pre_hook(before).remove)
        for layer in layers:
            hooks.callback(layer.register_forward_hook(after).remove)
        yield states
