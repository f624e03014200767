"""Time, memory and energy of a model in a process of its own, which `runner` is."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from fakemamba.bench.instruments.energy_meters import EnergyUnavailableError, open_meter
from fakemamba.interrupts import child

RUNNER = Path(__file__).with_name("runner.py")
LEAST_CALLS = 5
LONGEST_REASON = 300


class RunAloneError(RuntimeError):
    """A model did not run in a process of its own; the message is what that said last."""


@dataclass(frozen=True)
class Alone:
    """What a model costs alone, at batch 1.

    Attributes:
        loaded_s: seconds to load and compile it.
        first_call_s: of the first call, which may compile, too.
        calls_s: of the calls after it.
        peak_bytes: the most memory that the process has had, with the engine.
        score: that it gave.
        energy_j: of a call, of the whole processor, idle power included; None where unknown.
        energy_reason: why it is.
    """

    loaded_s: float
    first_call_s: float
    calls_s: tuple[float, ...]
    peak_bytes: int
    score: float
    energy_j: float | None
    energy_reason: str | None


def run_alone(
    engine: str,
    model: Path,
    waveform: np.ndarray[Any, Any],
    *,
    precision: str,
    threads: int,
    seconds: float,
) -> Alone:
    """Run a model in a process of its own, on so many cores.

    Args:
        engine: torch (``model`` is a checkpoint then), onnxruntime or openvino.
        model: the file that the engine opens.
        waveform: float32 (samples,) at 16 kHz.
        precision: that it was written in, or is run in.
        threads: of the engine, and cores of the process.
        seconds: that calls are timed for, and `LEAST_CALLS` at the least.

    Raises:
        RunAloneError: it ended without an answer, as for want of memory.
    """
    with TemporaryDirectory() as folder:
        given = Path(folder) / "waveform.npy"
        np.save(given, waveform)
        command = [sys.executable, str(RUNNER), engine, str(model), str(given)]
        command += ["--precision", precision, "--threads", str(threads)]
        command += ["--seconds", str(seconds), "--least-calls", str(LEAST_CALLS)]
        pipe = subprocess.PIPE
        with (
            (Path(folder) / "said.txt").open("w+") as said,
            child(command, stdin=pipe, stdout=pipe, stderr=said) as process,
        ):
            start = _answer(process, said)
            energy_j, reason, figures = _with_energy(process, said)
    calls = figures["calls_s"]
    return Alone(
        calls_s=tuple(calls),
        peak_bytes=figures["peak_bytes"],
        score=figures["score"],
        energy_j=None if energy_j is None else energy_j / len(calls),
        energy_reason=reason,
        **start,
    )


def _with_energy(
    process: subprocess.Popen[str], said: Any
) -> tuple[float | None, str | None, dict[str, Any]]:
    """Let it go on; the joules that were used until its answer, or why they are unknown."""
    with ExitStack() as held:
        try:
            meter = held.enter_context(open_meter(torch.device("cpu")))
            before_j = meter.read_joules()
        except EnergyUnavailableError as error:
            return None, str(error), _go_on(process, said)
        figures = _go_on(process, said)
        try:
            return meter.read_joules() - before_j, None, figures
        except EnergyUnavailableError as error:
            return None, str(error), figures


def _go_on(process: subprocess.Popen[str], said: Any) -> dict[str, Any]:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return _answer(process, said)


def _answer(process: subprocess.Popen[str], said: Any) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if line:
        answer: dict[str, Any] = json.loads(line)
        return answer
    status = process.wait()
    said.seek(0)
    lines = said.read().strip().splitlines() or [""]
    raise RunAloneError(f"it ended with status {status}: {lines[-1][:LONGEST_REASON]}")
