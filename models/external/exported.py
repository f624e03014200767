"""Detectors as files: graphs of engines (see `graphs`), and ``.pt2`` of torch.export.

Nothing in a ``.pt2`` is executed but its graph, of torch's operators: torch sees to that. It also
unpickles what a ``.pt2`` has besides, and evaluates its sizes as Python: so one that has anything
but a graph and plain tensors is refused.
"""

from __future__ import annotations

import io
import json
import pickle
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export.pt2_archive import PT2ArchiveReader

from fakemamba.models.external.graphs import read_onnx, read_openvino
from fakemamba.models.weight_files import CheckpointError
from fakemamba.records import shown

SUFFIXES = (".onnx", ".xml", ".pt2")
_GRAPH, _SAMPLES = "models/model.json", "data/sample_inputs/model.pt"
_CONFIGS = ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json")
_PLAIN = re.compile(
    r"data/(weights/(weight_\d+|model_weights_config\.json)"
    r"|constants/(tensor_\d+|model_constants_config\.json)|sample_inputs/model\.pt)"
    r"|models/model\.json|archive_format|archive_version|byteorder|\.data/(version|serialization_id)"
)
_SIZE = re.compile(r"(?:Symbol\('\w+'|(?!__)[\w\s+\-*/(),<>=&|~%]|(?<=\d)\.(?=\d))*", re.ASCII)
_IMPORTING = ("__enum__", "default_factory", "\\u")  # in a tree's form; the last may hide them


def read_exported(path: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The module behind an exported file, and what the file says of its input.

    Raises:
        CheckpointError: it is not such a file, or holds what is not run.
    """
    read = {".onnx": read_onnx, ".xml": read_openvino, ".pt2": _torch_export}
    return read[path.suffix](path)


def _torch_export(path: Path) -> tuple[nn.Module, dict[str, Any]]:
    _require_plain(path)
    try:
        program = torch.export.load(path)
    except Exception as error:  # of a dozen kinds of its own
        line = str(error).strip().splitlines()
        raise CheckpointError(
            f"{path} cannot be read by torch.export: {line[0] if line else type(error).__name__}"
        ) from error
    signature = program.graph_signature
    names = signature.user_inputs
    shapes = {
        node.name: tuple(node.meta["val"].shape)
        for node in program.graph.nodes
        if node.op == "placeholder" and node.name in names
    }
    if not 1 <= len(names) <= 2 or len(shapes[str(names[0])]) != 2:
        told = ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
        raise CheckpointError(
            f"{path} takes {told}, but a detector takes waveforms (batch, samples), and lengths "
            "(batch,) if any"
        )
    samples = shapes[str(names[0])][1]
    module = program.module()
    return _Exported(module, len(names) == 2), {
        "num_samples": samples if isinstance(samples, int) else None
    }


class _Exported(nn.Module):
    """A program of torch.export; it has no training mode, and needs none to be scored."""

    def __init__(self, program: nn.Module, takes_lengths: bool) -> None:
        super().__init__()
        self.program = program
        self.lengths = "needed" if takes_lengths else "none"

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Its first output."""
        output: Any = self.program(waveforms, *(() if lengths is None else (lengths,)))
        first: Tensor = output[0] if isinstance(output, tuple | list) else output
        return first

    def train(self, mode: bool = True) -> _Exported:
        """Nothing: an exported program refuses to be asked."""
        return self


def _require_plain(path: Path) -> None:
    """Refuse an archive with anything that torch would run while it reads it.

    It is read by torch's own reader, so that nothing is seen here that torch sees otherwise.

    Raises:
        CheckpointError: it has such things, or is no archive of torch.export.
    """
    try:
        archive = PT2ArchiveReader(str(path))
        names = archive.get_file_names()
        strange = [name for name in names if not _PLAIN.fullmatch(name)]
        if len(set(names)) < len(names):
            strange = names
        for name in () if strange else _CONFIGS:
            entries = json.loads(archive.read_bytes(name))["config"].values()
            strange += [
                entry["path_name"]
                for entry in entries
                if entry["use_pickle"] is not False
                or not re.fullmatch(r"(weight|tensor)_\d+", entry["path_name"])
            ]
        if not strange:
            strange = _strange_texts(json.loads(archive.read_bytes(_GRAPH)))
        if not strange:
            torch.load(io.BytesIO(archive.read_bytes(_SAMPLES)), weights_only=True)
    except pickle.UnpicklingError:
        strange = [_SAMPLES]
    except Exception as error:  # of a dozen kinds of torch's own
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(f"{path} is no archive of torch.export: {line}") from error
    if strange:
        raise _not_plain(path, strange[0])


def _not_plain(path: Path, what: str) -> CheckpointError:
    return CheckpointError(
        f"{path} holds more than a graph and plain tensors, {shown(what)}, which "
        "could run any code: export it again, by torch 2.9 or later and without objects of your own"
    )


def _strange_texts(value: Any, key: str = "") -> list[str]:
    """The texts in a graph's record that torch would evaluate or import, if they are not sizes."""
    if isinstance(value, dict):
        return [one for name, inner in value.items() for one in _strange_texts(inner, name)]
    if isinstance(value, list):
        return [one for inner in value for one in _strange_texts(inner, key)]
    if not isinstance(value, str):
        return []
    is_strange = key == "expr_str" and not _SIZE.fullmatch(value)
    return [value] if is_strange or any(word in value for word in _IMPORTING) else []
