"""Shapes that CUDA graphs are made for: a few for all lengths, with at most an eighth of padding.

A graph is of one shape. Utterances are padded to the next bucket and masked by their own lengths,
which are an input of the graph: so a score does not depend on the bucket, but for rounding.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from torch import Tensor

UNIT_SAMPLES = 1_600  # 0.1 s: lengths are multiples of it
MOST_GRAPHS = 64
EAGER_SAMPLES = 8_000_000  # of a batch above which launches are not what takes the time

Call = Callable[[Tensor, Tensor | None], Tensor]
Capture = Callable[[Call, Tensor, Tensor | None], Callable[[], Tensor]]


def bucket(count: int) -> int:
    """The smallest bucket that holds ``count``: up to 16 each number, then eight an octave."""
    step = 1 << max(0, count.bit_length() - 4)
    return -(-count // step) * step


@dataclass(frozen=True)
class _Slot:
    """A graph's inputs, which are written before it is replayed, and its replay."""

    waveforms: Tensor
    lengths: Tensor | None
    replay: Callable[[], Tensor]


class Buckets:
    """A call on waveforms (B, L) and lengths (B,) or None, by one captured graph a bucket.

    Batches of more than `EAGER_SAMPLES` are not captured. The graphs used last are kept.

    Args:
        call: to logits (B, 2); its waveforms are padded, and rows may be added.
        capture: makes a replay of a call with inputs that stay where they are.
        device: of the inputs.
        min_samples: the shortest length that the call takes.
        exact_samples: lengths with graphs of their own, such as the one that all clips are cut to.
    """

    def __init__(
        self,
        call: Call,
        capture: Capture,
        device: torch.device,
        *,
        min_samples: int,
        exact_samples: Collection[int] = (),
    ) -> None:
        self._call, self._capture, self._device = call, capture, device
        self._min_samples, self._exact_samples = min_samples, frozenset(exact_samples)
        self._slots: OrderedDict[tuple[int, int, bool], _Slot] = OrderedDict()

    def __call__(self, waveforms: Tensor, lengths: Tensor | None) -> Tensor:
        """Logits (B, 2) that later calls leave as they are."""
        count, samples = waveforms.shape
        rows, width = bucket(count), self._width(samples)
        if rows * width > EAGER_SAMPLES:
            waveforms = waveforms.to(self._device, non_blocking=True)
            return self._call(waveforms, None if lengths is None else lengths.to(self._device))
        is_full = lengths is None and width == samples
        slot = self._slot(rows, width, is_full)
        if not is_full:
            slot.waveforms.zero_()
        slot.waveforms[:count, :samples].copy_(waveforms, non_blocking=True)
        if slot.lengths is not None:
            slot.lengths.fill_(self._min_samples)  # of rows that nobody asked for
            if lengths is None:
                slot.lengths[:count].fill_(samples)
            else:
                slot.lengths[:count].copy_(lengths, non_blocking=True)
        return slot.replay()[:count].clone()

    def _width(self, samples: int) -> int:
        if samples in self._exact_samples:
            return samples
        return UNIT_SAMPLES * bucket(-(-samples // UNIT_SAMPLES))

    def _slot(self, rows: int, width: int, is_full: bool) -> _Slot:
        key = rows, width, is_full
        if key not in self._slots:
            while len(self._slots) >= MOST_GRAPHS:
                self._slots.popitem(last=False)
            waveforms = torch.zeros(rows, width, device=self._device)
            lengths = None if is_full else torch.full((rows,), width, device=self._device)
            self._slots[key] = _Slot(
                waveforms, lengths, self._capture(self._call, waveforms, lengths)
            )
        self._slots.move_to_end(key)
        return self._slots[key]
