"""Run a model alone and time it: a program that imports the model's engine and numpy, no more.

It is started by its path, so that nothing of this package is imported but what the engine `torch`
needs to make the detector: what its process takes is what the model takes. It loads the model, says
so in a line of JSON, waits for a line, and answers with one of figures.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[[Any, Any], float]  # a waveform (1, samples) and its length (1,) to a score


def main() -> None:
    """Load, wait to be told to go on, time calls, tell."""
    parser = argparse.ArgumentParser()
    parser.add_argument("engine", choices=OPENED)
    parser.add_argument("model")
    parser.add_argument("waveform")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--least-calls", type=int, required=True)
    given = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))[: given.threads]
        os.sched_setaffinity(0, cores)  # before an engine counts them
    import numpy as np

    waveform = np.load(given.waveform)[None]
    lengths = np.array([waveform.shape[1]])
    began_s = time.perf_counter()
    run = OPENED[given.engine](given)
    loaded_s = time.perf_counter() - began_s
    began_s = time.perf_counter()
    score = run(waveform, lengths)
    first_call_s = time.perf_counter() - began_s
    _tell({"loaded_s": loaded_s, "first_call_s": first_call_s})
    sys.stdin.readline()
    calls_s: list[float] = []
    ends_s = time.perf_counter() + given.seconds
    while len(calls_s) < given.least_calls or time.perf_counter() < ends_s:
        began_s = time.perf_counter()
        run(waveform, lengths)
        calls_s.append(time.perf_counter() - began_s)
    _tell({"calls_s": calls_s, "score": score, "peak_bytes": _peak_bytes()})


def _tell(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


def _peak_bytes() -> int:
    """The most memory of this program; ``ru_maxrss`` would be that of whoever started it, too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def _onnxruntime(given: Any) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = given.threads, 1
    session = onnxruntime.InferenceSession(given.model, options, ["CPUExecutionProvider"])

    def run(waveforms: Any, lengths: Any) -> float:
        return float(session.run(["scores"], {"waveforms": waveforms, "lengths": lengths})[0][0])

    return run


def _openvino(given: Any) -> Run:
    import openvino

    hints = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}
    settings = {
        "INFERENCE_NUM_THREADS": given.threads,
        "INFERENCE_PRECISION_HINT": hints[given.precision],
        "PERFORMANCE_HINT": "LATENCY",
    }
    model = openvino.Core().compile_model(given.model, "CPU", settings)

    def run(waveforms: Any, lengths: Any) -> float:
        return float(model({"waveforms": waveforms, "lengths": lengths})["scores"][0])

    return run


def _torch(given: Any) -> Run:
    import torch

    torch.set_num_threads(given.threads)
    from fakemamba.models.execution.modes import quantised, running_in
    from fakemamba.models.loading import load_detector

    detector: Any = load_detector(Path(given.model))
    if given.precision == "int8":
        detector = quantised(detector)
    precision = "fp32" if given.precision == "int8" else given.precision
    device = torch.device("cpu")

    def run(waveforms: Any, lengths: Any) -> float:
        del lengths  # a row is full
        with torch.inference_mode():
            autocast = running_in(device, precision, "sdpa")
            logits = detector.logits_in(autocast, torch.from_numpy(waveforms))
            return detector.scores(logits).item()

    return run


OPENED = {"torch": _torch, "onnxruntime": _onnxruntime, "openvino": _openvino}

if __name__ == "__main__":
    main()
