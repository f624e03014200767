"""OpenVINO: fp32, bf16 where the CPU multiplies in it, and int8 with ranges found by NNCF."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from fakemamba.interrupts import child
from fakemamba.models.execution.engines import nncf_int8
from fakemamba.models.execution.engines.engine import (
    GRAPH_NAME,
    GROUP,
    PART,
    WEIGHTS_NAME,
    Engine,
    Run,
)
from fakemamba.models.execution.errors import UnsupportedSettingError
from fakemamba.names import one_line

MODEL_NAME = "model.xml"
QUANTISER = Path(nncf_int8.__file__)
PRECISION_HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}  # int8: of all that is not


class OpenVino(Engine):
    """Runs the graph in its own form; in int8, what NNCF makes of it."""

    name, title, model_name = "openvino", "OpenVINO", MODEL_NAME
    precisions = ("fp32", "bf16", "int8")
    calibrated = ("int8",)

    def packages(self, precision: str) -> tuple[str, ...]:
        """See `Engine`."""
        return ("openvino", "onnx", *(("nncf",) if precision == "int8" else ()))

    def lacking(self, precision: str) -> str | None:
        """See `Engine`."""
        import openvino

        can = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "bf16" and "BF16" not in can:
            return "OpenVINO has no bf16 on this CPU, which does not multiply in it: use fp32 there"
        return None

    def convert(
        self, folder: Path, precision: str, examples: Tensor | None, kept: Collection[str] = ()
    ) -> None:
        """See `Engine`."""
        if precision == "int8":
            _quantise(folder, examples, kept)
        else:
            import openvino

            model = openvino.Core().read_model(folder / GRAPH_NAME)
            openvino.save_model(model, folder / MODEL_NAME, compress_to_fp16=False)
            del model  # which holds the weights' file
        for name in (GRAPH_NAME, WEIGHTS_NAME):
            (folder / name).unlink()

    def open(self, folder: Path, precision: str, threads: int) -> Run:
        """See `Engine`."""
        import openvino

        core = openvino.Core()
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": PRECISION_HINTS[precision],
            "PERFORMANCE_HINT": "LATENCY",
        }
        compiled = core.compile_model(core.read_model(folder / MODEL_NAME), "CPU", settings)

        def run(waveforms: Tensor, lengths: Tensor) -> list[Tensor]:
            given = {"waveforms": waveforms.numpy(), "lengths": lengths.numpy()}
            found = compiled(given, share_inputs=True)
            return [torch.from_numpy(found[one]) for one in compiled.outputs]

        return run


def _quantise(folder: Path, examples: Tensor | None, kept: Collection[str]) -> None:
    """Write the model that a graph is in int8, but for groups of it, in a process of its own.

    Raises:
        UnsupportedSettingError: there are no examples, or the process ended without a model.
    """
    if examples is None:
        raise UnsupportedSettingError(
            "int8 of OpenVINO takes ranges of activations from speech: give examples of it"
        )
    patterns = [f"{one}.*" for one in (PART, *(f"{GROUP}{name}_" for name in kept))]
    with TemporaryDirectory() as place:
        given = Path(place) / "examples.npy"
        np.save(given, examples.numpy())
        files = (folder / GRAPH_NAME, folder / MODEL_NAME, given)
        with child(
            [sys.executable, "-P", str(QUANTISER), *map(str, files), *patterns],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, map(str, sys.path)))},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # of bars that show progress
            stderr=subprocess.PIPE,
        ) as process:
            said = process.communicate()[1]
    if process.returncode != 0:
        last = one_line((said.strip().splitlines() or ["it said nothing"])[-1])
        raise UnsupportedSettingError(
            f"NNCF made no int8 of the model, but ended with status {process.returncode}: {last}"
        )
