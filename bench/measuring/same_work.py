"""Which cells do the same work, so that it is verified, counted, and its memory found, once."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeGuard

from fakemamba.bench.cells import Cell, Measurable
from fakemamba.models.registry import is_ours


def same_work(cell: Measurable) -> Measurable:
    """Equal for cells that do the same: a front-end, in every detector of ours that uses it alike.

    How it is timed makes no difference.
    """
    if has_shared_frontend(cell):
        return replace(cell, detector="", backend="none", clock="")
    return replace(cell, clock="")


def has_shared_frontend(cell: Measurable) -> TypeGuard[Cell]:
    """Whether it is a front-end's, whose network detectors share."""
    return isinstance(cell, Cell) and cell.part == "front-end" and is_ours(cell.detector)


def kind_of_work(cell: Measurable) -> object:
    """Equal for cells that run the same kernels, whatever the length."""
    work = same_work(cell)
    if isinstance(work, Cell):
        return replace(work, duration_s=0.0, recording=None)
    return replace(work, num_frames=0)
