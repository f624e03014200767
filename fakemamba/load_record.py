"""What a load test leaves: every request of every run, as JSON that is checked by its form.

Times are seconds on one clock since the run began. `bench/load/` writes it, `analysis/load/` reads
it, and what a run comes down to is computed from its requests alone.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from fakemamba.files import write_json
from fakemamba.records import Stamp, read_record
from fakemamba.shares import Verdict, effective_count, judged

STAMP: Stamp = {"kind": "fakemamba-load", "schema": 1}
Scenario = Literal["single-stream", "multi-stream", "server", "offline", "streams"]
SCENARIOS: tuple[Scenario, ...] = ("single-stream", "multi-stream", "server", "offline", "streams")
Ending = Literal["answered", "refused", "failed"]
Times = npt.NDArray[np.float64]
LEAST_HOP_S = 0.01
TIMES_SLO = 10  # where a tenth more comes than is answered, latency exceeds the SLO in so long
Count = Annotated[int, Field(ge=0)]


class LoadError(ValueError):
    """There can be no such load test, or its record is not one; the message has the remedy."""


@dataclass(frozen=True)
class LoadSettings:
    """How a detector is served and loaded.

    Attributes:
        slo_s: the longest time to an answer that is good enough; None where nothing is searched.
        percentile: of the times to an answer, that has to be within it.
        lengths: of the utterances: a table's name, or ``4 s``.
        window_s: audio that a call's decision is made of.
        hop_s: between two decisions of a call.
        max_batch: requests that are computed together at the most.
        max_wait_s: that a request waits for others, at the most, where a worker is idle.
        queue: requests that may wait; further ones are refused.
        workers: processes that hold the detector.
        threads: of each; None where the library chooses.
        execution: see `fakemamba.evaluation.manner.Manner`, as for `precision` and `device`.
        precision: see there.
        device: see there.
        seconds: a run's, at the least.
        queries: a run's, at the least, where it is judged.
        most_queries: of one rate, or number of calls, after which it stays undecided.
        timeout_s: after which a worker that does not answer is ended.
        seed: of arrivals and of the order of utterances.
    """

    slo_s: float | None
    percentile: float
    lengths: str
    window_s: float
    hop_s: float
    max_batch: int
    max_wait_s: float
    queue: int
    workers: int
    threads: int | None
    execution: str
    precision: str
    device: str
    seconds: float
    queries: int
    most_queries: int
    timeout_s: float
    seed: int

    def __post_init__(self) -> None:
        times = ("slo_s", "window_s", "hop_s", "seconds", "timeout_s")
        counts = ("max_batch", "queue", "workers", "threads", "queries")
        for name in (*times, *counts):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise LoadError(f"--{_option(name)} {value:g}: give a number over 0")
        if not 0 <= self.max_wait_s < float("inf"):
            raise LoadError(f"--max-wait {self.max_wait_s:g}: give 0 or more seconds")
        if self.hop_s < LEAST_HOP_S:
            raise LoadError(f"--hop {self.hop_s:g}: give {LEAST_HOP_S:g} or more seconds")
        if not 0 <= self.seed < 1 << 32:
            raise LoadError(f"--seed {self.seed}: give a whole number from 0 on, under 2^32")
        if not 0 < self.percentile < 100:
            raise LoadError(f"--percentile {self.percentile:g}: give one between 0 and 100")
        if self.most_queries < self.queries:
            raise LoadError(
                f"--most-queries {self.most_queries}: it is under --queries {self.queries}"
            )

    @property
    def share_over(self) -> float:
        """The share of queries that may take longer than is good enough."""
        return 1 - self.percentile / 100

    def slo_of(self, scenario: Scenario) -> float | None:
        """The longest time to an answer that is good enough; of a call's decision, the hop."""
        if scenario == "streams" and self.slo_s is None:
            return self.hop_s
        return self.slo_s

    def seconds_of(self, scenario: Scenario) -> float:
        """Of a run that is judged, at the least; see `TIMES_SLO`."""
        return max(self.seconds, TIMES_SLO * (self.slo_of(scenario) or 0.0))


