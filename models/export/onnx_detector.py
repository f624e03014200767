"""A whole detector as an ONNX graph: its network operator by operator, the rest as torch traced it.

Both are exact for rows of any length in a batch, as the detector is.
"""

from __future__ import annotations

import onnx
import torch
from torch import Tensor, nn

from fakemamba.models.detector import Detector
from fakemamba.models.execution.engines.network import build
from fakemamba.models.execution.engines.onnx_graph import OPSET, OnnxGraph
from fakemamba.models.export.parts import (
    ANY,
    ANY_ROWS,
    ENCODER,
    AfterNetwork,
    BeforeNetwork,
    example,
    names_of_states,
    without_talk,
)


class OnnxParts:
    """What torch traces of a detector, once, to be put into any number of graphs.

    Args:
        detector: in evaluation mode, on the CPU.
    """

    def __init__(self, detector: Detector) -> None:
        self._frontend = detector.frontend
        given = example()
        before = BeforeNetwork(detector)
        self._before = None if before.is_identity else traced(before, given, ANY_ROWS)
        with torch.no_grad():
            features, _ = detector.frontend(*detector.prepared(**given))
        time = {} if detector.fixed_samples is not None else {features.ndim - 2: ANY}
        self._after = traced(
            AfterNetwork(detector),
            {"features": features, **given},
            {"features": {0: ANY, **time}, **ANY_ROWS},
        )

    def put_into(self, graph: OnnxGraph) -> tuple[dict[str, str], dict[str, str]]:
        """Put the detector into a graph, of waveforms (B, L) and lengths (B,).

        Returns:
            Its outputs by name, scores (B,) and logits (B, 2) with spoof in front, and what is on
            the way to them, as `fakemamba.models.export.parts.on_the_way` names it.
        """
        inputs = ["waveforms", "lengths"]
        given = inputs if self._before is None else graph.include(self._before, *inputs)
        built = build(graph, self._frontend, *given)
        scores, logits, *encoded = graph.include(self._after, built.features, *inputs)
        told = dict(zip(names_of_states(len(built.states)), built.states, strict=True))
        told |= dict(zip([ENCODER], encoded, strict=False))
        return {"scores": scores, "logits": logits}, told


def traced(
    module: nn.Module, given: dict[str, Tensor], any_size: dict[str, dict[int, object]]
) -> onnx.ModelProto:
    """A module as an ONNX graph, traced with inputs whose dims ``any_size`` may be of any size."""
    with without_talk():
        program = torch.export.export(
            module.eval(), (), given, dynamic_shapes=any_size, strict=False
        )
        made = torch.onnx.export(program, dynamo=True, opset_version=OPSET, verbose=False)
    assert made is not None
    return made.model_proto
