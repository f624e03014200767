"""How much a call computes and moves: flops and bytes, and how far that count can be trusted.

torch's own FlopCounterMode counts nothing for a scan (its kernels are numba's or Triton's), nothing
for attention on a CPU, for norms, activations or softmax; what is missing is not said. Here every
operator has a formula or is named, and the scan and its convolution are counted whole, by the same
formula whatever computes them.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from fakemamba.bench.instruments.clock import synchronise
from fakemamba.bench.instruments.work_formulas import (
    ALLOCATIONS,
    FUNCTIONS,
    OVERWRITES,
    FunctionFormula,
    find_formula,
    operator_name,
)

MOST_NAMED = 5


@dataclass(frozen=True)
class Work:
    """What one call does.

    ``flops`` by the convention at the head of `work_formulas`. ``bytes_moved``: tensors that
    operators read and write, views free, which is what unfused execution moves. ``coverage``: the
    share of the operators' time that was spent in those with a formula; 0 where no operator was
    seen. ``uncounted``: the shares of the others, at most five, largest first.
    """

    flops: int
    bytes_moved: int
    coverage: float
    uncounted: dict[str, float]


def count_work(call: Callable[[], object], device: torch.device) -> Work:
    """Run ``call`` once, slowly, and count what its operators do.

    The call may contain a backward pass. It should have run before, or what its first run does once
    (compiling, choosing kernels) weighs in the shares. Fused layers of transformers are taken
    apart. Kernels behind neither an operator nor `FUNCTIONS` are not seen.
    """
    tally = Tally(device)
    with fused_layers_apart(), FunctionCounter(tally), OperatorCounter(tally):
        call()
    total_s = sum(tally.seconds.values())
    longest_first = sorted(tally.unknown, key=lambda name: -tally.seconds[name])
    shares = {name: tally.seconds[name] / total_s for name in longest_first}
    return Work(
        flops=tally.flops,
        bytes_moved=tally.bytes_moved,
        coverage=1.0 - sum(shares.values()) if tally.seconds else 0.0,
        uncounted=dict(list(shares.items())[:MOST_NAMED]),
    )


class Tally:
    """Sums over what has run so far; ``inside`` a counted function, operators are not looked at."""

    def __init__(self, device: torch.device) -> None:
        self.flops = self.bytes_moved = 0
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.unknown: set[str] = set()
        self.inside = False
        self._device = device

    def timed(self, name: str, call: Callable[[], Any]) -> Any:
        """The call's result; its time is added to the name's."""
        synchronise(self._device)
        start_s = time.perf_counter()
        result = call()
        synchronise(self._device)
        self.seconds[name] += time.perf_counter() - start_s
        return result

    def whole(self, name: str, flops: int, call: Callable[[], Any], inputs: Iterable[Any]) -> Any:
        """The result of a function that is counted as one."""
        self.inside = True
        try:
            result = self.timed(name, call)
        finally:
            self.inside = False
        self.flops += flops
        self.bytes_moved += _sum_bytes((*inputs, result))
        return result


class OperatorCounter(TorchDispatchMode):
    """Every operator that torch runs, taken apart until it is one that a kernel computes."""

    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self._tally = tally

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if self._tally.inside or func.is_view or func is torch.ops.aten._unsafe_view.default:
            return func(*args, **kwargs)
        formula = find_formula(func)
        if formula is None:
            with self:  # in inference mode, operators that are made of others come whole
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        name = operator_name(func)
        result = self._tally.timed(name, lambda: self.run(func, args, kwargs))
        if formula is None:
            self._tally.unknown.add(name)
        else:
            self._tally.flops += formula(args, kwargs, result)
        if name not in ALLOCATIONS:
            read = args[1:] if name in OVERWRITES else args
            self._tally.bytes_moved += _sum_bytes((read, kwargs, result))
        return result

    def run(self, func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The operator's result."""
        return func(*args, **kwargs)


class FunctionCounter(TorchFunctionMode):
    """The functions that are counted as wholes, forward and backward."""

    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self._tally = tally

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        formula = FUNCTIONS.get(func)
        if formula is None:
            return func(*args, **kwargs)

        def run(*tensors: Tensor | None) -> Any:
            return func(*tensors, **kwargs)

        needs_gradient = any(tensor is not None and tensor.requires_grad for tensor in args)
        if formula.backward is not None and torch.is_grad_enabled() and needs_gradient:
            return _Whole.apply(self._tally, func.__name__, formula, run, *args)
        flops = formula.forward(*args, **kwargs)
        return self._tally.whole(func.__name__, flops, lambda: run(*args), args)


class _Whole(torch.autograd.Function):
    """A function as one node of the graph, so that its backward pass is seen as one, too."""

    @staticmethod
    def forward(
        ctx: Any,
        tally: Tally,
        name: str,
        formula: FunctionFormula,
        run: Callable[..., Tensor],
        *tensors: Tensor | None,
    ) -> Tensor:
        inputs = [
            None if given is None else given.detach().requires_grad_(given.requires_grad)
            for given in tensors
        ]
        with torch.enable_grad():
            result = tally.whole(name, formula.forward(*inputs), lambda: run(*inputs), inputs)
        ctx.counted = tally, name, formula, inputs, result
        return result.detach()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        tally, name, formula, inputs, result = ctx.counted
        wanted = [given for given in inputs if given is not None and given.requires_grad]
        found = tally.whole(
            f"{name} backward",
            formula.backward(*inputs),
            lambda: torch.autograd.grad(result, wanted, gradient, retain_graph=True),
            (*inputs, gradient),
        )
        by_input = dict(zip(map(id, wanted), found, strict=True))
        return None, None, None, None, *(by_input.get(id(given)) for given in inputs)


@contextmanager
def fused_layers_apart() -> Iterator[None]:
    """Without nn.TransformerEncoderLayer's fast path, which is one operator for a whole layer."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _sum_bytes(values: Any) -> int:
    """Bytes of all tensors in nested tuples, lists and dicts; what a broadcast repeats is once."""
    if isinstance(values, Tensor):
        if values.numel() == 0:
            return 0
        sizes = zip(values.shape, values.stride(), strict=True)
        return math.prod(size for size, stride in sizes if stride) * values.element_size()
    if isinstance(values, dict):
        return _sum_bytes(list(values.values()))
    if isinstance(values, (tuple, list)):
        return sum(map(_sum_bytes, values))
    if isinstance(values, torch.ScriptObject) and hasattr(values, "unpack"):
        return _sum_bytes(values.unpack())  # the packed weights of a quantised layer
    return 0
