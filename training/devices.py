"""What a run is computed on: devices and ranks, threads, and processes that read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs

from fakemamba.models.device import resolve_device
from fakemamba.training.recipe import Recipe
from fakemamba.training.run_folder import TrainingError

MOST_WORKERS = 8


@contextmanager
def accelerated(recipe: Recipe, device: str) -> Iterator[Accelerator]:
    """Devices and ranks for one run; accelerate would keep the first run's precision for all."""
    precision = recipe.optimization.precision
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    place = resolve_device(device, ranks=ranks)
    if place.type == "cuda" and ranks == 1:
        torch.cuda.set_device(place)  # the one that accelerate takes
    # Published detectors have parameters that no gradient reaches.
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    accelerator = Accelerator(
        cpu=place.type == "cpu",
        mixed_precision="no" if precision == "fp32" else precision,
        kwargs_handlers=[unused],
    )
    try:
        yield accelerator
    finally:
        accelerator.free_memory()
        AcceleratorState._reset_state()


@contextmanager
def threads(recipe: Recipe) -> Iterator[None]:
    """As many threads as the recipe says, whatever this process and its machine have."""
    before = torch.get_num_threads()
    torch.set_num_threads(recipe.optimization.cpu_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def worker_processes(asked: int | None) -> int:
    """Processes for each rank: the cores but the one that trains, shared by this node's ranks."""
    if asked is not None:
        if asked < 0:
            raise TrainingError(f"--workers {asked}: give 0 or more")
        return asked
    ranks = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return min(MOST_WORKERS, max(1, (os.cpu_count() or 1) // ranks - 1))
