"""The ``--bench-*`` options, and what they mean."""

from __future__ import annotations

import argparse
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakemamba.bench.cells import PARTS, TRAINING_PARTS
from fakemamba.bench.instruments.clock import MODES
from fakemamba.bench.method import INSTRUMENTS, Method
from fakemamba.bench.sweep.plan import PROFILES, SweepOptions
from fakemamba.lists import words
from fakemamba.models.device import resolve_device
from fakemamba.models.execution.modes import ATTENTIONS, EXECUTIONS, PRECISIONS
from fakemamba.models.frontend_sources import frontend_config

ROOM = Path(__file__).resolve().parents[1]  # the folder of the sweep's files


def _of(names: tuple[str, ...]) -> str:
    return ", ".join(names)


def _seconds(text: str) -> list[float]:
    return [float(name) for name in words(text)]


def _counts(text: str) -> list[int]:
    return [int(name) for name in words(text)]


def _streams(text: str) -> list[tuple[float, float]]:
    """Windows and hops in seconds, such as ``4,1;4,0.5``."""
    try:
        pairs = [_seconds(one) for one in text.split(";") if one.strip()]
        return [(window_s, hop_s) for window_s, hop_s in pairs]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no list of windows and hops in seconds, such as '4,1;4,0.5'"
        ) from None


OPTIONS: dict[str, dict[str, Any]] = {
    "--bench-profile": {
        "choices": sorted(PROFILES),
        "default": "answer",
        "help": "answer (default): is it near-linear, what does it cost, who is faster from where "
        "on; paper: 1-6 s, batch 1, 100 rounds; full: 0.5 s until memory ends; smoke: all small",
    },
    "--bench-detectors": {"type": words, "metavar": "NAME,...", "help": "only these"},
    "--bench-durations": {"type": _seconds, "metavar": "S,...", "help": "in seconds"},
    "--bench-corpus": {"type": Path, "metavar": "CSV", "help": "recordings: a column `path`"},
    "--bench-corpus-root": {"type": Path, "metavar": "DIR", "help": "where its paths begin"},
    "--bench-lengths": {
        "metavar": "NAME",
        "help": "durations drawn from a corpus's distribution",
    },
    "--bench-stream": {
        "type": _streams,
        "action": "extend",
        "metavar": "WINDOW,HOP;...",
        "help": "also decisions on windows of a stream, in seconds, such as '4,1;4,0.5': computed "
        "anew, and with what can be kept of earlier windows",
    },
    "--bench-device": {"default": "auto", "help": "auto, cpu, cuda:0, ..."},
    "--bench-precision": {
        "type": words,
        "default": ["fp32"],
        "metavar": "P,...",
        "help": _of(PRECISIONS),
    },
    "--bench-parts": {
        "type": words,
        "metavar": "PART,...",
        "help": _of((*PARTS, *TRAINING_PARTS)),
    },
    "--bench-batch-sizes": {"type": _counts, "default": [1], "metavar": "N,..."},
    "--bench-frontend": {"metavar": "SOURCE", "help": "a named size, a .pt, a folder"},
    "--bench-attention": {
        "type": words,
        "default": ["sdpa"],
        "metavar": "KIND,...",
        "help": f"the front-end's: {_of(ATTENTIONS)}",
    },
    "--bench-backend": {
        "type": words,
        "default": ["auto"],
        "metavar": "NAME,...",
        "help": "of the scans in detectors; `fakemamba backends` lists them",
    },
    "--bench-execution": {
        "type": words,
        "default": ["eager"],
        "metavar": "E,...",
        "help": _of(EXECUTIONS),
    },
    "--bench-clock": {
        "choices": MODES,
        "default": "latency",
        "help": "latency from an idle device, throughput of queued calls, or the device's time "
        "alone",
    },
    "--bench-time": {
        "type": float,
        "metavar": "S",
        "help": "timed seconds after which a cell needs no more than the least visits",
    },
    "--bench-visits": {
        "type": int,
        "metavar": "N",
        "help": "of a cell, at the least (5, and 3 where a call takes over a second)",
    },
    "--bench-min-rounds": {
        "type": int,
        "metavar": "N",
        "help": "timed calls of a visit, at the least",
    },
    "--bench-budget": {
        "type": float,
        "metavar": "S",
        "help": "seconds for all cells; those for which there is no time are left out",
    },
    "--bench-flush-cache": {
        "action": "store_true",
        "help": "empty the last-level cache before rounds",
    },
    "--bench-instruments": {
        "type": words,
        "default": ["memory", "work"],
        "metavar": "NAME,...",
        "help": f"beside the clock: {_of(INSTRUMENTS)} (energy takes half a minute a cell, "
        "resident a process)",
    },
    "--bench-find-limits": {
        "action": "store_true",
        "help": "instead of the durations: the longest utterance, and the largest batch of 4 s",
    },
    "--bench-isolate": {
        "action": "store_true",
        "help": "a process of its own for every cell, whose visits then follow each other: what "
        "differs from cell to cell is not in their intervals",
    },
    "--bench-timeout": {
        "type": float,
        "metavar": "S",
        "help": "end an isolated cell after so many seconds; and code of others, isolated or not, "
        "that takes longer to be imported, made or tried (300)",
    },
    "--bench-seed": {"type": int, "default": 0, "help": "of the random order"},
    "--bench-resume": {
        "type": Path,
        "metavar": "JSON",
        "help": "resume a sweep that was interrupted: only what is missing is measured",
    },
}
CHOOSING_CELLS = (
    *("--bench-detectors", "--bench-durations", "--bench-corpus", "--bench-lengths"),
    "--bench-stream",
    *("--bench-precision", "--bench-parts", "--bench-batch-sizes", "--bench-frontend"),
    *("--bench-attention", "--bench-backend", "--bench-execution", "--bench-find-limits"),
    *("--bench-isolate", "--bench-instruments"),
)
NOT_RECORDED = ("--bench-corpus-root", "--bench-resume")  # paths of one machine, not of the sweep


