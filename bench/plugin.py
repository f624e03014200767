"""pytest's side of a sweep: one test a cell, its journal, and the JSON's extras."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from fakemamba import interrupts

EARLY = ExitStack()  # signals while what follows is imported, which takes seconds
EARLY.enter_context(interrupts.as_exceptions())
atexit.register(EARLY.close)  # where pytest refuses its options, nothing is configured

from fakemamba.bench import child
from fakemamba.bench.cells import AnyCell
from fakemamba.bench.measuring.scan_workload import plan_scans
from fakemamba.bench.outcome import Outcome
from fakemamba.bench.sweep import options
from fakemamba.bench.sweep.journal import Journal, read_result
from fakemamba.bench.sweep.limits import plan_limits
from fakemamba.bench.sweep.plan import plan
from fakemamba.bench.sweep.plugins import plugin_modules
from fakemamba.bench.sweep.replay import PlaybackClock
from fakemamba.bench.sweep.report import (
    SweepReport,
    identity_of,
    merged_commands,
    require_same_code,
)
from fakemamba.bench.sweep.result_file import ResultFile
from fakemamba.bench.sweep.runner import SweepRunner
from fakemamba.bench.sweep.stops import Stops
from fakemamba.files import require_place
from fakemamba.journals import JournalError
from fakemamba.locks import sole_writer
from fakemamba.models.device import resolve_device
from fakemamba.models.external.time_limit import at_most
from fakemamba.typed import FOLDER

OTHERS_S = 300.0  # unless --bench-timeout says otherwise
HERE = Path(__file__).resolve().parent
MAIN_FILE = "bench_detectors.py"
CELLS = pytest.StashKey[dict[str, Sequence[AnyCell]]]()
CLOCK = pytest.StashKey[PlaybackClock]()
RUNNER = pytest.StashKey[SweepRunner]()
REPORT = pytest.StashKey[SweepReport]()
RESULT = pytest.StashKey[ResultFile]()


def pytest_addoption(parser: pytest.Parser) -> None:
    options.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.add_cleanup(EARLY.close)  # after what is added later, which began within it
    config.addinivalue_line("python_files", "bench_*.py")
    config.addinivalue_line("python_functions", "bench_*")
    option = config.getoption
    resume = option("--bench-resume")
    named = option("benchmark_json") or resume
    path = None if named is None else Path(named)
    is_saved = option("benchmark_save") or option("benchmark_autosave")
    try:
        options.check_can_time(config, writes=bool(named or is_saved))
        _limit_others(config)
        sweep = options.sweep_options(config)
        method = options.method(config, sweep.profile)
        planned = plan(sweep)
        find_limits = option("--bench-find-limits")
        cells: dict[str, Sequence[AnyCell]] = {
            "cell": plan_limits(planned) if find_limits else planned,
            "scan_cell": plan_scans(
                sweep.profile, sweep.device, sweep.precisions, sweep.executions, sweep.clock
            ),
        }
        device = resolve_device(sweep.device)
        identity = identity_of(device, method)
        runner = SweepRunner(
            method,
            option("--bench-isolate"),
            option("--bench-timeout"),
            options.budget_s(config, sweep),
            option("--bench-seed"),
        )
        if path is not None:
            _hold(config, path)
            runner.journal = _journal(path, identity, resume is not None)
        commands = [options.arguments(config)]
        earlier: dict[str, dict[str, Any]] = {}
        if resume is not None:
            every = {cell.id: cell for kind in cells.values() for cell in kind}
            earlier = read_result(resume, identity)
            runner.known = {
                cell_id: Outcome.from_entry(every[cell_id], entry)
                for cell_id, entry in earlier.items()
                if cell_id in every and entry["extra_info"]["status"] != "left-out"
            }
            if runner.journal is not None:
                for cell_id, outcome in runner.journal.read(every.values()).items():
                    known = runner.known.get(cell_id)
                    runner.known[cell_id] = known.and_then(outcome) if known else outcome
            require_same_code(runner.known.values())
            commands = merged_commands(resume, commands)
    except (ValueError, OSError) as error:
        raise pytest.UsageError(str(error)) from error
    config.pluginmanager.register(Stops(config, path))
    if path is not None:
        config.stash[RESULT] = config.option.benchmark_json = ResultFile(path)
    # What --benchmark-save keeps, and -autosave, is a result as well, so it needs every round.
    config.option.benchmark_save_data = True
    config.stash[CELLS] = cells
    config.stash[CLOCK] = PlaybackClock()
    config.stash[RUNNER] = runner
    described = options.describe(sweep) | {
        "method": asdict(method),
        "isolate": runner.isolate,
        "budget_s": runner.budget_s,
        "seed": option("--bench-seed"),
        "commands": commands,
    }
    counts_work = "work" in method.instruments
    config.stash[REPORT] = SweepReport(device, described, identity, earlier, counts_work)


def _limit_others(config: pytest.Config) -> None:
    """Until pytest ends, let no import, making or first call of code of others take too long."""
    stack = ExitStack()
    asked_s = config.getoption("--bench-timeout")
    seconds = OTHERS_S if asked_s is None else asked_s
    stack.enter_context(at_most(seconds, "--bench-timeout gives it more"))
    config.add_cleanup(stack.close)


def _hold(config: pytest.Config, result: Path) -> None:
    """Be the only sweep that writes a result and its journal, until pytest ends."""
    require_place(result, JournalError)
    stack = ExitStack()
    stack.enter_context(sole_writer(result))
    config.add_cleanup(stack.close)


def _journal(result: Path, identity: dict[str, Any], resumed: bool) -> Journal:
    result.parent.mkdir(parents=True, exist_ok=True)  # better to know now if it cannot be
    journal = Journal(result.with_name(result.name + ".journal"), identity)
    if journal.path.exists() and not resumed:
        raise JournalError(
            f"{journal.path} is what a sweep left that was killed: go on with it by --bench-resume "
            f"{result}, or remove it"
        )
    return journal


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`pytest bench/` measures detectors; other sweeps are run by naming their file."""
    if collection_path.resolve().parent != HERE or not collection_path.name.startswith("bench_"):
        return None
    named = any(collection_path.stem in argument for argument in config.args)
    return True if collection_path.name != MAIN_FILE and not named else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    timer = pytest.mark.benchmark(timer=metafunc.config.stash[CLOCK])
    for name, cells in metafunc.config.stash[CELLS].items():
        if name in metafunc.fixturenames and metafunc.definition.path.resolve().parent == HERE:
            metafunc.parametrize(name, [pytest.param(c, id=c.id, marks=timer) for c in cells])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Measure all cells before the tests, each of which then plays one of them back."""
    config = session.config
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    planned = _cells(session.items)
    is_run = not (config.option.collectonly or config.option.setuponly or config.option.setupplan)
    if not is_run or not planned or options.is_skipped(config):
        return (yield)
    runner = config.stash[RUNNER]

    def tell(text: str) -> None:
        reporter.ensure_newline()
        reporter.write_line(f"fakemamba sweep: {text}")

    runner.tell = tell
    child.loaded[:] = plugin_modules(config)  # no earlier: collecting may load a conftest.py
    if runner.known:
        tell(f"{len(runner.known)} cells are known from before")
    try:
        runner.run([cell for _, cell in planned])
    except KeyboardInterrupt:
        interrupts.end_at_once()  # the second one does not wait for the result
        session.items[:] = [item for item, cell in planned if cell.id in runner.known]
        yield
        raise
    return (yield)


def _cells(items: Sequence[pytest.Item]) -> list[tuple[pytest.Item, AnyCell]]:
    """The tests that measure a cell, and their cells."""
    cells: list[tuple[pytest.Item, Any]] = [
        (item, value)
        for item in items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
        for value in item.callspec.params.values()
        if isinstance(value, AnyCell)
    ]
    return cells


@pytest.fixture
def measure(request: pytest.FixtureRequest) -> Callable[[AnyCell], None]:
    """Record how a cell ended; what has no time is skipped, or fails the test."""
    stash = request.config.stash
    if options.is_skipped(request.config):
        pytest.skip("--benchmark-skip leaves out all cells")

    def measure_cell(cell: AnyCell) -> None:
        outcome = stash[RUNNER].known[cell.id]
        # As in a clone, wherever the files lie.
        name = f"{FOLDER}{request.node.path.name}::{request.node.name}"
        stash[REPORT].add(name, outcome)
        if outcome.status == "measured":
            benchmark: BenchmarkFixture = request.getfixturevalue("benchmark")
            benchmark.fullname = name
            stash[CLOCK].play(benchmark, outcome.samples_s, cell.group)
            benchmark.extra_info.update(outcome.to_json())
        elif outcome.status in ("failed", "wrong"):
            pytest.fail(f"{outcome.status}: {outcome.reason}\n{outcome.traceback or ''}", False)
        else:
            pytest.skip(f"{outcome.status}: {outcome.reason}")

    return measure_cell


def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    config.stash[REPORT].complete(output_json)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Around pytest-benchmark, which writes the result if anything was timed."""
    config = session.config
    report, result = config.stash[REPORT], config.stash.get(RESULT, None)
    if result is None:
        yield
        return
    fault, is_written = None, False
    try:
        yield
    except OSError as error:
        fault = error
    finally:  # also where --benchmark-compare-fail has raised
        try:
            if report.is_as_before() and config.getoption("--bench-resume") == result.path:
                result.discard()
                _say(config, f"nothing was left to measure: {result} is as it was", red=False)
                is_written = True
            elif report.outcomes and "measured" not in report.counts():
                report.write_alone(config, result.path)
                is_written = True
            else:
                is_written = result.take_place()
        except OSError as error:
            fault = error
    if fault is not None:
        _say(
            config, f"{result} could not be written: {fault}. What stood there before is as it was"
        )
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
    elif not is_written:
        why = "pytest-benchmark timed nothing" if report.outcomes else "no cell was run"
        _say(config, f"{result} is not written: {why}")
        if report.outcomes and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """The journal goes when all that it holds is in the result."""
    runner = config.stash.get(RUNNER, None)
    if runner is None or runner.journal is None:
        return
    if runner.journal_error is not None:  # told here, as pytest ends some runs without a summary
        _say(config, runner.journal_error)
    path = config.stash[RESULT].path
    if config.stash[REPORT].is_in(path, runner.known):
        runner.journal.discard()
    elif runner.journal.path.exists():
        _say(
            config,
            f"{runner.journal.path} has cells that are not in {path}: go on with them by "
            f"--bench-resume {path}, or remove it",
        )


def _say(config: pytest.Config, text: str, *, red: bool = True) -> None:
    config.get_terminal_writer().line(f"fakemamba sweep: {text}", red=red)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    report = terminalreporter.config.stash[REPORT]
    if report.outcomes:
        counts = ", ".join(f"{count} {status}" for status, count in report.counts().items())
        terminalreporter.write_line(f"fakemamba sweep: {counts}")
        for line in [*report.unused_kernels(), *report.without_figure()]:
            terminalreporter.write_line(f"fakemamba sweep: {line}")
