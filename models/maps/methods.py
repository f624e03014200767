"""The ways to a map, by name, of what a detector is; and which of them a detector has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
import tyro
from pydantic import Field
from torch import Tensor

from fakemamba.models.detector import Detector
from fakemamba.models.external.detector import ExternalDetector
from fakemamba.models.maps import rollout
from fakemamba.models.maps.gradients import (
    Baseline,
    gradient,
    integrated_gradients,
    waveform_gradient,
)
from fakemamba.models.maps.observation import Observation, observe, padded_or_cut
from fakemamba.records import check_fields

TRIED_FRAMES = 50  # of the run that shows what a detector has


class MapError(ValueError):
    """There is no such map; the message says which there are."""


@dataclass(frozen=True)
class MapSettings:
    """What can be chosen of methods.

    Attributes:
        steps: Of integrated gradients, from the baseline to the recording.
        baseline: Of integrated gradients, where they begin: features that are zero, or those of
            silence.

    Raises:
        ValueError: a number that cannot be.
    """

    steps: Annotated[Annotated[int, Field(ge=1, le=10_000)], tyro.conf.arg(metavar="N")] = 32
    baseline: Baseline = "zero"

    def __post_init__(self) -> None:
        check_fields(self)


USUAL = MapSettings()


@dataclass(frozen=True)
class MapMethod:
    """A way to a map.

    Attributes:
        summary: a line for people.
        is_signed: whether a value says for which class a frame speaks; otherwise only how strongly
            it counts, and a frame that counts more is taken to be more of a spoof.
        values: of what was seen of a recording (frames,), as they are; None where the detector has
            no such.
        unit: what a value is in.
        settings: fields of `MapSettings` that it looks at.
    """

    summary: str
    is_signed: bool
    values: Callable[[Observation, MapSettings], Tensor | None]
    unit: str
    settings: tuple[str, ...] = ()


SHARE, TIMES = "logits of bona fide minus spoof", "times the mean frame"


def _unsigned(summary: str, influence: rollout.Influence, unit: str = TIMES) -> MapMethod:
    def values(seen: Observation, _: MapSettings) -> Tensor | None:
        found = influence(seen)
        if found is None or unit != TIMES:
            return found
        return found * (len(found) / found.sum())

    return MapMethod(summary, False, values, unit)


METHODS: Mapping[str, MapMethod] = {
    "gradient": MapMethod(
        "gradient times input, of the encoder's features; of code of others, of the waveform",
        True,
        lambda seen, _: gradient(seen),
        SHARE,
    ),
    "integrated-gradients": MapMethod(
        "integrated gradients of the encoder's features",
        True,
        lambda seen, settings: integrated_gradients(seen, settings.steps, settings.baseline),
        SHARE,
        ("steps", "baseline"),
    ),
    "attention-rollout": _unsigned(
        "rollout of the encoder's self-attention", rollout.attention_rollout
    ),
    "front-end-rollout": _unsigned(
        "rollout of the front-end's self-attention, behind that of the encoder",
        rollout.frontend_rollout,
    ),
    "hidden-attention": _unsigned(
        "rollout of the matrices of the encoder's scans", rollout.hidden_attention
    ),
    "step-size": _unsigned("mean step size of the encoder's scans", rollout.step_size, "step size"),
    "pooling": _unsigned("weights that frames are pooled with", rollout.pooling),
}


def methods_of(detector: Detector, methods: Mapping[str, MapMethod] = METHODS) -> tuple[str, ...]:
    """Of methods those that a detector has, as a run on a second of noise shows; in eval mode.

    Raises:
        ExternalDetectorError: code of others fails.
    """
    tried = max(detector.min_samples, detector.framing.samples_for(TRIED_FRAMES))
    noise = 0.1 * torch.randn(tried, generator=torch.Generator().manual_seed(0))
    noise = noise.to(detector.device)
    if isinstance(detector, ExternalDetector):
        return () if waveform_gradient(detector, noise) is None else ("gradient",)
    seen = observe(detector, noise, in_frontend=True)
    once = MapSettings(steps=1)
    found = {name: method.values(seen, once) for name, method in methods.items()}
    return tuple(name for name, values in found.items() if values is not None)


def frame_maps(
    detector: Detector,
    waveform: Tensor,
    methods: Sequence[str],
    settings: MapSettings = USUAL,
    known: Mapping[str, MapMethod] = METHODS,
) -> dict[str, Tensor]:
    """Where in a recording a detector hears a spoof: a score a frame of 20 ms, by several methods.

    A score is higher where a frame is more bona fide. Of a method that has no sign it is minus how
    strongly a frame counts: what counts more is taken to be more of a spoof, which it need not be.
    Of a detector that cuts or repeats utterances, frames beyond what it hears get zero, and of
    those that it hears again the first are told, as in `Detector.frames`.

    Args:
        detector: in eval mode.
        waveform: (samples,) at 16 kHz, on the detector's device.
        methods: of `methods_of`; the detector is run once for all of them.
        settings: of the methods.
        known: all methods that there are, by their names.

    Returns:
        By the methods, scores (frames,) in fp32 on the detector's device.

    Raises:
        MapError: a method that the detector does not have.
        ValueError: a waveform that it does not take, see `Detector.check_input`.
    """
    if not methods:
        return {}
    values: dict[str, Tensor | None]
    if isinstance(detector, ExternalDetector):
        shares = waveform_gradient(detector, waveform) if "gradient" in methods else None
        values = {name: shares if name == "gradient" else None for name in methods}
    else:
        seen = observe(detector, waveform, in_frontend="front-end-rollout" in methods)
        values = {name: known[name].values(seen, settings) for name in methods}
    count = detector.framing.frame_count(len(waveform))
    scores = {}
    for name, of_frames in values.items():
        if of_frames is None:
            has = ", ".join(methods_of(detector, known)) or "none"
            raise MapError(f"{shown_name(detector)} has no {name}; it has: {has}")
        signed = of_frames if known[name].is_signed else -of_frames
        scores[name] = padded_or_cut(signed.detach().float(), count)
    return scores


def shown_name(detector: Detector) -> str:
    """A detector's name, for messages."""
    return detector.name or type(detector).__name__
