"""pytest's side of a sweep: the ``--bench-*`` options, one test a cell, and the JSON's extras."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from fakemamba.bench.cells import PARTS, AnyCell, Cell, ScanCell
from fakemamba.bench.measure import Measurer
from fakemamba.bench.report import SweepReport
from fakemamba.bench.scan_workload import ScanPreparer, plan_scans
from fakemamba.bench.sweep import PROFILES, SweepOptions, plan
from fakemamba.bench.workload import WorkloadCache
from fakemamba.models.device import resolve_device

CELLS = pytest.StashKey[dict[str, Sequence[AnyCell]]]()
MEASURERS = pytest.StashKey[dict[type, Measurer]]()
REPORT = pytest.StashKey[SweepReport]()


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _seconds(text: str) -> list[float]:
    return [float(name) for name in _names(text)]


def _counts(text: str) -> list[int]:
    return [int(name) for name in _names(text)]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fakemamba sweep")
    group.addoption(
        "--bench-profile",
        choices=sorted(PROFILES),
        help="smoke: all detectors small, three full-size, minutes; paper: 1-6 s, batch 1, 100 "
        "rounds; full: 0.5 s until memory ends (default: smoke on a CPU, paper on a GPU)",
    )
    group.addoption("--bench-detectors", type=_names, metavar="NAME,...", help="only these")
    group.addoption("--bench-durations", type=_seconds, metavar="S,...", help="in seconds")
    group.addoption("--bench-corpus", type=Path, metavar="CSV", help="recordings: a column `path`")
    group.addoption("--bench-corpus-root", type=Path, metavar="DIR", help="where its paths begin")
    group.addoption("--bench-device", default="auto", help="auto, cpu, cuda:0, ...")
    group.addoption(
        "--bench-precision", type=_names, default=["fp32"], metavar="P,...", help="fp32, bf16, fp16"
    )
    group.addoption(
        "--bench-parts", type=_names, default=list(PARTS), metavar="PART,...", help=", ".join(PARTS)
    )
    group.addoption("--bench-batch-sizes", type=_counts, default=[1], metavar="N,...")
    group.addoption("--bench-frontend", metavar="SOURCE", help="a named size, a .pt, a folder")
    group.addoption("--bench-attention", default="sdpa", help="the front-end's: sdpa or eager")
    group.addoption("--bench-backend", default="auto", help="of the selective scan in detectors")
    group.addoption(
        "--bench-time", type=float, metavar="S", help="timed seconds a cell (else the profile's)"
    )
    group.addoption(
        "--bench-min-rounds", type=int, metavar="N", help="timed calls a cell, at the least"
    )


def pytest_configure(config: pytest.Config) -> None:
    option = config.getoption
    try:
        device = resolve_device(option("--bench-device"))
        profile = option("--bench-profile") or ("smoke" if device.type == "cpu" else "paper")
        options = SweepOptions(
            profile=profile,
            device=str(device),
            detectors=option("--bench-detectors"),
            durations_s=option("--bench-durations"),
            frontend=option("--bench-frontend"),
            parts=option("--bench-parts"),
            precisions=option("--bench-precision"),
            batch_sizes=option("--bench-batch-sizes"),
            attention=option("--bench-attention"),
            backend=option("--bench-backend"),
            corpus=option("--bench-corpus"),
            corpus_root=option("--bench-corpus-root"),
        )
        cells: dict[str, Sequence[AnyCell]] = {
            "cell": plan(options),
            "scan_cell": plan_scans(profile, str(device), options.precisions),
        }
        config.stash[CELLS] = cells
    except (ValueError, OSError) as error:
        raise pytest.UsageError(str(error)) from error
    effort = PROFILES[profile].effort
    if option("--bench-time") is not None:
        effort = replace(effort, time_s=option("--bench-time"))
    if option("--bench-min-rounds") is not None:
        effort = replace(effort, min_rounds=option("--bench-min-rounds"))
    config.stash[MEASURERS] = {
        Cell: Measurer(effort, WorkloadCache()),
        ScanCell: Measurer(effort, ScanPreparer()),
    }
    if option("benchmark_json"):  # opened when the sweep has ended: better to know now
        Path(option("benchmark_json")).parent.mkdir(parents=True, exist_ok=True)
    named = {key: value for key, value in vars(options).items() if key != "corpus_root"}
    named |= {"effort": asdict(effort)}
    if options.corpus is not None:
        named["corpus"] = options.corpus.name
    config.stash[REPORT] = SweepReport(device, named)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`pytest bench/` measures detectors; the scan's own sweep is run by naming its file."""
    named = any("bench_scan.py" in argument for argument in config.args)
    return True if collection_path.name == "bench_scan.py" and not named else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for name, cells in metafunc.config.stash[CELLS].items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, cells, ids=[cell.id for cell in cells])


@pytest.fixture
def measure(request: pytest.FixtureRequest) -> Callable[[AnyCell], None]:
    """Measure a cell and record how it ended; what has no time is skipped, or fails the test."""

    def get_benchmark() -> BenchmarkFixture:
        return request.getfixturevalue("benchmark")

    def measure_cell(cell: AnyCell) -> None:
        outcome = request.config.stash[MEASURERS][type(cell)].measure(cell, get_benchmark)
        request.config.stash[REPORT].add(request.node.nodeid, outcome)
        if outcome.status == "measured":
            get_benchmark().extra_info.update(outcome.to_json())
        elif outcome.exception is not None:
            raise outcome.exception
        else:
            pytest.skip(f"{outcome.status}: {outcome.reason}")

    return measure_cell


def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    config.stash[REPORT].complete(output_json)


def pytest_sessionfinish(session: pytest.Session) -> None:
    report, path = session.config.stash[REPORT], session.config.getoption("benchmark_json")
    if path and report.outcomes and "measured" not in report.counts():
        report.write_alone(session.config, Path(path))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    report = terminalreporter.config.stash[REPORT]
    if report.outcomes:
        counts = ", ".join(f"{count} {status}" for status, count in report.counts().items())
        terminalreporter.write_line(f"fakemamba sweep: {counts}")
