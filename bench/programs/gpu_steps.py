"""What is run for the reference results of a GPU, the most important first; docs/gpu.md explains.

A rehearsal has the same steps on a CPU, with a small front-end, short audio and little effort.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from fakemamba.bench.cells import PARTS
from fakemamba.bench.programs.steps import Step
from fakemamba.bench.sweep.plan import EVERY_DETECTOR, RIVALS
from fakemamba.models.scan import unavailable_backends
from fakemamba.models.trust.process import LIMIT_S

OURS = "fake-mamba-l"
SMALL = "xls-r-tiny"
RIVALS_FIRST = (*RIVALS, *(name for name in EVERY_DETECTOR if name not in RIVALS))
MODULE = (sys.executable, "-m")
PYTEST = (*MODULE, "pytest", "-q", "-p", "no:cacheprovider")
FAKEMAMBA = (*MODULE, "fakemamba.cli.main")
BENCH = (*MODULE, "fakemamba.bench")
SWEEPS = "sweeps"
READING_S = 75.0  # kept for the report and the figures
# Precisions, each in all of the executions.
Ways = tuple[tuple[str, ...], tuple[str, ...]]
PLAIN: Ways = ("fp32",), ("eager",)
FAST: Ways = ("bf16",), ("optimized",)
BOTH: Ways = ("fp32", "bf16"), ("eager", "optimized")
ALL: Ways = ("fp32", "bf16", "fp16"), ("eager", "optimized")
LATER_PARTS = ("encoder", "end-to-end")
A_REGRESSION = 1  # the gate's exit status


@dataclass(frozen=True)
class Scale:
    """How large a study is.

    Attributes:
        device: that is measured.
        frontend: of the detectors.
        detectors: all that are measured at 4 s and at the paper's durations.
        paper_durations_s: 1 to 6 s.
        durations_s: of the three rivals, to see how their costs grow.
        batch_sizes: of throughput.
        time_s: timed seconds of a cell,
        min_rounds: and timed calls of a visit at the least.
        instruments: of all sweeps but that of energy.
        tests: of kernels, as pytest's ``-k`` takes them,
        scans: and cells of the scans by themselves.
        kernel_rounds: of ``fakemamba kernels``.
        execution: of offline scoring,
        batch_seconds: its batches,
        clips: and how many it has in a shorter and in a longer run.
        served: execution and precision of what is loaded,
        load_s: and seconds of a run of that load.
        slowdown: that the gate has to find, as a share.
        minutes: for all steps,
        patience: and how many times as long as on a GPU each of them may take.
    """

    device: str
    frontend: str
    detectors: tuple[str, ...]
    paper_durations_s: tuple[float, ...]
    durations_s: tuple[float, ...]
    batch_sizes: tuple[int, ...]
    time_s: float
    min_rounds: int
    instruments: tuple[str, ...]
    tests: str
    scans: str
    kernel_rounds: int
    execution: str
    batch_seconds: float
    clips: tuple[int, int]
    served: tuple[str, str]
    load_s: float
    slowdown: float
    minutes: float
    patience: float


GPU = Scale(
    device="cuda",
    frontend="xls-r-300m",
    detectors=RIVALS_FIRST,
    paper_durations_s=(1.0, 2.0, 3.0, 4.0, 5.0, 6.0),
    durations_s=tuple(2.0**k for k in range(-1, 10)),
    batch_sizes=(1, 4, 16, 64, 256),
    time_s=0.2,
    min_rounds=2,
    instruments=("memory", "work"),
    tests="scan or optimized or fast_frontend",
    scans="not reference",
    kernel_rounds=5,
    execution="graph",
    batch_seconds=256.0,
    clips=(4_000, 30_000),
    served=("graph", "bf16"),
    load_s=5.0,
    slowdown=0.05,
    minutes=10.0,
    patience=1.0,
)
REHEARSAL = Scale(
    device="cpu",
    frontend=SMALL,
    detectors=RIVALS,
    paper_durations_s=(1.0, 2.0),
    durations_s=(0.5, 1.0, 2.0, 4.0, 8.0),
    batch_sizes=(1, 2),
    time_s=0.05,
    min_rounds=1,
    instruments=("memory", "work"),
    # Triton is interpreted on a CPU, which takes a minute.
    tests="(scan or optimized or fast_frontend) and not triton",
    scans="200f and not reference",
    kernel_rounds=1,
    execution="eager",
    batch_seconds=16.0,
    clips=(20, 400),
    served=("plain", "fp32"),
    load_s=2.0,
    slowdown=1.0,  # this is no test of a CPU's quiet
    minutes=45.0,
    patience=4.0,
)


def measuring_steps(scale: Scale, out: Path) -> list[Step]:
    """All steps that measure something."""
    steps = [*_environment_steps(), *_kernel_steps(scale, out), *_detector_steps(scale, out)]
    steps += _real_time_steps(scale, out)
    return _patiently(scale, [*steps, *_gate_steps(scale, out / "gate")])


def reading_steps(scale: Scale, out: Path) -> list[Step]:
    """What is made of all results that are there by now, within `READING_S`."""
    results = [str(path) for path in sorted((out / SWEEPS).glob("*.json"))]
    detectors = [path for path in results if Path(path).stem != "scan"]
    growth = [path for path in results if Path(path).stem.startswith("scaling")]
    kernels, scoring = out / "kernels.json", out / "scoring.json"
    beside_plot = ("--kernels", str(kernels)) if kernels.exists() else ()
    beside_claims = ("--scoring", str(scoring)) if scoring.exists() else ()
    written = ("--json", str(out / "claims.json"), "--out", str(out / "claims.md"))
    commands: dict[str, tuple[str, ...]] = {
        "report": ("report", *detectors, "--out", str(out / "report.html")),
        "claims": ("claims", *detectors, *beside_claims, *written),
        "scaling": ("scaling", *growth, "--json", str(out / "scaling.json")),
        "crossover": ("crossover", *growth, "--json", str(out / "crossover.json")),
        "plot": ("plot", *results, *beside_plot, "--out", str(out / "figures")),
    }
    steps = [Step(name, (*FAKEMAMBA, *command), 45) for name, command in commands.items()]
    return _patiently(scale, steps)


def _patiently(scale: Scale, steps: Sequence[Step]) -> list[Step]:
    return [replace(step, limit_s=step.limit_s * scale.patience) for step in steps]


def _environment_steps() -> list[Step]:
    steps: dict[str, tuple[str, ...]] = {
        "backends": (*FAKEMAMBA, "backends"),
        "packages": (*MODULE, "pip", "list"),
    }
    if shutil.which("nvidia-smi"):
        steps["nvidia-smi"] = ("nvidia-smi", "-q")
    # The scan's kernel is compared with torch by the first step that asks for it.
    limits_s = {"backends": 30 + LIMIT_S}
    return [Step(name, command, limits_s.get(name, 30)) for name, command in steps.items()]


def _kernel_steps(scale: Scale, out: Path) -> list[Step]:
    kernels = ("--rounds", str(scale.kernel_rounds), "--json", str(out / "kernels.json"))
    scan = _sweep(
        scale,
        out,
        "scan",
        60,
        *("-k", scale.scans),
        tests="bench/bench_scan.py",
        ways=(("fp32", "bf16"), ("eager",)),
    )
    return [
        Step("kernel-tests", (*PYTEST, "tests/models", "-k", scale.tests), 75),
        Step("kernels", (*FAKEMAMBA, "kernels", *_where(scale), *kernels), 60 + LIMIT_S),
        scan,
    ]


def _detector_steps(scale: Scale, out: Path) -> list[Step]:
    sweep = partial(_sweep, scale, out)
    scans = f"--bench-backend={','.join(_slower_scans())}"
    return [
        sweep("fast", 120, detectors=scale.detectors, durations_s=(4,), ways=ALL),
        sweep(
            "throughput",
            90,
            "--bench-clock=throughput",
            parts=("end-to-end",),
            durations_s=(4,),
            batch_sizes=scale.batch_sizes,
            ways=FAST,
        ),
        sweep(
            "paper",
            90,
            detectors=scale.detectors,
            parts=LATER_PARTS,
            durations_s=scale.paper_durations_s,
        ),
        Step("scoring", _scoring(scale, out), 100),
        sweep("scaling-plain", 90, parts=LATER_PARTS),
        sweep("scaling-optimized", 90, parts=LATER_PARTS, ways=FAST),
        sweep("scaling-front-end", 60, detectors=(OURS,), parts=("front-end",), ways=BOTH),
        sweep("scaling-scans", 60, scans, detectors=(OURS, "xlsr-mamba"), parts=("encoder",)),
        sweep(
            "energy",
            90,
            detectors=(OURS, "xlsr-conformer"),
            parts=("end-to-end",),
            durations_s=(4,),
            instruments=("memory", "work", "energy"),
        ),
    ]


def _real_time_steps(scale: Scale, out: Path) -> list[Step]:
    """Streams, and where loadgen is installed, load on a server of one detector."""
    streams = _sweep(
        *(scale, out, "streams", 60, "--bench-stream=4,1;4,0.25"),
        parts=("end-to-end",),
        durations_s=(4,),
        ways=BOTH,
    )
    if importlib.util.find_spec("mlperf_loadgen") is None:
        return [streams]
    execution, precision = scale.served
    load = (
        *("load", f"{OURS}?frontend={scale.frontend}", "--out", str(out / "load")),
        *("--device", scale.device, "--execution", execution, "--precision", precision),
        *("--scenarios", "single-stream,offline,streams", "--seconds", f"{scale.load_s:g}"),
        *("--most-queries", "2000"),
    )
    return [streams, Step("load", (*FAKEMAMBA, *load), 120)]


def _gate_steps(scale: Scale, folder: Path) -> list[Step]:
    """On a small front-end: there are two dozen launches a gate, and each has to make it."""
    repository = folder / "repository"
    made_for = ("--detector", OURS, "--frontend", SMALL, "--device", scale.device)
    slower = ("slower-revision", str(repository), *made_for)
    slowdown = ("--share", f"{scale.slowdown:g}")
    sweep = (
        *(f"--bench-device={scale.device}", f"--bench-detectors={OURS}", "--bench-durations=4"),
        *(f"--bench-frontend={SMALL}", "--bench-parts=front-end,encoder"),
        *("--bench-instruments=work", "--bench-time=0.5"),
    )

    def gate(head: str) -> tuple[str, ...]:
        revisions = ("--repository", str(repository), "--base", "base", "--head", head)
        limits = ("--no-install-deps", "--max-blocks", "4", "--budget-minutes", "30")
        out = ("--out", str(folder / head))
        return (*FAKEMAMBA, "gate", *revisions, *out, *limits, "--", *sweep)

    return [
        Step("gate-revisions", (*BENCH, *slower, *slowdown), 60),
        Step("gate-unchanged", gate("base"), 290),
        Step("gate-slower", gate("slower"), 290, A_REGRESSION),
    ]


def _where(scale: Scale) -> tuple[str, ...]:
    return ("--device", scale.device, "--frontend", scale.frontend)


def _scoring(scale: Scale, out: Path) -> tuple[str, ...]:
    few, many = map(str, scale.clips)
    settings = (
        *("--execution", scale.execution, "--batch-seconds", str(scale.batch_seconds)),
        *("--few", few, "--many", many, "--json", str(out / "scoring.json")),
    )
    return (*BENCH, "offline-scoring", *_where(scale), *settings)


def _slower_scans() -> list[str]:
    """Backends of the selective scan, on a GPU, beside the one that is used by itself."""
    absent = unavailable_backends()
    return [name for name in ("torch", "mamba-ssm") if name not in absent]


def _sweep(
    scale: Scale,
    out: Path,
    name: str,
    limit_s: float,
    *options: str,
    tests: str = "bench/",
    detectors: Sequence[str] = RIVALS,
    durations_s: Sequence[float] | None = None,
    parts: Sequence[str] = PARTS,
    ways: Ways = PLAIN,
    batch_sizes: Sequence[int] = (1,),
    instruments: Sequence[str] | None = None,
) -> Step:
    """A sweep into ``sweeps/NAME.json``; one that was cut goes on."""
    settings: dict[str, Sequence[object]] = {
        "device": (scale.device,),
        "frontend": (scale.frontend,),
        "detectors": detectors,
        "durations": durations_s or scale.durations_s,
        "parts": parts,
        "precision": ways[0],
        "execution": ways[1],
        "batch-sizes": batch_sizes,
        "instruments": instruments or scale.instruments,
        "time": (scale.time_s,),
        "min-rounds": (scale.min_rounds,),
        "resume": (out / SWEEPS / f"{name}.json",),
    }
    words = (f"--bench-{key}={','.join(map(str, values))}" for key, values in settings.items())
    return Step(name, (*PYTEST, tests, "--benchmark-quiet", *options, *words), limit_s)
