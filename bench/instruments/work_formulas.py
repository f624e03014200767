"""Flops of every operator, as formulas of the shapes that it is called with.

The convention: a multiply-add is two flops, and that a matrix product or a convolution starts from
a bias is free. Any other sum, product, quotient, maximum, root or elementary function (exp, log,
tanh, erf, ...) of one number is one flop, and what is made of these costs their sum: a sigmoid
negates, exponentiates, adds and divides, which is four. Integer and boolean results and moving
data cost nothing. Padded frames cost as much as others. Backward formulas count what is computed,
with what is computed again.

Matrix products and convolutions have torch's own formulas (``torch.utils.flop_counter``). Attention
has the same in every kernel here, and its softmax is counted, as it is where there is no kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils.flop_counter import flop_registry

from fakemamba.models.execution.fused_norm import norm_of_sum
from fakemamba.models.scan import directional_scan, ssd_scan
from fakemamba.models.scan.convolution import causal_conv_silu

Formula = Callable[[tuple[Any, ...], dict[str, Any], Any], int]

SIGMOID = 4  # negate, exp, add, divide
SILU = SIGMOID + 1
SILU_SLOPE = SIGMOID + 4  # s · (1 + z · (1 - s))
SOFTPLUS = 3  # exp, add, log
SOFTMAX = 5  # maximum, subtract, exp, sum, divide
NORM = 7  # mean 1, centre 1, variance 2, scale 1, weight 1, bias 1
NORM_BACKWARD = 13  # normalise 2, weight's gradient 2 and bias's 1, its weight 1, means 3, result 4


def _by_name(names_of_flops: dict[int, str]) -> dict[str, int]:
    return {name: flops for flops, names in names_of_flops.items() for name in names.split()}


def _names(names: str) -> frozenset[str]:
    return frozenset(names.split())


FLOPS_PER_RESULT = _by_name(
    {
        1: "abs add sub rsub mul div reciprocal neg exp exp2 expm1 log log1p log2 log10 sqrt rsqrt "
        "pow sin cos tanh erf sgn sign floor ceil round trunc maximum minimum clamp clamp_min "
        "clamp_max relu relu6 hardtanh threshold_backward leaky_relu leaky_relu_backward "
        "nll_loss_forward nll_loss_backward remainder",
        2: "addcmul addcdiv native_dropout native_dropout_backward",
        3: "lerp softplus sigmoid_backward tanh_backward _weight_norm_interface",
        4: "sigmoid log_sigmoid_forward elu elu_backward "
        "_softmax_backward_data _log_softmax_backward_data",
        5: "silu gelu glu glu_backward softplus_backward _softmax _safe_softmax _log_softmax",
        9: "silu_backward",
        11: "gelu_backward",  # distribution 4, density 4, their sum with x 2, gradient 1
    }
)
FLOPS_PER_INPUT = _by_name(
    {
        1: "sum mean prod amax amin max min argmax argmin cumsum topk",
        2: "linalg_vector_norm mv dot",
        4: "logsumexp var var_mean std std_mean _fused_rms_norm",
        5: "_weight_norm_interface_backward",
        NORM: "native_layer_norm native_group_norm",
        9: "_fused_rms_norm_backward",  # the next, without what a mean and a bias add
        NORM_BACKWARD: "native_layer_norm_backward native_group_norm_backward "
        "native_batch_norm_backward cudnn_batch_norm_backward",
    }
)
# Additions to where an index points: one for each element of the argument at this place.
FLOPS_PER_SCATTERED: dict[str, int] = {
    "embedding_dense_backward": 0,
    "max_pool2d_with_indices_backward": 0,
    "scatter_add": 3,
    "index_add": 3,
}
ALLOCATIONS = _names("empty empty_like empty_strided new_empty new_empty_strided")
# These fill their first argument, or only look at its shape, and do not read it.
OVERWRITES = _names(
    "copy_ fill_ zero_ new_zeros new_ones new_full zeros_like ones_like full_like rand_like "
    "randn_like normal_ uniform_ bernoulli_"
)
NO_FLOPS = _names(
    "copy fill zero zeros ones full arange scalar_tensor rand randn randint normal uniform "
    "bernoulli clone cat stack _to_copy constant_pad_nd reflection_pad1d pad flip roll repeat "
    "tril triu gather index index_select index_put embedding where masked_fill select_backward "
    "slice_backward eq ne lt le gt ge logical_and logical_or logical_not bitwise_and bitwise_or "
    "bitwise_not isnan isinf any all nonzero unsafe_split _local_scalar_dense "
    "profiler::_record_function_enter_new profiler::_record_function_exit"
)


def operator_name(operator: OpOverload) -> str:
    """``add_`` of ``aten::add_.Tensor``; operators that are not torch's own keep their library."""
    return operator.name().partition(".")[0].removeprefix("aten::")