@dataclass(frozen=True)
class Requests:
    """Requests in the order in which they were issued, each at its place in every column.

    Attributes:
        query: of which it is a part; in most scenarios each is a query of its own.
        issued_s: when it came.
        started_s: when a worker was given it; None where none was.
        ended_s: when it was answered, refused, or failed.
        samples: of its waveform, at 16 kHz.
        batch: requests that were computed together; 0 where it was not.
        ending: how it ended.
        reason: why it failed.
    """

    query: tuple[Count, ...]
    issued_s: tuple[float, ...]
    started_s: tuple[float | None, ...]
    ended_s: tuple[float, ...]
    samples: tuple[Count, ...]
    batch: tuple[Count, ...]
    ending: tuple[Ending, ...]
    reason: tuple[str | None, ...]

    def __post_init__(self) -> None:
        if len({len(getattr(self, one.name)) for one in fields(self)}) > 1:
            raise ValueError("its columns are not of one length")


@dataclass(frozen=True)
class Run:
    """One run of traffic.

    Attributes:
        scenario: the kind of traffic.
        level: arrivals a second of ``server``, concurrent calls of ``streams``, else None.
        issued: requests that the traffic made.
        requests: what became of them.
        worker_starts: of workers anew, because one had ended.
        seed: of this run.
        is_cut: it was interrupted.
        generator_p99_s: 99th percentile of latency that the traffic generator itself counts, from
            the moment at which it meant to issue; None of traffic that is ours, and where cut.

    Raises:
        ValueError: the requests that ended are not those that were issued.
    """

    scenario: Scenario
    level: float | None
    issued: Count
    requests: Requests
    worker_starts: Count
    seed: int
    is_cut: bool = False
    generator_p99_s: float | None = None

    def __post_init__(self) -> None:
        ended = Counter(self.requests.ending)
        if ended.total() != self.issued:
            told = ", ".join(f"{ended[one]} {one}" for one in ("answered", "refused", "failed"))
            raise ValueError(
                f"{self.issued} requests were issued, but {ended.total()} ended ({told}): the "
                "others are lost"
            )

    def latencies_s(self) -> Times:
        """From issue to answer of each query (queries,); infinite where a part has none."""
        found = self.requests
        one_s = np.subtract(found.ended_s, found.issued_s)
        one_s[np.array(found.ending) != "answered"] = np.inf
        query = np.array(found.query, np.int64)
        longest_s = np.full(query.max(initial=-1) + 1, -np.inf)
        np.maximum.at(longest_s, query, one_s)
        return longest_s[longest_s > -np.inf]


@dataclass(frozen=True)
class LoadRecord:
    """A load test.

    Attributes:
        detector: by the name that was given.
        origin: what tells its weights from others': a SHA-256, or None of random ones.
        settings: how it was served and loaded.
        environment: the machine and the software.
        is_cut: it ended before all runs that were wanted.
        runs: in the order in which they were made.
    """

    detector: str
    origin: str | None
    settings: LoadSettings
    environment: dict[str, Any]
    is_cut: bool
    runs: tuple[Run, ...]


def effective_queries(runs: list[Run]) -> float:
    """How many independent queries say as much as those of runs: what queues is late together."""
    return sum(effective_count(one.latencies_s()) for one in runs)


def over(runs: list[Run], slo_s: float) -> tuple[int, int]:
    """How many queries of runs had no answer in time, and how many there were."""
    latencies_s = np.concatenate([one.latencies_s() for one in runs] or [np.empty(0)])
    return int((latencies_s > slo_s).sum()), len(latencies_s)


def verdict(runs: list[Run], slo_s: float, share_over: float) -> Verdict:
    """Whether queries of runs at one level are answered in time, as often as they have to be.

    It was asked after each of the runs.
    """
    return judged(*over(runs, slo_s), share_over, effective_queries(runs), len(runs))


def read_load(path: str | Path) -> LoadRecord:
    """Read what `write_load` wrote.

    Raises:
        LoadError: it cannot be read, or is no such record.
    """
    remedy = "name a load.json that `fakemamba load` wrote"
    return read_record(path, LoadRecord, LoadError, remedy, stamp=STAMP)


def write_load(record: LoadRecord, path: str | Path) -> None:
    """Write a load test as JSON, for `read_load`."""
    write_json(path, STAMP | asdict(record))


def _option(name: str) -> str:
    return name.removesuffix("_s").replace("_", "-")
