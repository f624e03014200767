"""Results with known growth, as a benchmark would have written them."""

import copy
import json

import numpy as np
import pytest

from fakemamba.result_schema import SCHEMA, WITH_VISITS
from fakemamba.visits import interval, percentiles

DURATIONS_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
GROWTH = {  # latencies in s at a duration in s
    "front-end": lambda duration_s: 0.02 + 0.01 * duration_s,
    "encoder": {
        "straight": lambda duration_s: 0.004 + 0.002 * duration_s,
        "bent": lambda duration_s: 0.002 + 0.0005 * duration_s + 0.0002 * duration_s**2,
    },
}


def entry(rng, detector, part, duration_s, latency_s, status="measured", reason=None, hop_s=None):
    """One entry of ``benchmarks``; ``latency_s`` is None where the cell has no time."""
    cell = {"detector": detector, "frontend": "xls-r-tiny", "part": part, "duration_s": duration_s}
    cell |= {"batch_size": 1, "precision": "fp32", "backend": "cpu", "execution": "eager"}
    cell |= {"device": "cpu", "attention": "sdpa", "clock": "latency", "hop_s": hop_s}
    length = f"{duration_s:g}s" + ("" if hop_s is None else f"-every-{hop_s:g}s")
    cell_id = f"{detector}-xls-r-tiny-{part}-{length}-b1-fp32-cpu-eager-sdpa-latency"
    info = {"cell": cell, "cell_id": cell_id, "input": "speech-like", "recording": None}
    info |= {"status": status, "reason": reason}
    node = f"bench/bench_detectors.py::bench_detector[{cell_id}]"
    if latency_s is None:
        return {"extra_info": info, "stats": {}, "fullname": f"{node} ({status})"}
    samples_s = latency_s * np.exp(rng.normal(0, 0.005, 9))
    median_s = float(np.median(samples_s))
    info["latency_s"] = median_s
    info["latency_low_s"], info["latency_high_s"] = map(float, interval(samples_s.tolist()))
    info["visits"] = [
        {"pass": number, "rounds_s": [0.99 * figure_s, figure_s, 1.01 * figure_s]}
        | {"disturbed_by": []}
        for number, figure_s in enumerate(samples_s.tolist())
    ]
    if hop_s is None:
        info["rtf"] = median_s / duration_s
    else:
        info["cost_s_per_s"] = median_s / hop_s
        info |= percentiles([one_s for visit in info["visits"] for one_s in visit["rounds_s"]])
    info |= {"peak_bytes": int(1e6 + 1e5 * duration_s), "activation_bytes": None}
    info |= {"flops": int(1e9 * duration_s), "bytes_moved": int(1e8 * duration_s)}
    info |= {"flop_coverage": 1.0, "copy_bytes_per_s": 1e11, "matmul_flops_per_s": 1e13}
    info |= {"net_energy_j_per_audio_s": 2.0, "energy": {"net_energy_j": 2.0 * duration_s}}
    stats = {"min": samples_s.min(), "max": samples_s.max(), "median": median_s, "rounds": 9}
    stats |= {"iqr": 0.01 * latency_s, "data": samples_s.tolist()}
    return {"extra_info": info, "stats": stats, "fullname": node}


def in_schema(content, schema):
    """A result as it was in an older schema: without hops, and before schema 3 without visits."""
    content = copy.deepcopy(content)
    content["fakemamba"]["schema"] = schema
    for one in content["benchmarks"]:
        one["extra_info"]["cell"].pop("hop_s", None)
    if schema < WITH_VISITS:
        content["fakemamba"].pop("work", None)
        for one in content["benchmarks"]:
            one["extra_info"].pop("visits", None)
    return content


def work_of(detector, part, curve):
    """A record of the block ``work``: FLOPs that grow as the latency does."""
    durations_s = [0.5 * 2**octave for octave in range(11)]
    flops = [round(1e12 * curve(duration_s)) for duration_s in durations_s]
    record = {"detector": detector, "frontend": "xls-r-tiny", "part": part, "batch_size": 1}
    record |= {"durations_s": durations_s, "flops": flops, "reason": None}
    return record | {"bytes_moved": [one // 10 for one in flops]}


@pytest.fixture(scope="session")
def write_growth():
    """Write a result of two detectors: the first's encoder is linear, the second's quadratic."""

    def write(path, names=("straight", "bent"), extra=(), environment=None, schema=SCHEMA):
        rng = np.random.default_rng(0)
        entries = []
        for name, curve in zip(names, GROWTH["encoder"].values(), strict=True):
            for duration_s in DURATIONS_S:
                front, encoder = GROWTH["front-end"](duration_s), curve(duration_s)
                latencies = (("front-end", front), ("encoder", encoder))
                for part, latency_s in (*latencies, ("end-to-end", front + encoder)):
                    entries.append(entry(rng, name, part, duration_s, latency_s))
        reason = "MemoryError: <b>128</b> s is too long"
        entries.append(entry(rng, names[1], "encoder", 128.0, None, "out-of-memory", reason))
        effort = {"min_rounds": 3, "time_s": 0.25}
        method = {"effort": effort, "instruments": ["memory", "work"], "flush_cache": False}
        options = {"profile": "smoke", "device": "cpu", "detectors": ["a b", "c"], "method": method}
        options["commands"] = [["bench/", "--bench-detectors", "a b,c", "-k", "not bent"]]
        git = {"commit": "0123456789abcdef", "dirty": True, "reason": None}
        device = {"device": "CPU: Test, 2 threads", "git": git}
        block = {"schema": SCHEMA, "options": options, "identity": {"schema": SCHEMA}}
        block["environment"] = device | (environment or {})
        block["work"] = [
            work_of(name, "encoder", curve)
            for name, curve in zip(names, GROWTH["encoder"].values(), strict=True)
        ]
        content = {"datetime": "2026-01-01T00:00:00", "fakemamba": block}
        content["benchmarks"] = [*entries, *extra]
        path.write_text(json.dumps(content if schema == SCHEMA else in_schema(content, schema)))
        return path

    return write


@pytest.fixture(scope="session")
def write_streams(write_growth):
    """Write a result of ``straight``'s stream in windows of 4 s every second, and of ``bent``'s.

    With kept convolutions the former takes 0.16 s in place of 0.2 s; of the latter none can be.
    """

    def write(path, seed=1):
        rng = np.random.default_rng(seed)
        reason = "frames of windows cannot be kept: waveforms are normalised"
        return write_growth(
            path,
            extra=[
                entry(rng, "straight", "stream", 4.0, 0.2, hop_s=1.0),
                entry(rng, "straight", "stream-cached", 4.0, 0.16, hop_s=1.0),
                entry(rng, "straight", "stream", 4.0, 0.2, hop_s=0.5),
                entry(rng, "bent", "stream", 4.0, 0.3, hop_s=1.0),
                entry(rng, "bent", "stream-cached", 4.0, None, "unsupported", reason, hop_s=1.0),
            ],
        )

    return write


@pytest.fixture
def figures(monkeypatch):
    """The figures that were closed, still to be looked at."""
    import matplotlib.pyplot as plt

    kept, close = [], plt.close
    monkeypatch.setattr(plt, "close", kept.append)
    yield kept
    close("all")


@pytest.fixture
def small_files(monkeypatch):
    """Files of few points are written faster; figures stay as large as they are."""
    monkeypatch.setattr("fakemamba.analysis.pictures.figures.DPI", 20)
