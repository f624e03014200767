"""What a part of a detector does with frames, seen while it runs: scans and self-attention.

A ``TorchFunctionMode`` sees scans as one operation each, and so it does products and softmaxes of
attention, whatever module they are in: no detector has to be told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from fakemamba.models.maps.attention import AttentionMixing, ProductMixing
from fakemamba.models.maps.mixing import ScanMixing
from fakemamba.models.scan import directional_scan, ssd_scan
from fakemamba.models.scan.inputs import ScanInputs, SSDInputs

SOFTMAXES = (torch.softmax, F.softmax, Tensor.softmax)
Fold = Callable[[Tensor], Tensor]


class Mixing(Protocol):
    """What mixes frames in one layer."""

    @property
    def size(self) -> int:
        """Frames."""
        ...

    def matrices(self) -> Tensor:
        """By how much a frame takes of each (directions, batch, time, time), none negative."""
        ...


class MixingWatch(TorchFunctionMode):
    """Keeps what mixes frames, in the order in which it runs, of utterances that fill their rows.

    Args:
        least: frames; a softmax over fewer is of something else.
    """

    def __init__(self, least: int) -> None:
        super().__init__()
        self.seen: list[Mixing] = []
        self.fold: Fold | None = None  # of the module that is running
        self._least = least

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run an operation, and look at it."""
        given = dict(kwargs or {})
        result = func(*args, **given)
        if func is directional_scan:
            self.seen.append(ScanMixing.of_scan(ScanInputs(*args, **_without_backend(given))))
        elif func is ssd_scan:
            self.seen.append(ScanMixing.of_ssd(SSDInputs(*args, **_without_backend(given))))
        elif func is F.scaled_dot_product_attention:
            self._add(_product(*args, **given))
        elif func in SOFTMAXES and self._is_attention(result, *args[1:], **given):
            self._add(AttentionMixing(result.detach().mean(1)))
        return result

    def _add(self, mixing: Mixing) -> None:
        if self.fold is not None:
            mixing = AttentionMixing(self.fold(mixing.matrices()[0]))
        self.seen.append(mixing)

    def _is_attention(self, weights: Tensor, dim: int, *_: Any, **__: Any) -> bool:
        """Weights (batch, heads, time, time), over the last of these."""
        square = weights.ndim == 4 and weights.shape[2] == weights.shape[3] >= self._least
        return square and dim in (-1, 3)


@contextmanager
def watching(part: nn.Module, least: int) -> Iterator[list[Mixing]]:
    """Look at what mixes frames in a part that is run inside.

    A module of it that lets tokens of its own join attention says by ``between_frames`` what
    weights between all of them (batch, all, all) come to between frames (batch, time, time).
    """
    watch = MixingWatch(least)

    def enter(module: Any, _: object) -> None:
        watch.fold = module.between_frames

    def leave(*_: object) -> None:
        watch.fold = None

    with ExitStack() as hooks, watch:
        for module in part.modules():
            if hasattr(module, "between_frames"):
                hooks.enter_context(module.register_forward_pre_hook(enter))
                hooks.enter_context(module.register_forward_hook(leave))
        yield watch.seen


def _without_backend(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name != "backend"}


def _product(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    *_: Any,
    scale: float | None = None,
    **__: Any,
) -> ProductMixing:
    """The arguments of fused attention, which is never causal here."""
    mask = None if attn_mask is None else attn_mask.detach()
    return ProductMixing(query.detach(), key.detach(), mask, scale)