@cache
def find_formula(operator: OpOverload) -> Formula | None:
    """The formula of an operator, from (arguments, keyword arguments, result) to flops, or None."""
    whole_name = operator_name(operator)
    name = whole_name.removesuffix("_")  # in place or not
    if name in SPECIAL:
        return SPECIAL[name]
    if name in FLOPS_PER_RESULT:
        return lambda args, kwargs, result: FLOPS_PER_RESULT[name] * _numbers(_first(result))
    if name in FLOPS_PER_INPUT:
        return lambda args, kwargs, result: FLOPS_PER_INPUT[name] * _numbers(args[0])
    if name in FLOPS_PER_SCATTERED:
        return lambda args, kwargs, result: _numbers(args[FLOPS_PER_SCATTERED[name]])
    if name in NO_FLOPS | ALLOCATIONS or whole_name in OVERWRITES:
        return lambda args, kwargs, result: 0
    # torch has the formulas of products that are not in place.
    packet = getattr(torch.ops.aten, name, operator.overloadpacket)
    torch_formula = flop_registry.get(packet)
    if torch_formula is None:
        return None
    return lambda args, kwargs, result: torch_formula(*args, **kwargs, out_val=result)


def _first(result: Any) -> Tensor:
    return result[0] if isinstance(result, (tuple, list)) else result


def _numbers(tensor: Tensor) -> int:
    """How many floating-point numbers a tensor holds; integers and booleans are none."""
    return tensor.numel() if tensor.is_floating_point() or tensor.is_complex() else 0


