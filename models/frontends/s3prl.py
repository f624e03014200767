"""s3prl's number of frames: one for every 320 samples that an utterance has begun.

That is one or two more than a network makes, and these are copies of its last frame. Utterances of
less than 800 samples, 50 ms, are first filled up with silence, and have as many frames as they
would have without it. s3prl itself stops where the frames would be twice as many as the network's,
which are those of 961 to 1,039 samples in wav2vec 2.0 and its like; here these are copied as well.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fakemamba.models.frontends.config import FrontendConfig
from fakemamba.models.masking import zero_padding

LEAST_SAMPLES = 800


def filled_up(
    waveforms: Tensor, lengths: Tensor | None, config: FrontendConfig
) -> tuple[Tensor, Tensor | None]:
    """What a network is given of waveforms (B, L) of ``lengths`` (B,) samples, with its lengths."""
    if config.frames != "s3prl":
        return waveforms, lengths
    waveforms = F.pad(waveforms, (0, torch.sym_max(LEAST_SAMPLES - waveforms.shape[1], 0)))
    if lengths is None:
        return waveforms, None
    return zero_padding(waveforms[..., None], lengths)[..., 0], lengths.clamp(min=LEAST_SAMPLES)


def fitted(
    frames: Tensor, num_samples: int, lengths: Tensor | None, config: FrontendConfig
) -> Tensor:
    """Frames (B, ..., T, width) of a network, as many as rows of ``num_samples`` samples have.

    ``lengths`` are the rows' own, before they were filled up.
    """
    count = config.framing.frame_count(num_samples)
    if config.frames != "s3prl":
        return frames if frames.shape[-2] == count else frames.narrow(-2, 0, count)
    framing, places = config.build.framing, torch.arange(count, device=frames.device)
    if lengths is None:
        last = framing.frame_count(max(num_samples, LEAST_SAMPLES)) - 1
        return frames.index_select(-2, places.clamp(max=last))
    last_ones = framing.frame_counts(lengths.clamp(min=LEAST_SAMPLES))[:, None] - 1
    places = torch.minimum(places, last_ones)  # (B, count)
    places = places.view(places.shape[0], *(1,) * (frames.ndim - 3), count, 1)
    return frames.gather(-2, places.expand(*frames.shape[:-2], count, frames.shape[-1]))