def add_options(parser: pytest.Parser) -> None:
    """Define the options of a sweep."""
    group = parser.getgroup("fakemamba sweep")
    for name, definition in OPTIONS.items():
        group.addoption(name, **definition)


def check_can_time(config: pytest.Config, writes: bool) -> None:
    """Check that cells can be timed, and that a result that is asked for can be written.

    Raises:
        ValueError: pytest's other options forbid it.
    """
    option = config.getoption
    if option("numprocesses", None) or option("dist", "no") != "no":
        raise ValueError(
            "a sweep measures one cell at a time, and cells that pytest-xdist runs side by side "
            "would disturb each other; leave -n out, or end the command with -n 0"
        )
    reason = None
    if is_skipped(config):
        reason = "--benchmark-skip leaves out all cells"
    elif is_untimed(config):
        reason = "--benchmark-disable calls every cell once without a time"
    elif "PYTEST_XDIST_WORKER" in os.environ:
        reason = "PYTEST_XDIST_WORKER is set, by which pytest-benchmark knows not to time anything"
    if writes and reason is not None:
        raise ValueError(f"{reason}, so there is no result to write; leave out one of the two")


def is_skipped(config: pytest.Config) -> bool:
    """Whether pytest-benchmark leaves out all that would be timed."""
    return bool(config.getoption("benchmark_skip") and not config.getoption("benchmark_only"))


def is_untimed(config: pytest.Config) -> bool:
    """Whether pytest-benchmark is to call everything, but not to time it."""
    return bool(config.getoption("benchmark_disable") and not config.getoption("benchmark_enable"))


def arguments(config: pytest.Config) -> list[str]:
    """The sweep's own words in the command: which cells, and how they are measured.

    What is left out is what pytest does without them, where the result goes, and paths that only
    one machine has; files are called by their names.
    """
    words = [_target(config, target) for target in config.args]
    for name, definition in OPTIONS.items():
        value = config.getoption(name)
        if name in NOT_RECORDED or value is None or value is False:
            continue
        if value is True:
            words.append(name)
        elif value != definition.get("default"):
            words += [name, _word(value)]
    for flag, choice in (("-k", config.option.keyword), ("-m", config.option.markexpr)):
        words += [flag, choice] if choice else []
    for test in config.option.deselect or ():
        words += ["--deselect", test]
    return words


