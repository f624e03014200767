"""Official checkpoints (``.pth`` state dicts of the published repositories) to detectors of ours.

Every size is read off the tensors. Foreign names stay here and in each detector's
``official_keys``; the rest of the code never sees them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fakemamba.files import kind_of
from fakemamba.models.detector import Detector
from fakemamba.models.frontend import FrontendConfig
from fakemamba.models.frontend_sources import usual_heads
from fakemamba.models.frontends.hugging_face import finder, hugging_face_weights
from fakemamba.models.frontends.tensor_names import POSITION_WEIGHT, family_of, network_tensors
from fakemamba.models.registry import (
    DETECTORS,
    DetectorEntry,
    build_detector,
    detector_entry,
    family_name,
)
from fakemamba.models.state_dicts import differences, load_exactly, plain_state, renamed
from fakemamba.models.weight_files import CheckpointError, read_weights

AVERAGES = ("true", "as-released")


def convert_official(
    paths: Sequence[str | Path],
    detector: str,
    *,
    average: str = "true",
    frontend_heads: int | None = None,
) -> Detector:
    """Read one official checkpoint, or the average of several, as a detector in eval mode.

    Args:
        paths: ``.pth`` files of one detector, the best epoch first, in torch's or safetensors'
            format; or folders in Hugging Face's layout, with a ``model.safetensors`` or a
            ``pytorch_model.bin``.
        detector: a registry name; ``fake-mamba`` stands for any depth.
        average: ``true`` mean, or ``as-released``: (2·b1 + b2 + ... + bn)/(n + 1) of files b0..bn,
            which is what the published averaging codes do, and leaves the best epoch out.
        frontend_heads: attention heads of the front-end, the one size that tensors do not show; if
            None, those of the published models of its width.

    Raises:
        FileNotFoundError, CheckpointError, UnsafeCheckpointError: as `read_weights`.
        CheckpointError: the tensors are not those of this detector; the message names them.
    """
    source = ", ".join(str(path) for path in paths)
    states = [plain_state(_content(Path(path)), path) for path in paths]
    official = average_states(states, average)
    converted = _convert(detector, official, frontend_heads, source)
    if isinstance(converted, str):
        others = [
            name
            for name in dict.fromkeys(family_name(name) for name in DETECTORS)
            if name != family_name(detector) and _fits(name, official, frontend_heads, source)
        ]
        hint = (
            f"It fits {' and '.join(others)}: use --detector {others[0]}"
            if others
            else ("No other detector of the registry fits either")
        )
        raise CheckpointError(f"{source} is not a checkpoint of {detector}. {hint}: {converted}")
    model, state = converted
    load_exactly(model, state, source)
    return model.eval()


def average_states(states: Sequence[dict[str, Tensor]], how: str) -> dict[str, Tensor]:
    """Average state dicts of one model; integer counters are truncated, as on loading.

    Raises:
        ValueError: an unknown kind of average.
        CheckpointError: the states have different keys or shapes.
    """
    if how not in AVERAGES:
        raise ValueError(f"average {how!r} is not one of {', '.join(AVERAGES)}")
    if len(states) == 1:
        return states[0]
    shapes = [{key: value.shape for key, value in state.items()} for state in states]
    for index, other in enumerate(shapes[1:], start=2):
        unlike = sorted(
            key for key in shapes[0].keys() | other.keys() if shapes[0].get(key) != other.get(key)
        )
        if unlike:
            raise CheckpointError(
                f"checkpoint {index} cannot be averaged with the first; they differ in "
                f"{', '.join(unlike[:10])}"
            )
    weights = [1] * len(states)
    if how == "as-released":  # state_dict() is the model itself, into which the second was loaded
        weights[:2] = [0, 2]
    averaged = {}
    for key, first in states[0].items():
        total = torch.zeros(first.shape, dtype=torch.float64)
        for weight, state in zip(weights, states, strict=True):
            total += weight * state[key].double()
        averaged[key] = (total / sum(weights)).to(first.dtype)
    return averaged


def _content(path: Path) -> Any:
    """What is in a file of weights, or in those of a folder in Hugging Face's layout."""
    if kind_of(path) == "a folder":
        return hugging_face_weights(finder(path), str(path))[0]
    return read_weights(path)


def _fits(name: str, official: dict[str, Tensor], heads: int | None, source: str) -> bool:
    """Whether tensors are those of another detector."""
    if not DETECTORS[name].load().official_keys:
        return False
    try:
        return not isinstance(_convert(name, official, heads, source), str)
    except ValueError:
        return False


def _convert(
    name: str, official: dict[str, Tensor], frontend_heads: int | None, source: str
) -> tuple[Detector, dict[str, Tensor]] | str:
    """The detector on the meta device and its tensors, or what does not fit, as text."""
    entry = detector_entry(name)
    if not isinstance(entry, DetectorEntry) or not entry.load().official_keys:
        raise CheckpointError(f"{name} has no published checkpoints to convert")
    detector_class = entry.load()
    theirs = detector_class.official_frontend
    raw: dict[str, Tensor] = {}
    rest: dict[str, Tensor] = {}
    for key, value in official.items():
        kept = raw if key.startswith(theirs.prefix) else rest
        kept[key.removeprefix(theirs.prefix) if kept is raw else key] = value
    family = family_of(raw)
    frontend_state = network_tensors(raw, theirs.rename, source, family)
    if POSITION_WEIGHT not in frontend_state:
        return f"it holds no speech front-end under {theirs.prefix}*, as the published files do"
    frontend = _frontend(frontend_state, frontend_heads, family, source)
    names = renamed(rest, lambda key: _rename(key, detector_class.official_keys), source)
    state = {ours: rest[key] for ours, key in names.items()}
    try:
        sizes: dict[str, Any] = detector_class.sizes_from_state(state)
        detector_class.config_class(frontend=frontend, **sizes)
    except (LookupError, ArithmeticError, ValueError):
        sizes = {}  # too different to have sizes: compared with the published model below
    state |= {f"frontend.model.{key}": value for key, value in frontend_state.items()}
    with torch.device("meta"):
        model = build_detector(name, frontend, sizes)
    return differences(model, state, names) or (model, state)


def _frontend(
    state: dict[str, Tensor], heads: int | None, family: str, source: str
) -> FrontendConfig:
    try:
        config = FrontendConfig.from_state(
            state, num_heads=heads or 1, name="converted", family=family
        )
        return config if heads is not None else replace(config, num_heads=usual_heads(config))
    except ValueError as error:
        raise CheckpointError(f"the front-end of {source}: {error}") from error


def _rename(key: str, patterns: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in patterns:
        key = re.sub(pattern, replacement, key)
    return key
