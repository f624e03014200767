"""``fakemamba load``: how soon a served detector answers, and how many calls a machine holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from fakemamba import interrupts
from fakemamba.analysis.load.answers import sentences
from fakemamba.analysis.load.levels import level_table
from fakemamba.analysis.load.page import line, markdown
from fakemamba.bench.load.loadgen import check_installed
from fakemamba.bench.load.server import Server
from fakemamba.bench.load.session import NoAnswerError, Session, Watch
from fakemamba.bench.load.worker import Worker
from fakemamba.cli.printing import say
from fakemamba.data.audio import SAMPLE_RATE_HZ
from fakemamba.data.lengths import draw_durations, read_lengths
from fakemamba.environment import describe_environment
from fakemamba.evaluation.manner import PLAIN, Execution, Manner, Precision
from fakemamba.evaluation.served import Served
from fakemamba.files import write_whole
from fakemamba.lists import numbers, some_of, words
from fakemamba.load_record import (
    SCENARIOS,
    LoadError,
    LoadRecord,
    LoadSettings,
    Run,
    Scenario,
    write_load,
)
from fakemamba.locks import sole_writer
from fakemamba.models.device import resolve_device
from fakemamba.models.loading import weights_sha256
from fakemamba.models.registry import detector_entry
from fakemamba.shares import least_decisive

PAGE, RECORD = "load.md", "load.json"
DRAWN = 100  # utterances, of the middles of as many equal shares of a corpus
WINDOWS = 4  # of as many speakers
LONGEST_S = 600.0
MOST_RATE = 100_000  # of which the schedule is made before
Told = Callable[[str], None]
SPARE = 1.1  # queries, times those that decide if none is over
MOST = 16  # times the least: queries that queue say less than independent ones


def load(
    detector: tyro.conf.Positional[str | None] = None,
    /,
    *,
    out: Path,
    slo: Annotated[float | None, tyro.conf.arg(metavar="S")] = None,
    scenarios: str = ",".join(SCENARIOS),
    rates: str = "",
    lengths: str | None = None,
    duration: Annotated[float | None, tyro.conf.arg(metavar="S")] = None,
    window: Annotated[float, tyro.conf.arg(metavar="S")] = 4.0,
    hop: Annotated[float, tyro.conf.arg(metavar="S")] = 1.0,
    max_batch: int = 8,
    max_wait: Annotated[float, tyro.conf.arg(metavar="S")] = 0.0,
    queue: int = 64,
    workers: int = 1,
    threads: int | None = None,
    execution: Execution = PLAIN,
    precision: Precision = "fp32",
    device: str = "auto",
    percentile: float = 99.0,
    seconds: Annotated[float, tyro.conf.arg(metavar="S")] = 10.0,
    queries: int | None = None,
    most_queries: int | None = None,
    timeout: Annotated[float, tyro.conf.arg(metavar="S")] = 60.0,
    seed: int = 0,
) -> int:
    """Serve a detector and load it: latency, throughput, and the largest load that holds.

    Traffic is that of MLCommons' loadgen, and of concurrent calls. 0 if all went well, 1 if what
    was asked for is not there, 130 after Ctrl-C, 143 after SIGTERM; what there is, is written.

    Args:
        detector: A checkpoint's folder or file, package.module:factory, or a name such as
            `fake-mamba-s?frontend=xls-r-300m`: random weights, which cost the same.
        out: Folder for load.json, load.md and load.png.
        slo: The longest time to an answer that is good enough; of calls it is the hop if not given.
        scenarios: Some of single-stream, multi-stream, server, offline and streams,
            comma-separated.
        rates: Arrivals a second for server, comma-separated, instead of a search.
        lengths: A table of lengths by its name, or its .json (see `fakemamba lengths`), that
            utterances are as long as.
        duration: Instead of it one length of all utterances; 4 if neither is given.
        window: Audio that a call's decision is made of.
        hop: From one decision of a call to the next.
        max_batch: Requests that are computed together, at the most.
        max_wait: That a request waits for others, at the most, where a worker is idle.
        queue: Requests that may wait; further ones are refused.
        workers: Processes that hold the detector.
        threads: Of each worker; as many as torch chooses if not given.
        execution: As of `fakemamba score`.
        precision: As of `fakemamba score`.
        device: auto, cpu, cuda, or cuda:0 and so on.
        percentile: Of the times to an answer, that is to be within --slo.
        seconds: Of a run, at the least.
        queries: Of a run that is judged, at the least; if not given, what can decide.
        most_queries: Of a rate, or a number of calls, until it stays undecided.
        timeout: After which a worker that does not answer is ended, and its requests fail.
        seed: Of arrivals, and of the order of utterances.
    """
    if detector is None:
        raise LoadError("no detector given: fakemamba load DETECTOR --out FOLDER --slo S")
    wanted = _scenarios(scenarios)
    fixed_rates = _rates(rates)
    if lengths is not None and duration is not None:
        raise LoadError("--lengths and --duration exclude each other: give one of them")
    if "server" in wanted and slo is None and not fixed_rates:
        raise LoadError("server searches a rate: give --slo S, or --rates to measure at")
    for name, length_s in (("duration", duration), ("window", window)):
        if length_s is not None and not 0 < length_s <= LONGEST_S:
            raise LoadError(f"--{name} {length_s:g}: give one over 0, of {LONGEST_S:g} s at most")
    if not 0 < percentile < 100:
        raise LoadError(f"--percentile {percentile:g}: give one between 0 and 100")
    least = queries or round(SPARE * least_decisive(1 - percentile / 100))
    fixed_s = 4.0 if duration is None else duration
    settings = LoadSettings(
        slo_s=slo,
        percentile=percentile,
        lengths=f"{fixed_s:g} s" if lengths is None else lengths,
        window_s=window,
        hop_s=hop,
        max_batch=max_batch,
        max_wait_s=max_wait,
        queue=queue,
        workers=workers,
        threads=threads,
        execution=execution,
        precision=precision,
        device=device,
        seconds=seconds,
        queries=least if queries is None else queries,
        most_queries=MOST * least if most_queries is None else most_queries,
        timeout_s=timeout,
        seed=seed,
    )
    manner = Manner(precision=precision, execution=execution, device=device)
    place = resolve_device(device)
    manner.check_on(place)
    utterances_s = [fixed_s] if lengths is None else draw_durations(read_lengths(lengths), DRAWN)
    samples = tuple(
        round(float(one) * SAMPLE_RATE_HZ) for one in (*utterances_s, *[window] * WINDOWS)
    )
    if wanted != ("streams",):
        check_installed()
    is_file = Path(detector).exists()
    if not is_file:
        detector_entry(detector)  # which refuses what is none, before a process is begun
    served = Served(detector, manner, threads, samples, max_batch)
    record = partial(
        LoadRecord,
        detector,
        weights_sha256(Path(detector)) if is_file else None,
        settings,
        describe_environment(place),
    )
    server = Server(
        partial(Worker, served, place, timeout),
        workers=workers,
        max_batch=max_batch,
        max_wait_s=max_wait,
        queue=queue,
    )
    with sole_writer(out, is_folder=True):
        session: Session | None = None
        try:
            with _progress() as (watch, told), server:
                tell = partial(_tell, record, told)
                session = Session(server, settings, samples, len(utterances_s), tell, watch)
                is_done = _measure(session, wanted, fixed_rates, told)
        except (KeyboardInterrupt, NoAnswerError) as error:
            if session is None or not session.runs:
                raise
            _write(record(True, tuple(session.runs)), out)
            if isinstance(error, NoAnswerError):
                raise
            say(f"stopped; what there is is in {out / PAGE}")
            return interrupts.status()
        _write(record(False, tuple(session.runs)), out)
    return 0 if is_done else 1


def _measure(
    session: Session, wanted: tuple[Scenario, ...], rates: tuple[float, ...], told: Told
) -> bool:
    """Make all runs; whether all that was asked for could be looked for."""
    is_done = True
    if wanted != ("streams",):
        is_in_vain = session.single_stream() == "fails"
        if is_in_vain and "server" in wanted and not rates:
            told("even one utterance at a time misses --slo: no rate is looked for")
            is_done = False
        if "multi-stream" in wanted:
            session.multi_stream()
        if "server" in wanted and (rates or not is_in_vain):
            session.server(rates)
        if "offline" in wanted:
            session.offline()
    if "streams" in wanted:
        session.streams()
    return is_done


def _tell(record: Any, told: Told, runs: list[Run]) -> None:
    """A line of runs at one level, of which the last has just ended."""
    alone = record(False, tuple(runs))
    told(line(level_table(alone).iloc[0].to_dict(), alone.settings.percentile))


def _write(record: LoadRecord, out: Path) -> None:
    table = level_table(record)
    write_load(record, out / RECORD)
    write_whole(out / PAGE, markdown(record, table))
    if find_spec("seaborn") is not None:  # of the extra `report`
        from fakemamba.analysis.load.picture import draw

        draw(record, table, out)
    for one in sentences(record, table):
        say(one)
    say(out / PAGE)


@contextmanager
def _progress() -> Iterator[tuple[Watch, Told]]:
    """What shows on stderr what runs and how many of its requests have ended; what says a line.

    While it is shown, what is printed would go to stderr as well.
    """
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("starting workers", total=None)

        def watch(what: str, ended: int) -> None:
            progress.update(task, description=f"{what}: {ended:,} requests ended")

        def told(text: str) -> None:
            progress.stop()
            say(text)
            progress.start()

        yield watch, told


def _scenarios(text: str) -> tuple[Scenario, ...]:
    named = some_of("--scenarios", text, SCENARIOS)
    return tuple(one for one in SCENARIOS if one in named)


def _rates(text: str) -> tuple[float, ...]:
    if not words(text):
        return ()
    wanted = f"arrivals a second over 0, up to {MOST_RATE:,}, each once, such as 2,5"
    return numbers("--rates", text, float, lambda one: 0 < one <= MOST_RATE, wanted)
