"""The processes of one run: a single one, or those that torchrun started on GPUs and nodes.

Each is told its rank by torchrun's variables and joined by accelerate. They exchange nothing but
barriers, through gloo, as their results meet in files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch

from fakemamba.models.device import resolve_device

# The first to end waits for the last, who may have the longest recordings or the slowest GPU.
LONGEST_WAIT = timedelta(days=7)


@dataclass(frozen=True)
class Ranks:
    """This process's ``index`` among ``count``, how many of them are on this node, its device.

    ``wait`` returns when every rank has called it.
    """

    index: int
    count: int
    count_on_node: int
    device: torch.device
    wait: Callable[[], None]


@contextmanager
def joined_ranks(device: str = "auto") -> Iterator[Ranks]:
    """This process's place; ``auto`` is the rank's own GPU where there are some.

    Raises:
        DeviceError: no such device, or one GPU by number for several ranks.
    """
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    if ranks == 1:
        yield Ranks(0, 1, 1, resolve_device(device), lambda: None)
        return
    from accelerate import PartialState

    on_cpu = resolve_device(device, ranks=ranks).type == "cpu"
    state = PartialState(cpu=on_cpu, backend="gloo", timeout=LONGEST_WAIT)
    try:
        yield Ranks(
            index=state.process_index,
            count=state.num_processes,
            count_on_node=int(os.environ.get("LOCAL_WORLD_SIZE", state.num_processes)),
            device=resolve_device("cpu" if on_cpu else str(state.device)),
            wait=state.wait_for_everyone,
        )
    finally:
        state.destroy_process_group()