def _attention(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> int:
    """Q·Kᵀ, softmax and P·V for every query with every key, masked or not."""
    query, key, value = args[:3]
    pairs = math.prod(query.shape[:-1]) * key.shape[-2]
    return pairs * (2 * query.shape[-1] + SOFTMAX + 2 * value.shape[-1])


def _real_fft(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> int:
    """Half of 5 N log2 N, which a fast transform of N complex numbers costs, for every row."""
    row = math.prod(args[0].shape[dim] for dim in args[1])
    return round(2.5 * args[0].numel() * math.log2(row))


def _attention_backward(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> int:
    """Five products, of which one makes the scores again, exp(s - lse), and P · (dP - Σ dO·O)."""
    query, key, value = args[1:4]
    pairs = math.prod(query.shape[:-1]) * key.shape[-2]
    return pairs * (6 * query.shape[-1] + 4 * value.shape[-1] + 4)


def _batch_norm(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> int:
    """Statistics of the batch in training (the only argument that is a bool), else known ones."""
    training = any(argument is True for argument in args)
    return args[0].numel() * (NORM if training else 4)


def _convolution_backward(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> int:
    """As much as forward for each gradient; torch's formula is `groups` times too high for one."""
    dy, x, weight, transposed, wanted = args[0], args[1], args[2], args[7], args[10]
    forward = 2 * (x if transposed else dy).numel() * math.prod(weight.shape[1:])
    return forward * (wanted[0] + wanted[1]) + (dy.numel() if wanted[2] else 0)


def _pooling(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> int:
    return _first(result).numel() * math.prod(args[1])


def _dynamic_linear(args: tuple[Any, ...], kwargs: dict[str, Any], result: Tensor) -> int:
    return 2 * result.numel() * args[0].shape[-1]


_KERNELS = ("flash_attention", "flash_attention_for_cpu", "efficient_attention", "cudnn_attention")
SPECIAL: dict[str, Formula] = {
    "_fft_r2c": _real_fft,
    **{f"_scaled_dot_product_{kernel}": _attention for kernel in _KERNELS},
    **{f"_scaled_dot_product_{kernel}_backward": _attention_backward for kernel in _KERNELS},
    "native_batch_norm": _batch_norm,
    "cudnn_batch_norm": _batch_norm,
    "_native_batch_norm_legit": _batch_norm,
    "_native_batch_norm_legit_no_training": _batch_norm,
    "convolution_backward": _convolution_backward,
    "max_pool2d_with_indices": _pooling,
    "quantized::linear_dynamic": _dynamic_linear,
    "quantized::linear_relu_dynamic": _dynamic_linear,
}


@dataclass(frozen=True)
class FunctionFormula:
    """Flops of a function that is counted as a whole, from its arguments.

    ``backward`` takes its tensors alone; None is for functions without gradients.
    """

    forward: Callable[..., int]
    backward: Callable[..., int] | None = None


def scan_flops(
    u: Tensor, delta: Tensor, A: Tensor, *others: Tensor | None, **options: object
) -> int:
    """Directions · batch · time · channels · (7 · states + 4 + [bias] + 2·[D] + 6·[z]).

    For a state: Δ·A, exp, (Δ·u)·B, a·h + it, and C·h added; for a channel: softplus, Δ·u, the bias
    before, D·u added, and SiLU(z) times the output.
    """
    _, _, D, z, delta_bias = others
    for_channel = SOFTPLUS + 1 + _given(delta_bias) + 2 * _given(D) + (SILU + 1) * _given(z)
    return u.numel() * (7 * A.shape[-1] + for_channel)


def scan_backward_flops(u: Tensor, delta: Tensor, A: Tensor, *others: Tensor | None) -> int:
    """Directions·batch·time·channels · ((20 + 2·[z]) · states + 13 + 2·[bias] + 4·[D] + 16·[z]).

    For a state: a and h again 5, dh = C·dy + a·dh' 3, dC 2, d(Δ·A) 2, its shares in dΔ and dA 4,
    shares of the drive in dB and in d(Δ·u) 4; and y again where a gate needs it. For a channel: Δ
    and Δ·u again 4, du 1 and its share in dΔ 2, softplus's slope and product 5, y's gradient 1;
    with a bias, it and its gradient 2; with D, its share in du and dD 4 (y again with it is the
    gate's); with a gate, SiLU 5, its slope 8, its products with y and dy 3.
    """
    _, _, D, z, delta_bias = others
    for_state = 20 + 2 * _given(z)
    for_channel = 13 + 2 * _given(delta_bias) + 4 * _given(D) + 16 * _given(z)
    return u.numel() * (for_state * A.shape[-1] + for_channel)


def ssd_flops(
    x: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    delta_bias: Tensor | None = None,
    **options: object,
) -> int:
    """Directions · batch · time · heads · (channels · (5 · states + 1) + 5 + [bias]).

    By the recurrence, whatever computes it. For a state: (Δ·x)·B, a·h + it, and C·h added; for a
    channel: Δ·x; for a head: softplus, Δ·A, exp, and the bias before.
    """
    for_head = SOFTPLUS + 2 + _given(delta_bias)
    return x.numel() * (5 * B.shape[-1] + 1) + delta.numel() * for_head


def ssd_backward_flops(
    x: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    delta_bias: Tensor | None = None,
) -> int:
    """Directions · batch · time · heads · (channels · (14 · states + 4) + 15 + 2·[bias]).

    For a state: h again 3, dh = C·dy + a·dh' 3, dC 2, da 2, shares of the drive in dB and in d(Δ·x)
    4. For a channel: Δ·x again 1, dx 1 and its share in dΔ 2. For a head: a again 5, d(Δ·A) 1, its
    shares in dΔ and dA 4, softplus's slope and product 5; with a bias, it and its gradient 2.
    """
    for_head = SOFTPLUS + 12 + 2 * _given(delta_bias)
    return x.numel() * (14 * B.shape[-1] + 4) + delta.numel() * for_head


def convolution_flops(x: Tensor, weight: Tensor, bias: Tensor, **options: object) -> int:
    """Directions · batch · time · channels · (2 · taps + 5)."""
    return _conv_outputs(x, weight) * (2 * weight.shape[-1] + SILU)


def convolution_backward_flops(x: Tensor, weight: Tensor, bias: Tensor) -> int:
    """Directions · batch · time · channels · (6 · taps + 10): again, dx, dweight; SiLU, dbias."""
    return _conv_outputs(x, weight) * (6 * weight.shape[-1] + SILU_SLOPE + 2)


def norm_flops(
    x: Tensor, residual: Tensor | None, shift: Tensor | None, *others: Tensor, **options: object
) -> int:
    """Numbers · (7 + [residual] + [shift] + 5·[GELU])."""
    gelu = FLOPS_PER_RESULT["gelu"] if options["gelu"] else 0
    return x.numel() * (NORM + _given(residual) + _given(shift) + gelu)


def _given(tensor: Tensor | None) -> int:
    return int(tensor is not None)


def _conv_outputs(x: Tensor, weight: Tensor) -> int:
    """Frames may be (1, ...), shared by all directions."""
    return weight.shape[0] * x[0].numel()


# Their kernels are invisible to torch, and each backend has others: they are counted as wholes.
FUNCTIONS: dict[Callable[..., Any], FunctionFormula] = {
    directional_scan: FunctionFormula(scan_flops, scan_backward_flops),
    ssd_scan: FunctionFormula(ssd_flops, ssd_backward_flops),
    causal_conv_silu: FunctionFormula(convolution_flops, convolution_backward_flops),
    norm_of_sum: FunctionFormula(norm_flops),
}
