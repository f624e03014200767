"""State dicts of anybody's: tensors under plain names, in fp32, and exactly those of a module.

Training loops wrap a model and so change the names of its tensors, older torch spells weight norm
otherwise, and files are saved in other precisions. All of that is undone here; what is still not as
the module has it is an error that names the tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from fakemamba.models.weight_files import CheckpointError
from fakemamba.records import shown

# What training loops save a state dict under, beside optimizer, epoch and so on.
_HOLDERS = ("state_dict", "model_state_dict", "model")
# Names that DataParallel, torch.compile, FSDP and activation checkpointing put into all below them.
_WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
_WEIGHT_NORM = {"weight_g": "original0", "weight_v": "original1"}  # torch before 2.1, and after
_MOST_NAMED = 5
Key = TypeVar("Key")


def plain_state(content: Any, source: object, *, as_named: bool = False) -> dict[str, Tensor]:
    """The state dict that a file holds, as the bare model would have it, with floats in fp32.

    Holders (``state_dict``, ...), the names of wrappers (``module``, ``_orig_mod``, ...) and a name
    that all tensors begin with are taken off; weight norm has torch's present names.

    Args:
        content: of `read_weights`.
        source: the file, for errors.
        as_named: leave the names as they are.

    Raises:
        CheckpointError: no state dict, a name twice, or something else than tensors of values.
    """
    content = _held(content, source)
    odd = [_name(key) for key, value in content.items() if not isinstance(value, Tensor)]
    if odd:
        raise CheckpointError(
            f"{source} is not a plain state dict: {_listed(odd)} hold no tensors; save the model's "
            "state_dict() alone"
        )
    if as_named:
        return {key: _values(value, source, key) for key, value in content.items()}
    shared = _shared_prefix([plain_name(str(key)) for key in content])
    names = renamed(content, lambda key: plain_name(str(key)).removeprefix(shared), source)
    return {name: _values(content[key], source, key) for name, key in names.items()}


def plain_name(key: str) -> str:
    """A tensor's name without wrappers, and with torch's present names of weight norm."""
    parts = [part for part in key.split(".") if part not in _WRAPPERS]
    if parts and parts[-1] in _WEIGHT_NORM:
        parts[-1:] = ["parametrizations", "weight", _WEIGHT_NORM[parts[-1]]]
    return ".".join(parts)


def renamed(keys: Iterable[Key], rename: Callable[[Key], str], source: object) -> dict[str, Key]:
    """New names of tensors, each with its old one.

    Raises:
        CheckpointError: two tensors would have one name.
    """
    found: dict[str, Key] = {}
    for key in keys:
        name = rename(key)
        if name in found:
            raise CheckpointError(
                f"{source} holds {_name(name)} twice, as {_name(found[name])} and as {_name(key)}; "
                "save the bare model's state_dict() alone"
            )
        found[name] = key
    return found


def load_exactly(module: nn.Module, state: dict[str, Tensor], source: object) -> None:
    """Put tensors into a module made on the meta device.

    Raises:
        CheckpointError: tensors are missing, surplus, misshapen, of another kind, or not finite.
    """
    problems = differences(module, state)
    if problems:
        raise CheckpointError(f"{source} does not fit {type(module).__name__}: {problems}")
    numberless = [_name(key) for key, value in state.items() if not _is_finite(value)]
    if numberless:
        raise CheckpointError(
            f"{source} has weights that are no numbers (NaN or infinite), in {_listed(numberless)};"
            " the training that it is from had diverged: take an earlier checkpoint"
        )
    wanted = module.state_dict()
    converted = {key: value.to(wanted[key].dtype) for key, value in state.items()}
    module.load_state_dict(converted, assign=True)


def differences(
    module: nn.Module, state: Mapping[str, Tensor], labels: Mapping[str, str] | None = None
) -> str:
    """What keeps tensors from being a module's state, on one line; empty if nothing.

    ``labels`` gives the names that tensors of ``state`` have in the file that they came from.
    """
    labels = labels or {}
    wanted = module.state_dict()
    missing = [f"{key} {tuple(wanted[key].shape)}" for key in wanted if key not in state]
    surplus, misshapen, strange = [], [], []
    for key, found in state.items():
        label, shape = _name(labels.get(key, key)), tuple(found.shape)
        if key not in wanted:
            surplus.append(f"{label} {shape}")
        elif shape != tuple(wanted[key].shape):
            misshapen.append(f"{label}: {shape}, should be {tuple(wanted[key].shape)}")
        elif _kind(found) != _kind(wanted[key]):
            strange.append(f"{label}: {_dtype(found)}, should be {_dtype(wanted[key])}")
    kinds = {
        "missing": missing,
        "surplus": surplus,
        "misshapen": misshapen,
        "of another kind": strange,
    }
    return "; ".join(f"{kind} {_listed(tensors)}" for kind, tensors in kinds.items() if tensors)


def count_blocks(state: Mapping[str, Tensor], prefix: str) -> int:
    """How many numbered blocks ``prefix<i>.`` a state dict holds."""
    return len({key[len(prefix) :].split(".")[0] for key in state if key.startswith(prefix)})


def most_blocks(state: Iterable[str]) -> int:
    """How many numbered blocks a state dict has in its longest row of them."""
    rows: dict[str, set[str]] = {}
    for key in state:
        parts = key.split(".")
        for place, part in enumerate(parts):
            if part.isdecimal():
                rows.setdefault(".".join(parts[:place]), set()).add(part)
    return max(map(len, rows.values()), default=0)


def shape_of(state: Mapping[str, Tensor], key: str, dimensions: int) -> tuple[int, ...]:
    """The shape of a tensor that sizes are read off.

    Raises:
        CheckpointError: there is none of so many dimensions.
    """
    shape = tuple(state[key].shape) if key in state else None
    if shape is None or len(shape) != dimensions:
        found = "is missing" if shape is None else f"is {shape}, of other dimensions than it has"
        raise CheckpointError(f"{key}, from which sizes are read, {found}")
    return shape


def _held(content: Any, source: object) -> dict[Any, Any]:
    """The dict of tensors, out of what a training loop saved around it."""
    for _ in range(3):
        if not isinstance(content, dict) or not content:
            kind = f"a {type(content).__name__}" if content != {} else "nothing"
            raise CheckpointError(
                f"{source} holds {kind}, not a state dict; save the model's state_dict() alone"
            )
        holders = [name for name in _HOLDERS if isinstance(content.get(name), dict)]
        if len(holders) > 1:
            raise CheckpointError(
                f"{source} holds several state dicts, {' and '.join(holders)}; save one of them "
                "alone"
            )
        if holders:
            content = content[holders[0]]
    return content


def _shared_prefix(names: Iterable[str]) -> str:
    """``model.`` or the like, where all names begin with it; Lightning has such."""
    paths = [name.split(".") for name in names]
    first, last = min(paths), max(paths)
    shared = 0
    while shared < len(first) - 1 and first[shared] == last[shared]:
        shared += 1
    return "".join(f"{part}." for part in first[:shared])


def _values(tensor: Tensor, source: object, key: object) -> Tensor:
    """A tensor as a plain one; floats of any precision in fp32, where all modules have theirs."""
    is_plain = (
        type(tensor) in (Tensor, nn.Parameter)
        and tensor.layout is torch.strided
        and not tensor.is_quantized
        and not tensor.is_meta
        and tensor.untyped_storage().nbytes() >= tensor.numel() * tensor.element_size()
    )
    if not is_plain:
        raise CheckpointError(
            f"{source}: {_name(key)} is not a dense tensor with all its values (sparse, quantised, "
            "expanded or on no device); save the model's state_dict() in fp32"
        )
    return tensor.detach().float() if tensor.is_floating_point() else tensor.detach()


def _is_finite(tensor: Tensor) -> bool:
    """A finite sum has finite terms; only where it is not, every value is looked at."""
    return bool(tensor.sum().isfinite()) or bool(tensor.isfinite().all())


def _kind(tensor: Tensor) -> str:
    if tensor.is_floating_point():
        return "float"
    if tensor.is_complex():
        return "complex"
    return "bool" if tensor.dtype is torch.bool else "integer"


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def _name(key: object) -> str:
    """A tensor's name in somebody's file, in which there may be anything."""
    return shown(str(key))[1:-1]


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of tensors, in any order: their names, types, shapes and numbers."""
    digest = sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()
