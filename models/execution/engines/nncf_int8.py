"""A graph to OpenVINO's model in int8, by NNCF: a program that imports these and numpy, no more.

Single calls of it last for minutes and heed no signal, so that it is a process that can be ended.
It is started by its path, with what to read, what to write, examples, and patterns of nodes' names.
"""

import logging
import os
import sys


def main(graph: str, out: str, examples: str, *in_fp32: str) -> None:
    """Write the model that a graph is in int8, but for nodes whose names match a pattern.

    Args:
        graph: the file of an ONNX graph of waveforms and lengths.
        out: the file of the model.
        examples: an .npy of waveforms (n, samples), which show the ranges of activations.
        in_fp32: regular expressions of names.
    """
    os.environ.setdefault("NNCF_CI", "1")  # it would tell its makers of its use
    import nncf
    import numpy as np
    import openvino

    logging.getLogger("nncf").setLevel(logging.ERROR)
    model = openvino.Core().read_model(graph)
    given = [
        {"waveforms": row[None], "lengths": np.array([len(row)], np.int64)}
        for row in np.load(examples)
    ]
    first = next(one for one in model.get_ordered_ops() if "Convolution" in one.get_type_name())
    smoothing = nncf.AdvancedSmoothQuantParameters(matmul=0.5)  # by default half as exact here
    quantised = nncf.quantize(
        model,
        nncf.Dataset(given),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(given),
        # The first is given the waveform, whose quiet parts 8 bits would silence.
        ignored_scope=nncf.IgnoredScope(
            names=[first.get_friendly_name()], patterns=list(in_fp32), validate=False
        ),
        advanced_parameters=nncf.AdvancedQuantizationParameters(smooth_quant_alphas=smoothing),
    )
    openvino.save_model(quantised, out, compress_to_fp16=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
