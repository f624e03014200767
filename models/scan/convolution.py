"""The causal depthwise convolution in front of the scan, in each direction, with its SiLU.

Reversed, it is causal in reversed time: it sees the current frame and those after it, up to the
utterance's own end.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function

from fakemamba.models.masking import zero_padding
from fakemamba.models.scan import cpu, resolve_backend, triton_scan


def causal_conv_silu(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    *,
    reverse: tuple[bool, ...],
    lengths: Tensor | None = None,
    backend: str = "auto",
) -> Tensor:
    """SiLU of a depthwise convolution over time, for several directions at once.

    A ``TorchFunctionMode`` sees this function as one operation, whatever computes it.

    Args:
        x: frames (directions, batch, time, channels), or (1, ...) shared by all directions.
        weight: (directions, channels, taps); the last tap is the current frame's.
        bias: (directions, channels).
        reverse: for each direction, whether it runs backwards.
        lengths: frames of each utterance (batch,).
        backend: as for the scan that follows; where it has no convolution, torch's is used.

    Returns:
        (directions, batch, time, channels).
    """
    tensors = (x, weight, bias)
    if has_torch_function(tensors):
        return handle_torch_function(
            causal_conv_silu, tensors, *tensors, reverse=reverse, lengths=lengths, backend=backend
        )
    name = resolve_backend(backend, x.device, x.dtype)
    if name == "cpu":
        return cpu.causal_conv_silu(x, weight, bias, reverse, lengths)
    needs_gradient = torch.is_grad_enabled() and any(i.requires_grad for i in (x, weight, bias))
    if name == "triton" and not needs_gradient:
        return triton_scan.causal_conv_silu(x, weight, bias, reverse, lengths)
    directions, channels, taps = weight.shape
    x = x.expand(directions, -1, -1, -1)
    outputs = []
    for frames, taps_of_one, bias_of_one, flipped in zip(x, weight, bias, reverse, strict=True):
        frames = zero_padding(frames, lengths)
        past = (0, taps - 1) if flipped else (taps - 1, 0)
        kernel = taps_of_one.flip(-1) if flipped else taps_of_one
        padded = F.pad(frames.transpose(1, 2), past)  # (batch, channels, time + taps - 1)
        outputs.append(F.conv1d(padded, kernel[:, None], bias_of_one, groups=channels))
    return F.silu(torch.stack(outputs).transpose(2, 3))
