"""Detectors as files that an engine runs: ONNX by ONNX Runtime, ``.pt2`` by torch.export.

Nothing in such a file is executed but its graph: torch unpickles what a ``.pt2`` has besides, so
one that has anything but a graph and plain tensors is refused.
"""

from __future__ import annotations

import io
import json
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fakemamba.models.external.names import ExternalDetectorError
from fakemamba.models.weight_files import CheckpointError
from fakemamba.records import shown

SUFFIXES = (".onnx", ".pt2")
FLOAT = "tensor(float)"
_CONFIGS = ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json")
_SAMPLES = "data/sample_inputs/model.pt"
_PLAIN = re.compile(
    r"data/(weights/(weight_\d+|model_weights_config\.json)"
    r"|constants/(tensor_\d+|model_constants_config\.json)|sample_inputs/model\.pt)"
    r"|models/model\.json|archive_format|archive_version|byteorder|\.data/(version|serialization_id)"
)


def read_exported(path: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The module behind an exported file, and what the file says of its input.

    Raises:
        CheckpointError: it is not such a file, or holds what is not run.
    """
    return _onnx(path) if path.suffix == ".onnx" else _torch_export(path)


class OnnxModule(nn.Module):
    """An ONNX graph of waveforms (B, L), and lengths (B,) if it takes them, on the CPU."""

    def __init__(self, path: Path, session: Any) -> None:
        super().__init__()
        self.path = path
        self._session = session
        names = [one.name for one in session.get_inputs()]
        self._waveforms, self._lengths = names[0], (names[1:] or [None])[0]
        self.takes_lengths = self._lengths is not None

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The graph's first output."""
        if waveforms.device.type != "cpu":
            raise ExternalDetectorError(f"{self.path} is run by ONNX Runtime on the CPU only")
        given = {self._waveforms: waveforms.float().contiguous().numpy()}
        if self._lengths is not None:
            if lengths is None:
                lengths = torch.full((len(waveforms),), waveforms.shape[1])
            given[self._lengths] = lengths.to(torch.int64).numpy()
        return torch.from_numpy(self._session.run(None, given)[0])


def _onnx(path: Path) -> tuple[nn.Module, dict[str, Any]]:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise CheckpointError(f"{path} needs ONNX Runtime: pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors; its warnings are about how it was exported
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # of a dozen kinds of its own
        line = " ".join(str(error).split())
        raise CheckpointError(f"{path} cannot be read by ONNX Runtime: {line}") from error
    inputs = session.get_inputs()
    told = ", ".join(f"{one.name} {one.type} {one.shape}" for one in inputs)
    is_known = (
        1 <= len(inputs) <= 2
        and inputs[0].type == FLOAT
        and len(inputs[0].shape) == 2
        and (len(inputs) == 1 or (inputs[1].type == "tensor(int64)" and len(inputs[1].shape) == 1))
    )
    if not is_known:
        raise CheckpointError(
            f"{path} takes {told}, but a detector's graph takes waveforms (batch, samples) as "
            "float, and lengths (batch) as int64 if any"
        )
    samples = inputs[0].shape[1]
    return OnnxModule(path, session), {"num_samples": samples if isinstance(samples, int) else None}


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
        self.takes_lengths = takes_lengths

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Its only output."""
        given = (waveforms,) if not self.takes_lengths else (waveforms, lengths)
        output: Tensor = self.program(*given)
        return output

    def train(self, mode: bool = True) -> _Exported:
        """Nothing: an exported program refuses to be asked."""
        return self


def _require_plain(path: Path) -> None:
    """Refuse an archive with anything that torch would unpickle without a limit, or link.

    Raises:
        CheckpointError: it has such objects, or is no archive of torch.export.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            # Of the folder in which torch puts everything, named after the file.
            members = {name.partition("/")[2]: name for name in archive.namelist()}
            strange = [name for name in members if not _PLAIN.fullmatch(name)]
            is_plain = not strange and all(name in members for name in _CONFIGS)
            for name in _CONFIGS if is_plain else ():
                entries = json.loads(archive.read(members[name]))["config"].values()
                is_plain &= all(entry["use_pickle"] is False for entry in entries)
            if is_plain and _SAMPLES in members:
                torch.load(io.BytesIO(archive.read(members[_SAMPLES])), weights_only=True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path} is no archive of torch.export: {error}") from error
    except pickle.UnpicklingError:
        is_plain = False
    if not is_plain:
        more = f" ({shown(strange[0])})" if strange else ""
        raise CheckpointError(
            f"{path} holds more than a graph and plain tensors{more}, which could run any code: "
            "export it again, by torch 2.9 or later and without objects of your own"
        )
