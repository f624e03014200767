"""OpenVINO: fp32, bf16 where the CPU multiplies in it, and int8 with ranges found by NNCF."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fakemamba.models.execution.engines.engine import (
    GRAPH_NAME,
    GROUP,
    PART,
    WEIGHTS_NAME,
    Engine,
    Run,
)
from fakemamba.models.execution.errors import UnsupportedSettingError

MODEL_NAME = "model.xml"
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
        import openvino

        model = openvino.Core().read_model(folder / GRAPH_NAME)
        if precision == "int8":
            model = _quantised(model, examples, kept)
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


def _quantised(model: Any, examples: Tensor | None, kept: Collection[str]) -> Any:
    """The model in int8 but for groups of it, by ranges that examples (n, samples) show."""
    if examples is None:
        raise UnsupportedSettingError(
            "int8 of OpenVINO takes ranges of activations from speech: give examples of it"
        )
    os.environ.setdefault("NNCF_CI", "1")  # it would tell its makers of its use
    import nncf

    logging.getLogger("nncf").setLevel(logging.ERROR)
    given = [
        {"waveforms": row[None].numpy(), "lengths": torch.tensor([row.numel()]).numpy()}
        for row in examples
    ]
    first = next(one for one in model.get_ordered_ops() if "Convolution" in one.get_type_name())
    smoothing = nncf.AdvancedSmoothQuantParameters(matmul=0.5)  # by default half as exact here
    with redirect_stdout(StringIO()):  # of bars that show progress
        return nncf.quantize(
            model,
            nncf.Dataset(given),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(given),
            # The first is given the waveform, whose quiet parts 8 bits would silence.
            ignored_scope=nncf.IgnoredScope(
                names=[first.get_friendly_name()],
                patterns=[f"{one}.*" for one in (PART, *(f"{GROUP}{name}_" for name in kept))],
                validate=False,
            ),
            advanced_parameters=nncf.AdvancedQuantizationParameters(smooth_quant_alphas=smoothing),
        )
