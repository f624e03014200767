"""A detector as a folder: ``config.json`` (which detector, all sizes) and ``model.safetensors``.

Of code of others the folder has the name, but is not enough to run it: whoever reads the folder
names the code too, or has the package installed that declares it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_args

import torch
from safetensors.torch import save_file
from torch import Tensor

from fakemamba.files import atomic_write, file_sha256, files_sha256, require_file, write_json
from fakemamba.models.detector import Detector, Taught
from fakemamba.models.external.detector import ExternalConfig
from fakemamba.models.external.names import is_code_name
from fakemamba.models.frontends.config import LATER_FIELDS
from fakemamba.models.registry import entry_of_code, family_name, is_ours, registered_name
from fakemamba.models.state_dicts import load_exactly, most_blocks, plain_state
from fakemamba.models.weight_files import CheckpointError, read_weights
from fakemamba.names import one_line
from fakemamba.records import parse_record, read_record, shown

FORMAT_VERSION = 1
CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"
_BLOCK_COUNTS = ("depth", "repeats", "mixers", "frontend.num_layers")
_REMEDY = "a detector's folder is made by `fakemamba convert` or `fakemamba train`: make it again"


def save_pretrained(
    detector: Detector, folder: str | Path, state: Mapping[str, Tensor] | None = None
) -> None:
    """Write a detector to ``folder``; each file appears whole or not at all.

    ``state`` is its state dict, if not its own parameters': those may be spread over several GPUs.
    """
    folder = Path(folder)
    described = {"detector": registered_name(detector), **_written(detector.config)}
    if detector.taught != Detector.taught:
        described["taught"] = detector.taught
    config = {"format": FORMAT_VERSION, **described}
    state = detector.state_dict() if state is None else state
    tensors = {key: value.contiguous() for key, value in state.items()}
    with atomic_write(folder / WEIGHTS_NAME) as partial:
        save_file(tensors, partial)
    write_json(folder / CONFIG_NAME, config)


def from_pretrained(folder: str | Path, *, expected: str | None = None) -> Detector:
    """Read a detector written by `save_pretrained` or ``fakemamba convert``, in eval mode.

    Args:
        folder: where ``config.json`` and ``model.safetensors`` are.
        expected: a detector's name; anything else in the folder is an error. Code of others is
            read only if it is named here, or installed under the name that the folder has.

    Raises:
        CheckpointError: a file is missing, broken, of another version or of another detector.
    """
    folder = Path(folder)
    check_files(folder)
    weights = folder / WEIGHTS_NAME
    name, config, taught = _read_config(folder / CONFIG_NAME, expected)
    is_external = isinstance(config, ExternalConfig)
    state = plain_state(read_weights(weights), weights, as_named=is_external)
    _check_sizes(config, state, folder)
    entry = entry_of_code(expected or name)
    try:
        # Code of others may compute what it keeps beside its weights, which meta has no numbers of.
        with torch.device("meta") if is_ours(expected or name) else nullcontext():
            detector = entry.make(entry.config(config.frontend, _options(config)))
    except ValueError as error:
        raise CheckpointError(f"{folder / CONFIG_NAME}: {error}") from error
    load_exactly(detector, state, weights)
    detector.taught = taught
    return detector.eval()


def checkpoint_sha256(checkpoint: Path) -> str:
    """SHA-256 of a checkpoint's file, or of the configuration and weights in a folder."""
    if not checkpoint.is_dir():
        return file_sha256(checkpoint)
    return files_sha256([checkpoint / CONFIG_NAME, checkpoint / WEIGHTS_NAME])


def check_files(folder: Path) -> None:
    """Refuse a folder without a detector's two files, by what is in their place.

    Raises:
        CheckpointError: one of them is not there, or is no file.
    """
    for name in (CONFIG_NAME, WEIGHTS_NAME):
        require_file(folder / name, CheckpointError, _REMEDY)


def _options(config: Any) -> dict[str, Any]:
    """What else than the front-end a detector is made with."""
    if isinstance(config, ExternalConfig):
        return dict(config.options)
    return {f.name: getattr(config, f.name) for f in fields(config) if f.name != "frontend"}


