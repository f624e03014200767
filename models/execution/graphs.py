"""CUDA graphs: launches of a call recorded once, and played back as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

WARMUP_CALLS = 3


def capture(call: Callable[..., Tensor], *inputs: Any, pool: Any = None) -> Callable[[], Tensor]:
    """Record a call; what is returned runs it again on what its inputs hold by then.

    Args:
        call: waits for the device nowhere.
        inputs: tensors of a CUDA device that stay where they are, or None.
        pool: memory that graphs share which never run at the same time.

    Returns:
        A function whose result is overwritten when it is called again.
    """
    device = next(given.device for given in inputs if given is not None)
    side = torch.cuda.Stream(device)
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side):  # lazily made handles and workspaces must exist before capture
        for _ in range(WARMUP_CALLS):
            call(*inputs)
    torch.cuda.current_stream(device).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=pool):
        output = call(*inputs)

    def replay() -> Tensor:
        graph.replay()
        return output

    return replay
