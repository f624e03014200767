"""An ONNX graph, put together node by node; its weights lie in one file beside it.

So the graph is small, whatever the model, and memory-mapped weights are not copied.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, compose, helper, numpy_helper
from torch import Tensor

from fakemamba.models.execution.engines.engine import GRAPH_NAME, GROUP, PART, WEIGHTS_NAME
from fakemamba.models.execution.engines.onnx_scan import scanned
from fakemamba.models.scan.traced import RECURRENCE

OPSET = 20  # the first with Gelu
IR_VERSION = 10  # of that time, so that engines of that time read it
MOST_INLINE_BYTES = 1_024  # of a tensor of another model in the graph itself
ALIGNMENT = 4_096  # of weights in their file: that of pages
# Products of pairs of bytes are summed in 16 bits where a CPU has no VNNI: with weights of 7 bits
# these sums cannot overflow, and integers are the same everywhere.
MOST_WEIGHT = 64
LEAST_SCALE = 1e-12


class OnnxGraph:
    """A graph under construction. A value is known by its name.

    Args:
        folder: where its two files are written.
        int8: whether linear layers multiply in int8, activations being quantised as they come.
        kept: groups in which they do not.
    """

    def __init__(self, folder: Path, *, int8: bool = False, kept: Collection[str] = ()) -> None:
        self._folder, self._int8, self._kept = folder, int8, kept
        self._group: str | None = None
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[TensorProto] = []
        self._weights = (folder / WEIGHTS_NAME).open("wb")

    def __enter__(self) -> OnnxGraph:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._weights.close()

    @contextmanager
    def group(self, name: str) -> Iterator[None]:
        """A block whose nodes belong to a group, with whose name theirs begin."""
        self._group = name
        try:
            yield
        finally:
            self._group = None

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """The only output of an operator."""
        return self.nodes(kind, *inputs, count=1, **attributes)[0]

    def nodes(self, kind: str, *inputs: str, count: int, **attributes: Any) -> list[str]:
        """The outputs of an operator."""
        name = f"{kind}_{len(self._nodes)}"
        if self._group is not None:
            name = f"{GROUP}{self._group}_{name}"
        names = [f"{name}_{output}" for output in range(count)]
        self._nodes.append(helper.make_node(kind, list(inputs), names, name, **attributes))
        return names

    def constant(self, value: Any, kind: type = np.int64) -> str:
        """A few numbers, in the graph itself."""
        name = f"constant_{len(self._initializers)}"
        self._initializers.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def weight(self, tensor: Tensor) -> str:
        """A tensor in the file of weights."""
        content = tensor.detach().cpu().contiguous().numpy()
        self._weights.write(bytes(-self._weights.tell() % ALIGNMENT))
        name = f"weight_{len(self._initializers)}"
        made = TensorProto(
            name=name,
            data_type=helper.np_dtype_to_tensor_dtype(content.dtype),
            dims=content.shape,
            data_location=TensorProto.EXTERNAL,
        )
        place = (
            ("location", WEIGHTS_NAME),
            ("offset", self._weights.tell()),
            ("length", content.nbytes),
        )
        for key, value in place:
            made.external_data.add(key=key, value=str(value))
        self._weights.write(content.data)
        self._initializers.append(made)
        return name

    def linear(self, given: str, weight: Tensor, bias: Tensor) -> str:
        """(..., in) to (..., out), by a weight (out, in) and a bias (out,)."""
        weight = weight.detach().float()
        if not self._int8 or self._group in self._kept:
            product = self.node("MatMul", given, self.weight(weight.T))
            return self.node("Add", product, self.weight(bias.float()))
        scales = weight.abs().amax(1).clamp(min=LEAST_SCALE) / MOST_WEIGHT  # (out,)
        whole = (weight / scales[:, None]).round().to(torch.int8)
        last = self.constant([-1])
        # Of each frame (..., 1): it depends on no other frame, and on no padding.
        least = self.node("ReduceMin", given, last, keepdims=1)
        span = self.node("Sub", self.node("ReduceMax", given, last, keepdims=1), least)
        scale = self.node("Mul", span, self.constant(1 / 255, np.float32))
        scale = self.node("Max", scale, self.constant(LEAST_SCALE, np.float32))
        steps = self.node("Div", self.node("Sub", given, least), scale)
        quantised = self.node("Cast", self.node("Round", steps), to=TensorProto.UINT8)
        summed = self.node("MatMulInteger", quantised, self.weight(whole.T))
        product = self.node(
            "Mul",
            self.node("Cast", summed, to=TensorProto.FLOAT),
            self.node("Mul", scale, self.weight(scales)),
        )
        # given = least + scale · quantised
        offset = self.node("Mul", least, self.weight((whole.float() * scales[:, None]).sum(1)))
        return self.node("Add", self.node("Add", product, offset), self.weight(bias.float()))

    def include(self, model: onnx.ModelProto, *inputs: str) -> list[str]:
        """Another model as a part of this graph; returns its outputs.

        Args:
            model: of torch's exporter.
            inputs: what is given to it, in the order of its inputs.
        """
        prefix = f"{PART}{len(self._nodes)}_"
        part = compose.add_prefix(model, prefix).graph
        names = {one.name: value for one, value in zip(part.input, inputs, strict=True)}
        for tensor in part.initializer:
            content = numpy_helper.to_array(tensor)
            if content.nbytes > MOST_INLINE_BYTES:
                names[tensor.name] = self.weight(torch.from_numpy(content.copy()))
            else:
                self._initializers.append(tensor)
        for node in part.node:
            node.input[:] = [names.get(one, one) for one in node.input]
            is_recurrence = f"{node.domain}::{node.op_type}" == RECURRENCE
            self._nodes.append(scanned(node) if is_recurrence else node)
        return [names.get(one.name, one.name) for one in part.output]

    def write(self, **outputs: str) -> None:
        """Write the graph from waveforms (B, L) and lengths (B,) to outputs of these names."""
        graph = helper.make_graph(
            [
                *self._nodes,
                *(helper.make_node("Identity", [one], [name]) for name, one in outputs.items()),
            ],
            "detector",
            [
                helper.make_tensor_value_info("waveforms", TensorProto.FLOAT, ["batch", "samples"]),
                helper.make_tensor_value_info("lengths", TensorProto.INT64, ["batch"]),
            ],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            self._initializers,
        )
        opset = helper.make_opsetid("", OPSET)
        made = helper.make_model(graph, ir_version=IR_VERSION, opset_imports=[opset])
        (self._folder / GRAPH_NAME).write_bytes(made.SerializeToString())
