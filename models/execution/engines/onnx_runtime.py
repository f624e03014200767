"""ONNX Runtime: fp32, and int8 whose activations are quantised frame by frame as they come."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import torch
from torch import Tensor

from fakemamba.models.execution.engines.engine import GRAPH_NAME, Engine, Run


class OnnxRuntime(Engine):
    """Runs the graph as it is; in int8 its linear layers are already."""

    name, title, model_name = "onnxruntime", "ONNX Runtime", GRAPH_NAME
    precisions = ("fp32", "int8")
    dynamic = ("int8",)

    def packages(self, precision: str) -> tuple[str, ...]:
        """See `Engine`."""
        return ("onnxruntime", "onnx")

    def convert(
        self, folder: Path, precision: str, examples: Tensor | None, kept: Collection[str] = ()
    ) -> None:
        """Nothing: it optimizes the graph when it loads it."""

    def open(self, folder: Path, precision: str, threads: int) -> Run:
        """See `Engine`."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3  # errors
        session = onnxruntime.InferenceSession(
            str(folder / GRAPH_NAME), options, providers=["CPUExecutionProvider"]
        )

        def run(waveforms: Tensor, lengths: Tensor) -> list[Tensor]:
            given = {"waveforms": waveforms.numpy(), "lengths": lengths.numpy()}
            return [torch.from_numpy(one) for one in session.run(None, given)]

        return run
