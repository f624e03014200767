"""LayerNorm in fp32 of half-precision frames: with the sum in front and the GELU behind it, fused.

On a GPU it is one Triton kernel; elsewhere it is torch's operators, which tests compare it with.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function

from fakemamba.models.trust import is_trusted

try:
    from fakemamba.models.execution import norm_kernel
except ImportError:  # CUDA builds of torch bring Triton, others need not
    norm_kernel = None  # type: ignore[assignment]

WARP_COLUMNS = 256  # that a warp of the kernel has


class FusedNorm(nn.Module):
    """A LayerNorm for inference, with its weights in fp32 and its result in ``dtype``."""

    def __init__(self, norm: nn.LayerNorm, dtype: torch.dtype, *, gelu: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(norm.weight.detach().float(), requires_grad=False)
        self.bias = nn.Parameter(norm.bias.detach().float(), requires_grad=False)
        self.eps, self.dtype, self.gelu = norm.eps, dtype, gelu

    def forward(
        self, x: Tensor, residual: Tensor | None = None, shift: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """See `norm_of_sum`."""
        return norm_of_sum(
            *(x, residual, shift, self.weight, self.bias),
            eps=self.eps,
            gelu=self.gelu,
            dtype=self.dtype,
        )


def norm_of_sum(
    x: Tensor,
    residual: Tensor | None,
    shift: Tensor | None,
    weight: Tensor,
    bias: Tensor,
    *,
    eps: float,
    gelu: bool,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor]:
    """LayerNorm over the last dim of x + shift + residual, all of it computed in fp32.

    A ``TorchFunctionMode`` sees this function as one operation, whatever computes it.

    Args:
        x: (..., columns) of any floating dtype.
        residual: of the same shape, to be added, or None.
        shift: (columns,), such as the bias of the product that x is, or None.
        weight: (columns,) fp32, the norm's.
        bias: (columns,) fp32, the norm's.
        eps: the norm's.
        gelu: whether GELU (the exact one) comes after it.
        dtype: of the result.

    Returns:
        The sum (..., columns) in fp32 (x itself where there is no residual), and the result in
        ``dtype``.
    """
    tensors = (x, residual, shift, weight, bias)
    if has_torch_function(tensors):
        return handle_torch_function(
            norm_of_sum, tensors, *tensors, eps=eps, gelu=gelu, dtype=dtype
        )
    if uses_kernel(x.device):
        return by_kernel(x, residual, shift, weight, bias, eps=eps, gelu=gelu, dtype=dtype)
    total = x.float()
    for addend in (shift, residual):
        total = total if addend is None else total + addend
    normed = F.layer_norm(total, total.shape[-1:], weight, bias, eps)
    return (x if residual is None else total), (F.gelu(normed) if gelu else normed).to(dtype)


def uses_kernel(device: torch.device) -> bool:
    """Whether norms on a device are the kernel's, which is checked there if it never was."""
    return norm_kernel is not None and device.type == "cuda" and is_trusted("fused-norm", device)


def by_kernel(
    x: Tensor,
    residual: Tensor | None,
    shift: Tensor | None,
    weight: Tensor,
    bias: Tensor,
    *,
    eps: float,
    gelu: bool,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor]:
    """`norm_of_sum` by the kernel: on a GPU, or for tests with TRITON_INTERPRET=1."""
    x = x.contiguous()
    columns = x.shape[-1]
    normed = torch.empty_like(x, dtype=dtype)
    total = x if residual is None else torch.empty_like(x, dtype=torch.float32)
    block = 1 << (columns - 1).bit_length()
    norm_kernel.norm_rows[(x.numel() // columns,)](
        x,
        x if shift is None else shift,
        x if residual is None else residual.contiguous(),
        weight,
        bias,
        total,
        normed,
        columns,
        eps,
        SHIFTED=shift is not None,
        SUMMED=residual is not None,
        GELU=gelu,
        BLOCK=block,
        num_warps=max(1, block // WARP_COLUMNS),
    )
    return total, normed
