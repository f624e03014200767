"""How a module is run: its precision, the attention kernel, and eager, compiled or as a CUDA graph.

Precisions: ``fp32`` with TF32 switched off; ``tf32`` with it on; ``bf16`` and ``fp16`` through
autocast; ``int8`` with dynamically quantised linear layers, on a CPU. With execution ``optimized``,
which is a graph on a GPU, the front-end is its fastest form (`optimized_frontend`), and with an
engine's name it is the engine's: it has the precision by itself, and all that comes after it is in
fp32.
"""

from __future__ import annotations

import copy
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from fakemamba.models.execution.engines.frontend import ENGINES
from fakemamba.models.execution.errors import UnsupportedSettingError as UnsupportedSettingError
from fakemamba.models.execution.graphs import capture

PRECISIONS = ("fp32", "tf32", "bf16", "fp16", "int8")
OPTIMIZED = "optimized"
OTHER_FRONTENDS = (OPTIMIZED, *ENGINES)  # which have the precision by themselves
EXECUTIONS = ("eager", "compile", "graph", *OTHER_FRONTENDS)
ATTENTIONS = ("sdpa", "eager", "flash")
AUTOCAST_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
Given = TypeVar("Given")
COMPILERS = ("c++", "g++", "clang++", "cl")


def check_setting(device: torch.device, precision: str, execution: str) -> None:
    """Refuse what a device cannot do.

    Raises:
        UnsupportedSettingError: says what is missing.
    """
    on_cpu = device.type == "cpu"
    if precision == "tf32" and on_cpu:
        raise UnsupportedSettingError("TF32 is a GPU's: a CPU has no such precision")
    if precision == "int8" and not on_cpu:
        raise UnsupportedSettingError("dynamic int8 quantisation is torch's for CPUs only")
    if precision == "int8" and execution == OPTIMIZED:
        raise UnsupportedSettingError("the optimized front-end is not quantised")
    if execution == "graph" and on_cpu:
        raise UnsupportedSettingError("CUDA graphs need a CUDA GPU")
    if execution in ENGINES:
        if not on_cpu:
            raise UnsupportedSettingError(f"{ENGINES[execution].title} is run on a CPU only here")
        ENGINES[execution].check(precision)
    if execution == "compile" and on_cpu and not any(map(shutil.which, COMPILERS)):
        raise UnsupportedSettingError(
            "torch.compile needs a C++ compiler on a CPU, and none is on the path"
        )


def slower_than_fp32(device: torch.device, precision: str) -> str | None:
    """Why a precision of torch's is slower than plain fp32 on a device, and what to use there.

    None where it is not. A CPU without instructions for a half precision takes several times as
    long as in fp32.
    """
    if device.type != "cpu" or precision not in AUTOCAST_DTYPES or has_fast(precision):
        return None
    others = [one for one in AUTOCAST_DTYPES if one != precision and has_fast(one)]
    return (
        f"this CPU has no instructions for {precision} and takes several times as long as in fp32: "
        f"use {' or '.join(('fp32', *others))} there"
    )


def has_fast(precision: str) -> bool:
    """Whether the matrix products of oneDNN have a half precision, bf16 or fp16, on this CPU."""
    if not torch.backends.mkldnn.is_available():
        return False
    is_supported: bool = getattr(torch.ops.mkldnn, f"_is_mkldnn_{precision}_supported")()
    return is_supported


@contextmanager
def running_in(
    device: torch.device, precision: str, attention: str, *, autocast: bool = True
) -> Iterator[None]:
    """Everything that is global about a precision and an attention kernel, for a while.

    ``autocast`` is False where weights have the half precision themselves; then what has kept fp32
    is multiplied in TF32, which is finer than either half precision.
    """
    is_half = precision in AUTOCAST_DTYPES
    with ExitStack() as stack:
        if device.type == "cuda":
            stack.enter_context(_tf32(precision == "tf32" or (is_half and not autocast)))
        if is_half and autocast:
            stack.enter_context(torch.autocast(device.type, dtype=AUTOCAST_DTYPES[precision]))
        if attention == "flash":
            stack.enter_context(sdpa_kernel(SDPBackend.FLASH_ATTENTION))
        yield


@contextmanager
def _tf32(allowed: bool) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if allowed else "highest")
    try:
        with torch.backends.cudnn.flags(
            enabled=torch.backends.cudnn.enabled,
            benchmark=torch.backends.cudnn.benchmark,
            deterministic=torch.backends.cudnn.deterministic,
            allow_tf32=allowed,
        ):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def quantised(module: nn.Module) -> nn.Module:
    """A copy whose linear layers multiply in int8, activations being quantised as they come.

    That is by all values of a batch: a row's result depends on the others and on padding.
    """
    holder = nn.Sequential(copy.deepcopy(module))  # a module that is one layer is replaced, too
    with warnings.catch_warnings():
        # torch announces that torchao will replace this; nothing else quantises for CPUs in torch.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message=".*deprecated.*")
        from torch.ao.quantization import quantize_dynamic

        result: nn.Sequential = quantize_dynamic(
            holder, {nn.Linear}, dtype=torch.qint8, inplace=True
        )
    return result[0]


def executed(
    call: Callable[[Given], Tensor], execution: str, example: Given
) -> Callable[[Given], Tensor]:
    """The call, run in this way for inputs of the example's shape.

    A compiled call compiles at its first use. A graph, of a call that takes a tensor, is captured
    here; its call copies the input to where the graph reads it, and its output is overwritten by
    the next call.
    """
    if execution == "compile":
        torch.compiler.reset()  # guards of earlier cells would be tried first, at every call
        compiled: Callable[[Given], Tensor] = torch.compile(call, dynamic=False)
        return compiled
    on_gpu = isinstance(example, Tensor) and example.is_cuda
    if execution == "graph" or (execution == OPTIMIZED and on_gpu):
        return _captured(call, example)  # type: ignore[arg-type, return-value]
    return call


def _captured(call: Callable[[Tensor], Tensor], example: Tensor) -> Callable[[Tensor], Tensor]:
    static_input = example.clone()
    replay = capture(call, static_input)

    def run(given: Tensor) -> Tensor:
        static_input.copy_(given)
        return replay()

    return run
