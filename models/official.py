"""Official checkpoints (``.pth`` state dicts of the published repositories) to detectors of ours.

Every size is read off the tensors. Foreign names stay here and in each detector's
``official_keys``; the rest of the code never sees them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fakemamba.models.detector import Detector
from fakemamba.models.frontend import FrontendConfig
from fakemamba.models.frontends.tensor_names import (
    POSITION_WEIGHT,
    network_tensors,
    transformers_key,
)
from fakemamba.models.registry import (
    DETECTORS,
    DetectorEntry,
    build_detector,
    detector_entry,
    family_name,
)
from fakemamba.models.state_dicts import differences, load_exactly, plain_state, renamed
from fakemamba.models.weight_files import CheckpointError, read_weights

FRONTEND_PREFIX = "ssl_model.model."
AVERAGES = ("true", "as-released")


def convert_official(
    paths: Sequence[str | Path],
    detector: str,
    *,
    average: str = "true",
    frontend_heads: int = 16,
) -> Detector:
    """Read one official checkpoint, or the average of several, as a detector in eval mode.

    Args:
        paths: ``.pth`` files of one detector, the best epoch first.
        detector: a registry name; ``fake-mamba`` stands for any depth.
        average: ``true`` mean, or ``as-released``: (2·b1 + b2 + b3 + b4)/5 of five files b0..b4,
            which is what the published averaging code does, and leaves the best epoch out.
        frontend_heads: attention heads of the front-end, the one size that tensors do not show.

    Raises:
        FileNotFoundError, CheckpointError, UnsafeCheckpointError: as `read_weights`.
        CheckpointError: the tensors are not those of this detector; the message names them.
    """
    source = ", ".join(str(path) for path in paths)
    states = [plain_state(read_weights(Path(path)), path) for path in paths]
    frontend_state, rest = _split_frontend(average_states(states, average), source)
    try:
        frontend = FrontendConfig.from_state(
            frontend_state, num_heads=frontend_heads, name="converted"
        )
    except ValueError as error:
        raise CheckpointError(f"the front-end of {source}: {error}") from error
    converted = _convert(detector, frontend_state, rest, frontend, source)
    if isinstance(converted, str):
        others = [
            name
            for name in dict.fromkeys(family_name(name) for name in DETECTORS)
            if name != family_name(detector)
            and DETECTORS[name].load().official_keys
            and not isinstance(_convert(name, frontend_state, rest, frontend, source), str)
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
        ValueError: an unknown kind of average, or ``as-released`` of other than five states.
        CheckpointError: the states have different keys or shapes.
    """
    if how not in AVERAGES:
        raise ValueError(f"average {how!r} is not one of {', '.join(AVERAGES)}")
    if len(states) == 1:
        return states[0]
    if how == "as-released" and len(states) != 5:
        raise ValueError(f"the as-released average takes five checkpoints, got {len(states)}")
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
    weights = [0, 2, 1, 1, 1] if how == "as-released" else [1] * len(states)
    averaged = {}
    for key, first in states[0].items():
        total = torch.zeros(first.shape, dtype=torch.float64)
        for weight, state in zip(weights, states, strict=True):
            total += weight * state[key].double()
        averaged[key] = (total / sum(weights)).to(first.dtype)
    return averaged


def _split_frontend(
    official: dict[str, Tensor], source: str
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The front-end's tensors under transformers' names, and all the others as they are."""
    raw = {
        key.removeprefix(FRONTEND_PREFIX): value
        for key, value in official.items()
        if key.startswith(FRONTEND_PREFIX)
    }
    frontend = network_tensors(raw, transformers_key, source, "wav2vec2")
    if POSITION_WEIGHT not in frontend:
        raise CheckpointError(
            f"{source} holds no XLS-R front-end under {FRONTEND_PREFIX}*: not an official "
            "checkpoint of a whole detector"
        )
    rest = {key: value for key, value in official.items() if not key.startswith(FRONTEND_PREFIX)}
    return frontend, rest


def _convert(
    name: str,
    frontend_state: dict[str, Tensor],
    rest: dict[str, Tensor],
    frontend: FrontendConfig,
    source: str,
) -> tuple[Detector, dict[str, Tensor]] | str:
    """The detector on the meta device and its tensors, or what does not fit, as text."""
    entry = detector_entry(name)
    if not isinstance(entry, DetectorEntry) or not entry.load().official_keys:
        raise CheckpointError(f"{name} has no published checkpoints to convert")
    detector_class = entry.load()
    names = renamed(rest, lambda key: _rename(key, detector_class.official_keys), source)
    state = {ours: rest[theirs] for ours, theirs in names.items()}
    try:
        sizes: dict[str, Any] = detector_class.sizes_from_state(state)
        detector_class.config_class(frontend=frontend, **sizes)
    except (LookupError, ArithmeticError, ValueError):
        sizes = {}  # too different to have sizes: compared with the published model below
    state |= {f"frontend.model.{key}": value for key, value in frontend_state.items()}
    with torch.device("meta"):
        model = build_detector(name, frontend, sizes)
    return differences(model, state, names) or (model, state)


def _rename(key: str, patterns: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in patterns:
        key = re.sub(pattern, replacement, key)
    return key