def _target(config: pytest.Config, target: str) -> str:
    """A file, folder or test in the command, as seen from the project's root."""
    name, *test = target.split("::", 1)
    path = (config.invocation_params.dir / name).resolve()
    if config.option.pyargs and not path.exists():
        path = ROOM.parent.joinpath(*name.split(".")[1:])
        path = path if path.is_dir() else path.with_suffix(".py")
    roots = [one for one in (ROOM.parent, config.rootpath.resolve()) if path.is_relative_to(one)]
    if roots:
        name = path.relative_to(roots[0]).as_posix() + ("/" if path.is_dir() else "")
    else:
        name = path.name
    return "::".join([name, *test])


def _word(value: Any) -> str:
    """A value as it is typed; a file or folder that is there is called by its name."""
    if isinstance(value, list | tuple):
        mark = ";" if any(isinstance(one, tuple) for one in value) else ","
        return mark.join(map(_word, value))
    if isinstance(value, float):
        return f"{value:.12g}"
    path, mark, choices = str(value).partition("?")  # a front-end's choices
    is_path = isinstance(value, str | Path) and Path(path).exists()
    return f"{Path(path).name}{mark}{choices}" if is_path else str(value)


def sweep_options(config: pytest.Config) -> SweepOptions:
    """Which cells are asked for.

    Raises:
        ValueError: there is no such device or front-end.
        OSError: the front-end's file is not there.
    """
    option = config.getoption
    if (frontend := option("--bench-frontend")) is not None:
        frontend_config(frontend)  # one that cannot be is told before anything is measured
    device = resolve_device(option("--bench-device"))
    return SweepOptions(
        profile=option("--bench-profile"),
        device=str(device),
        detectors=option("--bench-detectors"),
        durations_s=option("--bench-durations"),
        frontend=frontend,
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
        streams=option("--bench-stream") or (),
    )


def method(config: pytest.Config, profile: str) -> Method:
    """How they are measured; a single round where pytest-benchmark is not to time anything.

    Raises:
        ValueError: there is no such instrument.
    """
    option = config.getoption
    effort = PROFILES[profile].effort
    if (time_s := option("--bench-time")) is not None:
        effort = replace(effort, time_s=time_s)
    if (visits := option("--bench-visits")) is not None:
        most = max(visits, effort.most_visits)
        effort = replace(effort, least_visits=visits, dear_visits=visits, most_visits=most)
    if (rounds := option("--bench-min-rounds")) is not None:
        effort = replace(effort, least_rounds=rounds)
    if is_untimed(config):
        once = {"least_visits": 1, "dear_visits": 1, "most_visits": 1, "most_rounds": 1}
        effort = replace(effort, **once, least_rounds=1, warmup_s=0.0, warmup_rounds=0)
    instruments = tuple(option("--bench-instruments"))
    for name in instruments:
        if name not in INSTRUMENTS:
            raise ValueError(f"unknown instrument {name!r}; there are {_of(INSTRUMENTS)}")
    return Method(effort, instruments, option("--bench-flush-cache"))


def budget_s(config: pytest.Config, sweep: SweepOptions) -> float | None:
    """Seconds for all cells: as asked for, or the profile's, whichever detectors and parts it has.

    Where anything else of its cells is chosen, None: as many seconds as it takes.

    Raises:
        ValueError: there is no time at all, or no number of seconds.
    """
    asked_s: float | None = config.getoption("--bench-budget")
    if asked_s is not None and not 0 < asked_s < math.inf:
        raise ValueError(f"--bench-budget {asked_s:g}: give seconds, more than none")
    budgets_s = PROFILES[sweep.profile].budget_s
    if asked_s is not None or budgets_s is None:
        return asked_s
    is_own = all(
        config.getoption(name) in (None, False, OPTIONS[name].get("default"))
        for name in CHOOSING_CELLS
        if name not in ("--bench-detectors", "--bench-parts")
    )
    return budgets_s[sweep.device != "cpu"] if is_own else None


def describe(options: SweepOptions) -> dict[str, Any]:
    """The options as JSON, without paths that only one machine has."""
    named = {key: value for key, value in vars(options).items() if key != "corpus_root"}
    files = {name: named[name] for name in ("corpus", "lengths", "frontend") if named[name]}
    return named | {name: _word(value) for name, value in files.items()}
