"""How many recordings a second ``fakemamba score`` turns into scores, and what limits it.

The command is timed on a shorter and on a longer list of the same files: their difference is its
rate, without the start, and with all that comes between a file and its line of the score file.
Beside it stand the rates of decoding alone, and of the detector alone with the copies to it.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import soundfile
import torch
import tyro
from torch import Tensor

from fakemamba.bench.instruments.clock import make_clock
from fakemamba.data.audio import SAMPLE_RATE_HZ
from fakemamba.data.batches import Batch, batches
from fakemamba.data.manifest import iterate_manifest, write_manifest
from fakemamba.data.synthetic import speech_like
from fakemamba.data.trials import Trial
from fakemamba.environment import describe_environment
from fakemamba.files import write_json
from fakemamba.models.checkpoints import from_pretrained, save_pretrained
from fakemamba.models.device import resolve_device
from fakemamba.models.execution.optimized import OptimizedDetector
from fakemamba.models.registry import create_detector

STAMP = {"schema": 1}
DETECTOR = "fake-mamba-l"
DURATION_S = 4.0
NUM_SAMPLES = round(DURATION_S * SAMPLE_RATE_HZ)
FILES = 256
WARM_UP_CALLS = 2  # of the detector alone
ROUNDS = 3  # of queued calls
NEARLY = 0.8  # a command with this share of a part's rate is limited by that part


def offline_scoring(
    *,
    json_out: Annotated[Path, tyro.conf.arg(name="json")],
    few: int = 4000,
    many: int = 30000,
    frontend: str = "xls-r-300m",
    precision: str = "bf16",
    execution: str = "graph",
    batch_seconds: float = 256.0,
    workers: int | None = None,
    device: str = "auto",
) -> None:
    """Time `fakemamba score` on recordings of 4 s by Fake-Mamba-L with random weights.

    The lists repeat 256 FLAC files: after the first time these are read from memory, not from a
    disk.

    Args:
        json_out: File to write.
        few: Recordings of the shorter list,
        many: and of the longer one.
        frontend: A named size.
        precision: As of `fakemamba score`.
        execution: As of `fakemamba score`, but for plain.
        batch_seconds: Of audio in a batch.
        workers: Threads that decode; a core's each, if left out.
        device: auto, cpu, or cuda:0 and so on.
    """
    if not 1 <= few < many:
        raise ValueError(f"--few {few} --many {many}: the second list has to be the longer one")
    place = resolve_device(device)
    workers = workers or os.cpu_count() or 1
    with tempfile.TemporaryDirectory(prefix="fakemamba-scoring-") as name:
        folder = Path(name)
        lists = {count: _write_list(folder, count) for count in (few, many)}
        checkpoint = folder / "detector"
        torch.manual_seed(0)
        save_pretrained(create_detector(DETECTOR, frontend), checkpoint)
        # First what is in this process: kernels are compiled here, and files come into memory, so
        # that neither run of the command has to wait for that.
        read = batches(
            iterate_manifest(lists[many]),
            budget_samples=round(batch_seconds * SAMPLE_RATE_HZ),
            workers=workers,
            num_samples=NUM_SAMPLES,
            pinned=place.type == "cuda",
        )
        decoded_per_s, batch = _decoding_rate(read)
        fast = (
            from_pretrained(checkpoint)
            .to(place)
            .optimize(precision, execution, exact_samples=(NUM_SAMPLES,))
        )
        detected_per_s = _detector_rate(fast, batch.waveforms)
        options = (
            *("--checkpoint", str(checkpoint), "--length", str(NUM_SAMPLES)),
            *("--precision", precision, "--execution", execution, "--device", str(place)),
            *("--batch-seconds", str(batch_seconds), "--workers", str(workers)),
        )
        took_s = {
            count: _time_command("--manifest", str(path), "--out", f"{path}.txt", *options)
            for count, path in lists.items()
        }
    found = {
        **STAMP,
        "detector": DETECTOR,
        "frontend": frontend,
        "precision": precision,
        "execution": execution,
        "device": str(place),
        "duration_s": DURATION_S,
        "batch_seconds": batch_seconds,
        "workers": workers,
        "files": FILES,
        "files_format": "FLAC, speech-like, repeated in the lists",
        "utterances": [few, many],
        "command_s": [took_s[few], took_s[many]],
        **rates(few, many, took_s[few], took_s[many], decoded_per_s, detected_per_s),
        "environment": describe_environment(place),
    }
    write_json(json_out, found)
    print(json.dumps({name: found[name] for name in found if name != "environment"}, indent=2))


def rates(
    few: int, many: int, few_s: float, many_s: float, decoded_per_s: float, detected_per_s: float
) -> dict[str, float | str]:
    """Utterances a second of the command, and which of its parts they are limited by.

    Args:
        few: utterances of a run,
        many: and of a longer one.
        few_s: seconds that the one run took,
        many_s: and the other.
        decoded_per_s: utterances a second of decoding alone.
        detected_per_s: utterances a second of the detector alone.

    Returns:
        ``utterances_per_s``, ``start_s``, the two rates, and ``bottleneck``: ``decoding``,
        ``detector``, or ``neither`` where the command is much slower than both.

    Raises:
        ValueError: the command would be faster than one of its parts alone.
    """
    limit_per_s = min(decoded_per_s, detected_per_s)
    longer_s = max(many_s - few_s, 0.0)
    if (many - few) * NEARLY > limit_per_s * longer_s:
        raise ValueError(
            f"{many - few} utterances more took {longer_s:.2f} s more, but only {limit_per_s:.4g} "
            "a second can be: the start varies by as much; give longer lists"
        )
    rate = (many - few) / longer_s
    slower = "decoding" if decoded_per_s < detected_per_s else "detector"
    return {
        "utterances_per_s": rate,
        "audio_s_per_s": rate * DURATION_S,
        "start_s": few_s - few / rate,
        "bottleneck": slower if rate >= NEARLY * limit_per_s else "neither",
        "decoded_per_s": decoded_per_s,
        "detected_per_s": detected_per_s,
    }


def _write_list(folder: Path, count: int) -> Path:
    """A manifest of so many recordings; the files are made with the first one."""
    files = [folder / f"{number}.flac" for number in range(FILES)]
    for seed, path in enumerate(files):
        if not path.exists():
            soundfile.write(path, speech_like(NUM_SAMPLES, seed), SAMPLE_RATE_HZ)
    listed = folder / f"{count}.csv"
    write_manifest(listed, (Trial(str(row), files[row % FILES]) for row in range(count)))
    return listed


def _time_command(*arguments: str) -> float:
    """Seconds that ``fakemamba score`` takes, its start included."""
    start_s = time.perf_counter()
    subprocess.run([sys.executable, "-m", "fakemamba.cli.main", "score", *arguments], check=True)
    return time.perf_counter() - start_s


def _decoding_rate(read: Iterator[Batch]) -> tuple[float, Batch]:
    """Utterances a second of reading files into batches, and the first batch."""
    start_s = time.perf_counter()
    first = next(read)
    count = len(first.trials) + sum(len(batch.trials) for batch in read)
    return count / (time.perf_counter() - start_s), first


def _detector_rate(fast: OptimizedDetector, waveforms: Tensor) -> float:
    """Utterances a second of the detector alone, given the same (B, L) on the CPU at each call."""
    for _ in range(WARM_UP_CALLS):
        fast(waveforms)
    clock = make_clock(fast.device, "throughput")
    call_s = [clock.time(lambda: fast(waveforms)).host_s for _ in range(ROUNDS)]
    return len(waveforms) / statistics.median(call_s)
