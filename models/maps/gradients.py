"""What each frame adds to the score: gradients, times what they are of.

They are of the logit of bona fide minus that of spoof, so that a frame over 0 speaks for bona fide
and one below for spoof; and of the features that enter the encoder, of all layers where it takes
them. A frame of these has seen others through the front-end. Of a detector of others, whose
features are not known, they are of the waveform itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from fakemamba.models.detector import Detector
from fakemamba.models.external.detector import ExternalDetector
from fakemamba.models.maps.observation import Observation

Baseline = Literal["zero", "silence"]


def gradient(seen: Observation) -> Tensor:
    """Gradient times input (Shrikumar et al. 2016), (frames,)."""
    features = seen.features
    return _by_frame(_slope(_difference_of(seen.detector), features) * features)


def integrated_gradients(seen: Observation, steps: int, baseline: Baseline) -> Tensor:
    """Integrated gradients (Sundararajan, Taly and Yan 2017), (frames,).

    Gradients on the straight way from a baseline, mean over the middles of ``steps`` equal parts of
    it, times the way. With enough steps they add up to the difference here minus that there.
    """
    difference, start = _difference_of(seen.detector), baseline_features(seen, baseline)
    way = seen.features - start
    slopes = torch.zeros_like(way)
    for step in range(steps):
        slopes += _slope(difference, start + (step + 0.5) / steps * way)
    return _by_frame(slopes / steps * way)


@torch.no_grad()
def baseline_features(seen: Observation, baseline: Baseline) -> Tensor:
    """Where integrated gradients begin: all zero, or what the front-end makes of silence."""
    if baseline == "zero":
        return torch.zeros_like(seen.features)
    silence, _ = seen.detector.frontend(torch.zeros_like(seen.given))
    return silence


def waveform_gradient(detector: ExternalDetector, waveform: Tensor) -> Tensor | None:
    """Gradient times input at the waveform (samples,) of a detector of others, (frames,).

    None where there is none, as of a file that another engine runs.
    """

    def difference(waveforms: Tensor) -> Tensor:
        return bona_fide_minus_spoof(detector, detector(waveforms))

    shares = _slope_if_any(difference, waveform[None])
    if shares is None:
        return None
    framing = detector.framing
    count, hop = framing.frame_count(len(waveform)), framing.hop_samples
    shares = shares[0] * waveform
    return F.pad(shares, (0, count * hop - len(shares))).unflatten(0, (count, hop)).sum(1)


def bona_fide_minus_spoof(detector: Detector, logits: Tensor) -> Tensor:
    """Of logits (B, 2), the difference that all of this is of (B,)."""
    spoof, bona_fide = detector.by_class(logits).unbind(1)
    return bona_fide - spoof


def _difference_of(detector: Detector) -> Callable[[Tensor], Tensor]:
    """The difference (1,) as a function of features (1, ...)."""
    return lambda features: bona_fide_minus_spoof(
        detector, detector.head(detector.encoder(features))
    )


@torch.enable_grad()
def _slope_if_any(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor | None:
    """The gradient of a function, of the shape of what it is of; None where it has none."""
    at = at.detach().clone().requires_grad_()
    result = function(at)
    if not result.requires_grad:
        return None
    (found,) = torch.autograd.grad(result.sum(), at, allow_unused=True)
    return found


def _slope(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    found = _slope_if_any(function, at)
    assert found is not None  # our layers have gradients
    return found


def _by_frame(shares: Tensor) -> Tensor:
    """Shares (1, frames, width) or of all layers (1, layers, frames, width) to (frames,)."""
    found = shares[0].sum(-1)
    return found if found.ndim == 1 else found.sum(0)
