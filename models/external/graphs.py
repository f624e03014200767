"""Detectors as graphs that an engine runs on the CPU: ``.onnx`` of ONNX, ``.xml`` of OpenVINO.

Nothing in such a file is executed but its operators.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fakemamba.models.external.names import ExternalDetectorError
from fakemamba.models.weight_files import CheckpointError
from fakemamba.typed import install_command

Array = np.ndarray[Any, Any]
FLOATS, INTEGERS = ("tensor(float)", "f32"), ("tensor(int64)", "i64")  # as the engines call them


class GraphModule(nn.Module):
    """A graph of waveforms (B, L), and lengths (B,) if it takes them.

    Args:
        path: its file.
        engine: what runs it, for people.
        run: from the inputs, in their order, to the first output.
        takes_lengths: whether it does.
    """

    def __init__(
        self, path: Path, engine: str, run: Callable[[list[Array]], Array], *, takes_lengths: bool
    ) -> None:
        super().__init__()
        self.path, self.engine, self._run = path, engine, run
        self.lengths = "needed" if takes_lengths else "none"

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The graph's first output."""
        if waveforms.device.type != "cpu":
            raise ExternalDetectorError(f"{self.path} is run by {self.engine} on the CPU only")
        given = [waveforms.float().contiguous().numpy()]
        if self.lengths == "needed" and lengths is not None:
            given.append(lengths.to(torch.int64).numpy())
        return torch.from_numpy(self._run(given))


def read_onnx(path: Path) -> tuple[GraphModule, dict[str, Any]]:
    """A graph for ONNX Runtime, and what it says of its input.

    Raises:
        CheckpointError: it is no such graph, or ONNX Runtime is not installed.
    """
    engine = "ONNX Runtime"
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise _needs(path, engine, "onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors; its warnings are about how it was exported
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # of a dozen kinds of its own
        raise _unreadable(path, engine, error) from error
    names = [one.name for one in session.get_inputs()]
    said = _said(path, [(one.name, one.type, one.shape) for one in session.get_inputs()])

    def run(given: list[Array]) -> Array:
        first: Array = session.run(None, dict(zip(names, given, strict=True)))[0]
        return first

    return GraphModule(path, engine, run, takes_lengths=len(names) == 2), said


def read_openvino(path: Path) -> tuple[GraphModule, dict[str, Any]]:
    """A graph for OpenVINO, and what it says of its input.

    Raises:
        CheckpointError: it is no such graph, or OpenVINO is not installed.
    """
    engine = "OpenVINO"
    try:
        import openvino
    except ModuleNotFoundError as error:
        raise _needs(path, engine, "openvino") from error
    settings = {
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "INFERENCE_PRECISION_HINT": "f32",  # else bf16 where the CPU has it
    }
    try:
        core = openvino.Core()
        model = core.compile_model(core.read_model(path), "CPU", settings)
    except Exception as error:  # of a dozen kinds of its own
        raise _unreadable(path, engine, error) from error
    said = _said(
        path,
        [
            (
                one.any_name,
                one.element_type.get_type_name(),
                [dim.get_length() if dim.is_static else "any" for dim in one.partial_shape],
            )
            for one in model.inputs
        ],
    )

    def run(given: list[Array]) -> Array:
        first: Array = model(given)[0]
        return first

    return GraphModule(path, engine, run, takes_lengths=len(model.inputs) == 2), said


def weights_beside(path: Path) -> list[Path]:
    """The files beside a graph that hold its weights; none for anything else."""
    if path.suffix == ".xml":
        return [path.with_suffix(".bin")]
    if path.suffix != ".onnx" or find_spec("onnx") is None:
        return []
    import onnx

    try:
        graph = onnx.load(path, load_external_data=False).graph
    except Exception:  # what it is not is told by whoever runs it
        return []
    entries = (one for tensor in graph.initializer for one in tensor.external_data)
    return [
        path.parent / name for name in sorted({e.value for e in entries if e.key == "location"})
    ]


def _said(path: Path, inputs: Sequence[tuple[str, str, Sequence[Any]]]) -> dict[str, Any]:
    """What inputs, their names, types and shapes, say that a detector has to be given."""
    is_known = (
        1 <= len(inputs) <= 2
        and inputs[0][1] in FLOATS
        and len(inputs[0][2]) == 2
        and (len(inputs) == 1 or (inputs[1][1] in INTEGERS and len(inputs[1][2]) == 1))
    )
    if not is_known:
        told = ", ".join(f"{name} {kind} {shape}" for name, kind, shape in inputs)
        raise CheckpointError(
            f"{path} takes {told}, but a detector's graph takes waveforms (batch, samples) as "
            "float, and lengths (batch) as int64 if any"
        )
    samples = inputs[0][2][1]
    return {"num_samples": samples if isinstance(samples, int) else None}


def _needs(path: Path, engine: str, extra: str) -> CheckpointError:
    return CheckpointError(f"{path} needs {engine}: {install_command(extra)}")


def _unreadable(path: Path, engine: str, error: Exception) -> CheckpointError:
    return CheckpointError(f"{path} cannot be read by {engine}: {' '.join(str(error).split())}")
