"""Measure the parts of a detector from Python: latency with its interval, and peak memory.

``python examples/measure_a_detector.py [DETECTOR FRONTEND]``: ``xlsr-conformer xls-r-300m``, say.
``pytest bench/`` does the same, with options, a journal, a JSON and a page.
"""

import sys

import torch

from fakemamba.bench.cells import PARTS, Cell
from fakemamba.bench.instruments.rounds import Effort
from fakemamba.bench.method import Method
from fakemamba.bench.sweep.runner import SweepRunner
from fakemamba.models.scan import resolve_backend

detector, frontend = sys.argv[1:] or ("fake-mamba-s", "xls-r-tiny")
scan = resolve_backend("auto", torch.device("cpu"))
cells = [Cell(detector, frontend, part, duration_s=2.0, backend=scan) for part in PARTS]

# In passes: each visits all cells once, a few timed calls each, so that drift meets them alike.
runner = SweepRunner(Method(Effort(time_s=0.2), instruments=("memory",)))
runner.run(cells)

for cell in cells:
    found = runner.known[cell.id].to_json()
    if found["status"] != "measured":
        print(f"{cell.part}: {found['status']}: {found['reason']}")
        continue
    latency, low, high = (1e3 * found[f"latency_{end}s"] for end in ("", "low_", "high_"))
    print(
        f"{cell.part}: {latency:.2f} ms ({low:.2f} to {high:.2f}), real-time factor "
        f"{found['rtf']:.4f}, {found['peak_bytes'] / 1e6:.1f} MB, {len(found['visits'])} visits"
    )
