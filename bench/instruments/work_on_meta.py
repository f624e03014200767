"""How much a module computes and moves, by formula alone: on the meta device, where nothing runs.

Shapes go through a module's own code as numbers would, and every operator's formula is asked, so
that 512 s take no longer than one. What is counted is the eager fp32 run of `count_work` on a CPU
with fused attention, to the byte, whatever computes the scan. A block that is built as another was
and gets the same shapes is not gone through again: a front-end has 24 of a kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.overrides import TorchFunctionMode

from fakemamba.bench.instruments.work import (
    FunctionCounter,
    OperatorCounter,
    Tally,
    Work,
    fused_layers_apart,
)
from fakemamba.bench.instruments.work_formulas import find_formula, operator_name
from fakemamba.models.scan import directional_scan, ssd_scan
from fakemamba.models.scan.convolution import causal_conv_silu

META = torch.device("meta")
Result = TypeVar("Result")
_PLAIN = (bool, int, float, str, torch.dtype)  # told apart by their values


class NoFormulaError(ValueError):
    """An operator has no formula, so that there is no count; the message names it."""


class MetaCounter:
    """Counts what modules on the meta device do, and remembers what it has counted."""

    def __init__(self) -> None:
        self._memory = _Memory(Tally(META))

    def watch(self, module: nn.Module) -> None:
        """Make the blocks of a module known: the entries of all its lists."""
        lists = [inner for inner in module.modules() if isinstance(inner, nn.ModuleList)]
        for block in (block for inner in lists for block in inner):
            block.forward = self._remembering(_structure(block), block.forward)

    def count(self, call: Callable[[], Result]) -> tuple[Work, Result]:
        """The work of a call of modules on tensors, all on the meta device, and its result.

        Raises:
            NoFormulaError: an operator has none.
        """
        tally = self._memory.tally
        flops, bytes_moved = tally.flops, tally.bytes_moved
        with (
            torch.inference_mode(),
            fused_layers_apart(),
            _CPUKernels(),
            FunctionCounter(tally),
            _ShapeCounter(self._memory),
        ):
            result = call()
        return Work(tally.flops - flops, tally.bytes_moved - bytes_moved, 1.0, {}), result

    def _remembering(self, structure: object, forward: Callable[..., Any]) -> Callable[..., Any]:
        def remembering(*args: Any, **kwargs: Any) -> Any:
            key = (structure, _described((args, kwargs)))
            return self._memory.recall(key, lambda: forward(*args, **kwargs))

        return remembering


class _Memory:
    """Results, which have no numbers, and their share of a tally, by what they are made of."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self._known: dict[object, tuple[int, int, Any]] = {}

    def recall(self, key: object, call: Callable[[], Any]) -> Any:
        """The result of a call or of its like before; the tally grows as by the call."""
        tally = self.tally
        if key not in self._known:
            flops, bytes_moved = tally.flops, tally.bytes_moved
            result = call()
            counted = (tally.flops - flops, tally.bytes_moved - bytes_moved)
            self._known[key] = (*counted, result)
            return result
        flops, bytes_moved, result = self._known[key]
        tally.flops += flops
        tally.bytes_moved += bytes_moved
        return result


class _CPUKernels(TorchFunctionMode):
    """Functions whose kernels on a CPU look at no shape one by one, as they are there."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        return _KERNELS.get(func, func)(*args, **(kwargs or {}))


def _fused_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """On the meta device torch itself would choose the unfused kernel."""
    fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    result: Tensor = fused(
        query, key, value, dropout_p, is_causal, attn_mask=attn_mask, scale=scale
    )[0]
    return result


def _scanned(u: Tensor, *others: Tensor | None, **options: object) -> Tensor:
    return u.new_empty(u.shape)


def _convolved(x: Tensor, weight: Tensor, bias: Tensor, **options: object) -> Tensor:
    return x.new_empty(weight.shape[0], *x.shape[1:])


_KERNELS: dict[Callable[..., Any], Callable[..., Any]] = {
    F.scaled_dot_product_attention: _fused_attention,
    directional_scan: _scanned,
    ssd_scan: _scanned,
    causal_conv_silu: _convolved,
}


class _ShapeCounter(OperatorCounter):
    """Every operator once for the same shapes."""

    def __init__(self, memory: _Memory) -> None:
        super().__init__(memory.tally)
        self._memory = memory

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        def count() -> Any:
            return OperatorCounter.__torch_dispatch__(self, func, types, args, kwargs)

        if func.is_view or func._schema.is_mutable or self._memory.tally.inside:
            return count()
        return self._memory.recall((func, _described((args, kwargs))), count)

    def run(self, func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the operator returns on a CPU, without its numbers.

        Raises:
            NoFormulaError: it has no formula.
        """
        if find_formula(func) is None:
            raise NoFormulaError(f"there is no formula for the operator {operator_name(func)}")
        result = func(*args, **kwargs)
        if func is torch.ops.aten.native_batch_norm.default:  # of evaluation, which keeps nothing
            return result[0], *(kept.new_empty(0) for kept in result[1:])
        return result


def _structure(module: nn.Module) -> object:
    """All that decides what a module does with a shape: kinds, sizes and settings inside it."""
    return tuple(
        (name, type(inner), _described(_settings(inner))) for name, inner in module.named_modules()
    )


def _settings(module: nn.Module) -> dict[str, object]:
    tensors = dict(module.named_parameters(recurse=False)) | dict(
        module.named_buffers(recurse=False)
    )
    own = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    own.pop("forward", None)  # of a block that is watched itself
    return own | tensors


def _described(value: object) -> object:
    """What can be compared of arguments and settings: sizes of tensors, identity of objects."""
    if isinstance(value, Tensor):
        return value.shape, value.stride(), value.dtype
    if isinstance(value, dict):
        return tuple((name, _described(inner)) for name, inner in value.items())
    if isinstance(value, (tuple, list)):
        return tuple(map(_described, value))
    return value if value is None or isinstance(value, _PLAIN) else id(value)
