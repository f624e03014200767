"""The recurrence of `fakemamba.models.scan.traced` as ONNX's ``Scan``, which goes step by step.

Of what was tried engines run it fastest: the chunks of the scan in torch, as ONNX operators, take
several times as long.
"""

from __future__ import annotations

from onnx import NodeProto, TensorProto, ValueInfoProto, helper

STATES, INPUTS = ("state", "decays"), ("step", "drive", "b", "c")


def scanned(node: NodeProto) -> NodeProto:
    """The node that computes one for the recurrence."""
    add = helper.make_node
    # OpenVINO wants all that a step uses among its inputs: decays are handed on as a state.
    body = helper.make_graph(
        [
            add("Mul", ["step", "decays"], ["log_decay"]),
            add("Exp", ["log_decay"], ["decay"]),
            add("Mul", ["decay", "state"], ["kept"]),
            add("Mul", ["drive", "b"], ["driven"]),
            add("Add", ["kept", "driven"], ["next_state"]),
            add("MatMul", ["next_state", "c"], ["output"]),
            add("Identity", ["decays"], ["next_decays"]),
        ],
        f"{node.name}_step",
        [_value(name) for name in (*STATES, *INPUTS)],
        [_value(name) for name in ("next_state", "next_decays", "output")],
    )
    (output,) = node.output
    outputs = [f"{output}_last", f"{output}_decays", output]
    inputs = len(INPUTS)
    return add("Scan", node.input, outputs, node.name, body=body, num_scan_inputs=inputs)


def _value(name: str) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
