"""The ``--bench-*`` options, and what they mean."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakemamba.bench.cells import PARTS, TRAINING_PARTS
from fakemamba.bench.instruments.clock import MODES
from fakemamba.bench.method import INSTRUMENTS, Method
from fakemamba.bench.sweep import PROFILES, SweepOptions
from fakemamba.models.device import resolve_device
from fakemamba.models.execution.modes import ATTENTIONS, EXECUTIONS, PRECISIONS

ORDERS = ("planned", "random")


def add_options(parser: pytest.Parser) -> None:
    """Define the options of a sweep."""
    group = parser.getgroup("fakemamba sweep")
    add = group.addoption
    add(
        "--bench-profile",
        choices=sorted(PROFILES),
        help="smoke: all detectors small, three full-size, minutes; paper: 1-6 s, batch 1, 100 "
        "rounds; full: 0.5 s until memory ends (default: smoke on a CPU, paper on a GPU)",
    )
    add("--bench-detectors", type=_names, metavar="NAME,...", help="only these")
    add("--bench-durations", type=_seconds, metavar="S,...", help="in seconds")
    add("--bench-corpus", type=Path, metavar="CSV", help="recordings: a column `path`")
    add("--bench-corpus-root", type=Path, metavar="DIR", help="where its paths begin")
    add("--bench-lengths", metavar="NAME", help="durations drawn from a corpus's distribution")
    add("--bench-device", default="auto", help="auto, cpu, cuda:0, ...")
    add("--bench-precision", type=_names, default=["fp32"], metavar="P,...", help=_of(PRECISIONS))
    add(
        "--bench-parts",
        type=_names,
        default=list(PARTS),
        metavar="PART,...",
        help=_of((*PARTS, *TRAINING_PARTS)),
    )
    add("--bench-batch-sizes", type=_counts, default=[1], metavar="N,...")
    add("--bench-frontend", metavar="SOURCE", help="a named size, a .pt, a folder")
    add(
        "--bench-attention",
        type=_names,
        default=["sdpa"],
        metavar="KIND,...",
        help=f"the front-end's: {_of(ATTENTIONS)}",
    )
    add(
        "--bench-backend",
        type=_names,
        default=["auto"],
        metavar="NAME,...",
        help="of the selective scan in detectors; `fakemamba backends` lists them",
    )
    add("--bench-execution", type=_names, default=["eager"], metavar="E,...", help=_of(EXECUTIONS))
    add(
        "--bench-clock",
        choices=MODES,
        default="latency",
        help="latency from an idle device, throughput of queued calls, or the device's time alone",
    )
    add("--bench-time", type=float, metavar="S", help="timed seconds a cell (else the profile's)")
    add("--bench-min-rounds", type=int, metavar="N", help="timed calls a cell, at the least")
    add("--bench-flush-cache", action="store_true", help="empty the last-level cache before rounds")
    add(
        "--bench-instruments",
        type=_names,
        default=["memory", "work"],
        metavar="NAME,...",
        help=f"beside the clock: {_of(INSTRUMENTS)} (energy takes half a minute a cell)",
    )
    add(
        "--bench-find-limits",
        action="store_true",
        help="instead of the durations: the longest utterance, and the largest batch of 4 s",
    )
    add("--bench-isolate", action="store_true", help="a process of its own for every cell")
    add(
        "--bench-timeout",
        type=float,
        metavar="S",
        help="end an isolated cell after so many seconds",
    )
    add(
        "--bench-order",
        choices=ORDERS,
        help="of the cells (default: planned; random where cells are isolated)",
    )
    add("--bench-seed", type=int, default=0, help="of the random order")
    add(
        "--bench-resume",
        type=Path,
        metavar="JSON",
        help="go on with a sweep that was killed: only what is missing is measured",
    )


def sweep_options(config: pytest.Config) -> SweepOptions:
    """Which cells are asked for.

    Raises:
        ValueError: there is no such device.
    """
    option = config.getoption
    device = resolve_device(option("--bench-device"))
    return SweepOptions(
        profile=option("--bench-profile") or ("smoke" if device.type == "cpu" else "paper"),
        device=str(device),
        detectors=option("--bench-detectors"),
        durations_s=option("--bench-durations"),
        frontend=option("--bench-frontend"),
        parts=option("--bench-parts"),
        precisions=option("--bench-precision"),
        batch_sizes=option("--bench-batch-sizes"),
        attentions=option("--bench-attention"),
        backends=option("--bench-backend"),
        executions=option("--bench-execution"),
        clock=option("--bench-clock"),
        corpus=option("--bench-corpus"),
        corpus_root=option("--bench-corpus-root"),
        lengths=option("--bench-lengths"),
    )


def method(config: pytest.Config, profile: str) -> Method:
    """How they are measured; a single round where pytest-benchmark is not to time anything.

    Raises:
        ValueError: there is no such instrument.
    """
    option = config.getoption
    effort = PROFILES[profile].effort
    if option("--bench-time") is not None:
        effort = replace(effort, time_s=option("--bench-time"))
    if option("--bench-min-rounds") is not None:
        effort = replace(effort, min_rounds=option("--bench-min-rounds"))
    if option("benchmark_disable"):
        effort = replace(effort, min_rounds=1, max_rounds=1, time_s=0.0, warmup_rounds=0)
    instruments = tuple(option("--bench-instruments"))
    for name in instruments:
        if name not in INSTRUMENTS:
            raise ValueError(f"unknown instrument {name!r}; there are {_of(INSTRUMENTS)}")
    return Method(effort, instruments, option("--bench-flush-cache"))


def order(config: pytest.Config) -> str:
    """In which order cells are measured."""
    default = "random" if config.getoption("--bench-isolate") else "planned"
    return str(config.getoption("--bench-order") or default)


def describe(options: SweepOptions) -> dict[str, Any]:
    """The options as JSON, without paths that only one machine has."""
    named = {key: value for key, value in vars(options).items() if key != "corpus_root"}
    if options.corpus is not None:
        named["corpus"] = options.corpus.name
    return named


def _of(names: tuple[str, ...]) -> str:
    return ", ".join(names)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _seconds(text: str) -> list[float]:
    return [float(name) for name in _names(text)]


def _counts(text: str) -> list[int]:
    return [int(name) for name in _names(text)]