def _read_config(path: Path, expected: str | None) -> tuple[str, Any, Taught]:
    """A detector's name, its configuration, every field of which is checked and there, and what
    it was taught.
    """
    said = read_record(path, dict[str, Any], CheckpointError, _REMEDY)
    version, name = said.pop("format", None), said.pop("detector", None)
    taught = said.pop("taught", Detector.taught)
    if version is True or version != FORMAT_VERSION:
        raise CheckpointError(
            f"{path}: format {shown(version)}, but this version reads {FORMAT_VERSION}; convert "
            "the original checkpoint again"
        )
    if not isinstance(name, str):
        raise CheckpointError(
            f"{path}, detector: should be the name of one, but is {shown(name)}; {_REMEDY}"
        )
    if taught not in get_args(Taught):
        known = ", ".join(get_args(Taught))
        raise CheckpointError(
            f"{path}, taught: should be one of {known}, but is {shown(taught)}; {_REMEDY}"
        )
    if expected is not None and family_name(expected) != name:
        if not is_code_name(expected):
            entry_of_code(expected)  # there may be no such detector
        raise CheckpointError(f"{path.parent} holds {one_line(name)}, not {expected}")
    if is_code_name(name) and expected is None:
        raise CheckpointError(
            f"{path.parent} is of {one_line(name)}, code that is not run because a file names it: "
            f"say --detector {one_line(name)}"
        )
    try:
        form = entry_of_code(expected or name).config_class
    except ValueError as error:
        raise CheckpointError(f"{path}, detector: {error}") from error
    config = parse_record(json.dumps(said), form, str(path), CheckpointError, _REMEDY)
    # A default might be of another detector than was saved, with tensors of the same shapes.
    found, needed = _paths(said), _paths(asdict(config))
    for group in _later_fields(config):
        if not group.keys() & found.keys():
            needed = {one: value for one, value in needed.items() if one not in group}
    missing = [one for one in needed if one not in found]
    if missing:
        raise CheckpointError(f"{path}, {missing[0]}: it is missing; {_REMEDY}")
    return name, config, taught


def _written(config: Any) -> dict[str, Any]:
    """All fields but those that came later and say what is meant without them."""
    record = asdict(config)
    values = _paths(record)
    for group in _later_fields(config):
        if all(values[one] == default for one, default in group.items()):
            for one in group:
                table, _, name = one.rpartition(".")
                del (record[table] if table else record)[name]
    return record


def _later_fields(config: Any) -> list[dict[str, Any]]:
    """Fields that came later, by their paths, with what a record without them means.

    A record has all of a group, or none.
    """
    groups = [{one.name: one.default} for one in fields(config) if "later" in one.metadata]
    if config.frontend is not None:
        groups += [{f"frontend.{name}": group[name] for name in group} for group in LATER_FIELDS]
    return groups


def _check_sizes(config: Any, state: Mapping[str, Tensor], folder: Path) -> None:
    """Refuse sizes that no tensor has, before anything of such a size is built."""
    blocks = most_blocks(state)
    widest = max(max(value.shape, default=0) for value in state.values())
    sizes = asdict(config)
    if isinstance(config, ExternalConfig):
        del sizes["options"]  # of which it is not known what they are
    for name, value in _paths(sizes).items():
        most = blocks if name in _BLOCK_COUNTS else widest
        if isinstance(value, int) and value > most:
            raise CheckpointError(
                f"{folder / CONFIG_NAME}, {name}: is {value}, but {WEIGHTS_NAME} has no more than "
                f"{blocks} layers in a row, and no tensor wider than {widest}; {_REMEDY}"
            )


def _paths(record: Mapping[str, Any]) -> dict[str, Any]:
    """Fields by name, those of a field that has fields itself as ``frontend.name``."""
    found: dict[str, Any] = {}
    for name, value in record.items():
        inner = _paths(value) if isinstance(value, dict) else {}
        found |= {f"{name}.{key}": one for key, one in inner.items()} or {name: value}
    return found
