"""A detector as a folder: ``config.json`` (which detector, all sizes) and ``model.safetensors``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from fakemamba.files import appearing_whole, write_json
from fakemamba.models.detector import Detector
from fakemamba.models.frontend import FrontendConfig
from fakemamba.models.registry import build_detector, detector_entry, family_name, registered_name

FORMAT_VERSION = 1
CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"


class CheckpointError(ValueError):
    """A checkpoint does not hold what it was said to hold."""


def save_pretrained(
    detector: Detector, folder: str | Path, state: Mapping[str, Tensor] | None = None
) -> None:
    """Write a detector to ``folder``; each file appears whole or not at all.

    ``state`` is its state dict, if not its own parameters': those may be spread over several GPUs.
    """
    folder = Path(folder)
    described = {"detector": registered_name(detector), **asdict(detector.config)}
    config = {"format": FORMAT_VERSION, **described}
    state = detector.state_dict() if state is None else state
    tensors = {key: value.contiguous() for key, value in state.items()}
    with appearing_whole(folder / WEIGHTS_NAME) as partial:
        save_file(tensors, partial)
    write_json(folder / CONFIG_NAME, config)


def from_pretrained(folder: str | Path, *, expected: str | None = None) -> Detector:
    """Read a detector written by `save_pretrained` or ``fakemamba convert``, in eval mode.

    Args:
        folder: where ``config.json`` and ``model.safetensors`` are.
        expected: a registry name; anything else in the folder is an error.

    Raises:
        CheckpointError: a file is missing, broken, of another version or of another detector.
    """
    folder = Path(folder)
    config = _read_config(folder / CONFIG_NAME)
    name = config.pop("detector")
    frontend = FrontendConfig(**config.pop("frontend"))
    if expected is not None and family_name(expected) != name:
        raise CheckpointError(f"{folder} holds {name}, not {expected}")
    with torch.device("meta"):
        detector = build_detector(expected or name, frontend, config)
    try:
        state = load_file(folder / WEIGHTS_NAME)
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder / WEIGHTS_NAME}: no such file") from error
    except SafetensorError as error:
        raise CheckpointError(
            f"{folder / WEIGHTS_NAME} is not a readable safetensors file ({error}); convert the "
            "checkpoint again"
        ) from error
    load_exactly(detector, state, str(folder / WEIGHTS_NAME))
    return detector.eval()


def load_exactly(detector: Detector, state: dict[str, Tensor], source: str) -> None:
    """Put tensors into a detector made on the meta device.

    Raises:
        CheckpointError: listing every missing, surplus and misshapen tensor.
    """
    problems = differences(detector, state)
    if problems:
        raise CheckpointError(
            f"{source} does not fit {type(detector).__name__}:\n  " + "\n  ".join(problems)
        )
    detector.load_state_dict(state, assign=True)


def differences(
    detector: Detector, state: dict[str, Tensor], labels: dict[str, str] | None = None
) -> list[str]:
    """What keeps tensors from being a detector's state, one line a tensor; empty if nothing.

    ``labels`` gives the names that tensors of ``state`` have in the file that they came from.
    """
    labels = labels or {}
    wanted = {key: tuple(value.shape) for key, value in detector.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in state.items()}
    missing = [f"missing {key} {wanted[key]}" for key in wanted if key not in found]
    surplus = [f"surplus {labels.get(key, key)} {found[key]}" for key in found if key not in wanted]
    misshapen = [
        f"misshapen {labels.get(key, key)}: {found[key]}, should be {wanted[key]}"
        for key in wanted
        if key in found and wanted[key] != found[key]
    ]
    return missing + surplus + misshapen


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path}: no such file; a detector's folder is made by `fakemamba convert`"
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} is not JSON: {error}") from error
    version = config.pop("format", None)
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"{path}: format {version!r}, but this version reads {FORMAT_VERSION}; convert the "
            "original checkpoint again"
        )
    known = {f.name for f in fields(detector_entry(config["detector"]).load().config_class)}
    unknown = sorted(set(config) - known - {"detector"})
    if unknown:
        raise CheckpointError(f"{path}: unknown fields {', '.join(unknown)}")
    return config
