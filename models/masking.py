"""What an utterance's own length means to a layer: masks, masked means, flips, batch statistics.

Everywhere ``lengths`` (B,) counts an utterance's valid frames, and None says that every row is full
(then nothing is masked and nothing is paid). Nothing that a layer returns for a valid frame may
depend on padding or on the rest of the batch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def cut_or_repeat(waveforms: Tensor, lengths: Tensor | None, num_samples: int) -> Tensor:
    """The first ``num_samples`` of each row (B, L), again from its start where it is shorter."""
    place = torch.arange(num_samples, device=waveforms.device).expand(waveforms.shape[0], -1)
    place = place % (waveforms.shape[1] if lengths is None else lengths[:, None])
    return waveforms.gather(1, place)


def frame_mask(lengths: Tensor, num_frames: int) -> Tensor:
    """Boolean (B, T): True where a frame is the utterance's own."""
    return torch.arange(num_frames, device=lengths.device) < lengths[:, None]


def optional_mask(lengths: Tensor | None, num_frames: int) -> Tensor | None:
    """`frame_mask`, or None where every row is full."""
    return None if lengths is None else frame_mask(lengths, num_frames)


def zero_padding(frames: Tensor, lengths: Tensor | None) -> Tensor:
    """Frames (B, T, D) with those beyond each utterance's end set to zero."""
    if lengths is None:
        return frames
    return frames.masked_fill(~frame_mask(lengths, frames.shape[1])[..., None], 0.0)


def masked_mean(frames: Tensor, lengths: Tensor | None) -> Tensor:
    """Mean over valid frames: (B, T, ...) to (B, ...)."""
    if lengths is None:
        return frames.mean(dim=1)
    valid = frame_mask(lengths, frames.shape[1])
    valid = valid.reshape(*valid.shape, *(1,) * (frames.ndim - 2))
    counts = lengths.reshape(-1, *(1,) * (frames.ndim - 2))
    return frames.masked_fill(~valid, 0.0).sum(dim=1) / counts


def masked_softmax(logits: Tensor, lengths: Tensor | None, dim: int) -> Tensor:
    """Softmax along ``dim``, one of the dims after the batch, over valid frames only."""
    if lengths is None:
        return logits.softmax(dim=dim)
    valid = frame_mask(lengths, logits.shape[dim])
    shape = [1] * logits.ndim
    shape[0], shape[dim] = valid.shape
    return logits.masked_fill(~valid.reshape(shape), float("-inf")).softmax(dim=dim)


def flip_frames(frames: Tensor, lengths: Tensor | None) -> Tensor:
    """Reverse time within each utterance: (B, T, D) to (B, T, D), padding stays where it is."""
    if lengths is None:
        return frames.flip(1)
    position = torch.arange(frames.shape[1], device=frames.device)
    mirrored = lengths[:, None] - 1 - position  # (B, T), negative in the padding
    source = torch.where(mirrored >= 0, mirrored, position)
    return frames.gather(1, source[..., None].expand_as(frames))


class FrameBatchNorm(nn.modules.batchnorm._BatchNorm):
    """BatchNorm over the last dim of frames (B, T, ..., C), whose statistics leave padding out.

    Parameters and buffers are those of torch's own batch norms. Output at padded frames is zero.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim != 2:
            raise ValueError(f"expected frames flattened to (N, channels), got {input.ndim} dims")

    def forward(self, input: Tensor, valid: Tensor | None = None) -> Tensor:
        """Normalise frames; ``valid`` (B, T) is True where they count, None if all do."""
        channels = input.shape[-1]
        if valid is None:
            return super().forward(input.reshape(-1, channels)).view(input.shape)
        flags = valid.reshape(*valid.shape, *(1,) * (input.ndim - 2))
        if not self.training:
            normed = super().forward(input.reshape(-1, channels)).view(input.shape)
            return normed.masked_fill(~flags, 0.0)
        normed = super().forward(input[valid].reshape(-1, channels))
        return torch.zeros_like(input, dtype=normed.dtype).masked_scatter(flags, normed)


class ImageBatchNorm(nn.modules.batchnorm._BatchNorm):
    """BatchNorm over channels (B, C, ...), whose statistics leave padded time out; it is zeroed.

    Parameters and buffers are those of torch's own batch norms.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"expected (batch, channels, ...), got {input.ndim} dims")

    def forward(self, input: Tensor, lengths: Tensor | None = None, time_dim: int = -1) -> Tensor:
        """Normalise (B, C, ...), whose dim ``time_dim`` is time, to the same."""
        if lengths is None:
            return super().forward(input)
        valid = frame_mask(lengths, input.shape[time_dim])
        if not self.training:
            shape = [1] * input.ndim
            shape[0], shape[time_dim] = valid.shape
            return super().forward(input).masked_fill(~valid.view(shape), 0.0)
        by_frame = input.movedim(time_dim, 1)  # (B, T, C, ...)
        normed = super().forward(by_frame[valid])  # (sum of lengths, C, ...)
        spread = torch.zeros_like(by_frame, dtype=normed.dtype)
        flags = valid.view(*valid.shape, *(1,) * (input.ndim - 2))
        return spread.masked_scatter(flags, normed).movedim(1, time_dim)
