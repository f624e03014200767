"""A front-end timed inside the end-to-end calls of its detector, so that it costs none of its own.

Nearly all of an end-to-end call is its front-end. Timed by itself as well, it would take half of a
sweep's time, and whatever the machine did meanwhile would be in one of the two alone: a share of
102 %. So where both are cells of a sweep, a visit of the one is a visit of the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from fakemamba.bench.cells import AnyCell, Cell
from fakemamba.models.registry import is_ours


def cell_within(cell: AnyCell) -> Cell | None:
    """The front-end's cell that visits of an end-to-end cell can hold; None if they hold none.

    The calls have to be those that the front-end's cell would make, and two looks at the host's
    clock have to tell what they took: eager, not quantised, one call at a time, on a CPU.
    """
    if not isinstance(cell, Cell) or cell.part != "end-to-end" or cell.precision == "int8":
        return None
    if (cell.device, cell.execution, cell.clock) != ("cpu", "eager", "latency"):
        return None
    if not is_ours(cell.detector):  # what others make of a front-end is not known
        return None
    return replace(cell, part="front-end")


Features = tuple[Tensor, Tensor | None]  # (B, T, hidden), and the valid frames of each row


@contextmanager
def standing_in(frontend: nn.Module, answer: Callable[..., Features]) -> Iterator[None]:
    """Inside, something else answers for a front-end, in every detector that shares it."""
    vars(frontend)["forward"] = answer
    try:
        yield
    finally:
        del vars(frontend)["forward"]


@dataclass(frozen=True)
class FirstCall:
    """A front-end's own first call, which need not be repeated to find the memory of the whole.

    Attributes:
        part: the front-end, which detectors share.
        waveforms: of full rows (B, samples), that it was given.
        features: that it returned.
        peak_bytes: that it held at its peak; None where nobody looked.
        took_s: in seconds.
    """

    part: nn.Module
    waveforms: Tensor
    features: Tensor
    peak_bytes: int | None
    took_s: float

    def again(self, waveforms: Tensor, lengths: Tensor | None = None) -> Features:
        """Hold as many bytes as the call did, let go of them, and return what it returned.

        What is given anything else, by a detector that cuts its input, has to be run.
        """
        if lengths is not None or not torch.equal(waveforms, self.waveforms):
            features: Features = type(self.part).forward(self.part, waveforms, lengths)
            return features
        torch.empty(self.peak_bytes or 0, dtype=torch.uint8)
        return self.features.clone(), None


@dataclass
class WatchedCall:
    """When one call of a part began, and what it took."""

    begun_s: float
    took_s: float = 0.0


class Watch(ExitStack):
    """While it is entered, the calls of a part are timed.

    Args:
        find: the part; it is asked for when the watch begins.

    Attributes:
        calls: in their order.
        output: of the first of them.
    """

    def __init__(self, find: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.calls: list[WatchedCall] = []
        self.output: Tensor | None = None
        self._find = find

    def __enter__(self) -> Watch:
        part = self._find()
        self.callback(part.register_forward_pre_hook(self._begin).remove)
        self.callback(part.register_forward_hook(self._end).remove)
        return self

    def _begin(self, part: nn.Module, given: Any) -> None:
        self.calls.append(WatchedCall(time.perf_counter()))

    def _end(self, part: nn.Module, given: Any, output: tuple[Tensor, Any]) -> None:
        call = self.calls[-1]
        call.took_s = time.perf_counter() - call.begun_s
        if self.output is None:
            self.output = output[0]
