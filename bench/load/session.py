"""Runs of traffic against one server, in the order in which each needs what the last one found."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from threading import Lock, Thread

import numpy as np

from fakemamba.bench.load.calls import CallTraffic
from fakemamba.bench.load.dispatch import Request, columns
from fakemamba.bench.load.loadgen import AT_ONCE, Issue, LoadgenTraffic
from fakemamba.bench.load.search import Bracket, search
from fakemamba.bench.load.server import Server, clock_s
from fakemamba.load_record import LoadSettings, Run, Scenario, verdict
from fakemamba.shares import Verdict

LOOKED_EVERY_S = 0.2
LEFT_AFTER_S = 2.0  # traffic that goes on by itself after an interrupt
INTERRUPTED = "interrupted"
LEAST_OFFLINE, LEAST_MULTI, FIRST_DECISIONS = 64, 10, 20
SHARE_OF_CAPACITY = 0.5  # of one at a time, where a search begins

Traffic = Callable[[Issue], float | None]
Watch = Callable[[str, int], None]  # what runs, and how many of its requests have ended
Tell = Callable[[list[Run]], None]


class NoAnswerError(ValueError):
    """Nothing can be measured of a server that answers nothing."""


class Session:
    """What is measured of a server; `runs` grows, also where one is interrupted.

    Args:
        server: whose workers hold the waveforms.
        settings: how it is loaded.
        samples: of each waveform, first those of utterances.
        utterances: how many of them are utterances; the others are windows of calls.
        tell: is told of each run, with those before it at the same level.
        watch: is told how far a run is.
    """

    def __init__(
        self,
        server: Server,
        settings: LoadSettings,
        samples: Sequence[int],
        utterances: int,
        tell: Tell,
        watch: Watch,
    ) -> None:
        self.runs: list[Run] = []
        self._server, self._settings, self._samples = server, settings, samples
        self._utterances = utterances
        self._tell, self._watch = tell, watch

    def single_stream(self) -> Verdict | None:
        """One utterance at a time; whether that is within the SLO, if there is one.

        Raises:
            NoAnswerError: none was answered.
        """
        run = self._loadgen("single-stream", self._settings.queries, self._settings.seconds)
        self._mean_computing_s("single-stream")
        return self._verdict([run])

    def multi_stream(self) -> None:
        """Some utterances at once, and the next ones when all have ended."""
        self._loadgen("multi-stream", LEAST_MULTI, self._settings.seconds, room=AT_ONCE)

    def offline(self) -> None:
        """All utterances at once, as many as take about as long as any run does."""
        mean_s = self._mean_computing_s("single-stream")
        count = math.ceil(self._settings.seconds * self._settings.workers / mean_s)
        count = max(count, LEAST_OFFLINE)
        self._loadgen("offline", count, self._settings.seconds, room=count)

    def server(self, rates: Sequence[float]) -> None:
        """Poisson arrivals at each rate; where there are none, at those of a search."""
        for rate in rates:
            self._at_rate(rate)
        if not rates:
            mean_s = self._mean_computing_s("single-stream")
            self._search("server", SHARE_OF_CAPACITY * self._settings.workers / mean_s)

    def streams(self) -> Bracket:
        """Concurrent calls, as many as a search tries."""
        self._of_calls(1, FIRST_DECISIONS, seconds=0.0)
        mean_s = self._mean_computing_s("streams")
        first = SHARE_OF_CAPACITY * self._settings.workers * self._settings.hop_s / mean_s
        return self._search("streams", first)

    def _search(self, scenario: Scenario, first: float) -> Bracket:
        def judge(level: float) -> Verdict:
            while True:
                if scenario == "server":
                    self._at_rate(level)
                else:
                    seconds = self._settings.seconds_of("streams")
                    self._of_calls(round(level), self._settings.queries, seconds)
                alike = self._alike(self.runs[-1])
                found = self._verdict(alike) or "undecided"
                queries = sum(len(one.latencies_s()) for one in alike)
                if found != "undecided" or queries >= self._settings.most_queries:
                    return found

        return search(judge, first, is_whole=scenario == "streams")

    def _verdict(self, runs: list[Run]) -> Verdict | None:
        slo_s = self._settings.slo_of(runs[0].scenario)
        return None if slo_s is None else verdict(runs, slo_s, self._settings.share_over)

    def _at_rate(self, rate: float) -> None:
        seconds = self._settings.seconds_of("server")
        self._loadgen("server", self._settings.queries, seconds, rate)

    def _loadgen(
        self,
        scenario: Scenario,
        queries: int,
        seconds: float,
        rate: float | None = None,
        room: int | None = None,
    ) -> Run:
        seed = self._seed()
        traffic = LoadgenTraffic(scenario, self._utterances, queries, seconds, seed, rate or 1.0)
        return self._run(traffic, scenario, rate, seed, room)

    def _of_calls(self, calls: int, queries: int, seconds: float) -> None:
        places = range(self._utterances, len(self._samples))
        seed = self._seed()
        traffic = CallTraffic(calls, self._settings.hop_s, places, queries, seconds, seed)
        self._run(traffic, "streams", float(calls), seed)

    def _seed(self) -> int:
        """Of the next run, so that no two have the same arrivals."""
        return 1_000 * self._settings.seed + len(self.runs)

    def _run(
        self,
        traffic: Traffic,
        scenario: Scenario,
        level: float | None,
        seed: int,
        room: int | None = None,
    ) -> Run:
        """Run traffic in a thread, so that Ctrl-C reaches this one, and record what became of it.

        Raises:
            ValueError: a request was lost.
        """
        self._server.room_for(room)
        ledger = _Ledger(self._server, self._samples, traffic)
        starts = self._server.worker_starts
        words = scenario if level is None else f"{scenario}, {level:g}"
        is_cut = True
        try:
            while ledger.is_alive():
                ledger.join(LOOKED_EVERY_S)
                self._watch(words, ledger.ended)
            is_cut = False
        finally:
            if is_cut:
                self._server.abandon(INTERRUPTED)
                ledger.join(LEFT_AFTER_S)
            self._server.check()
            requests = ledger.close()
            run = Run(
                scenario,
                level,
                issued=len(requests),
                requests=columns(requests, ledger.began_s),
                worker_starts=self._server.worker_starts - starts,
                seed=seed,
                is_cut=is_cut,
                generator_p99_s=ledger.generator_p99_s,
            )
            self.runs.append(run)
            self._tell(self._alike(run))
        return run

    def _alike(self, run: Run) -> list[Run]:
        """The runs of a scenario at a level, which are judged together."""
        return [one for one in self.runs if (one.scenario, one.level) == (run.scenario, run.level)]

    def _mean_computing_s(self, scenario: Scenario) -> float:
        """Of an answer, by the last run of a scenario.

        Raises:
            NoAnswerError: there was none.
        """
        found = next(one for one in reversed(self.runs) if one.scenario == scenario).requests
        rows = zip(found.started_s, found.ended_s, found.ending, strict=True)
        took_s = [
            ended_s - started_s
            for started_s, ended_s, ending in rows
            if ending == "answered" and started_s is not None
        ]
        if not took_s:
            reason = next((one for one in found.reason if one), "all were refused")
            raise NoAnswerError(f"{scenario}: not one request was answered: {reason}")
        return float(np.mean(took_s))


class _Ledger(Thread):
    """A thread of traffic, and the requests that it issued."""

    def __init__(self, server: Server, samples: Sequence[int], traffic: Traffic) -> None:
        super().__init__(name="traffic", daemon=True)
        self.began_s = clock_s()
        self.ended = 0
        self.generator_p99_s: float | None = None
        self._server, self._samples, self._traffic = server, samples, traffic
        self._lock = Lock()  # between a request and the list of them
        self._requests: list[Request] | None = []
        self._fault: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Issue all, in this thread."""
        try:
            self.generator_p99_s = self._traffic(self._issue)
        except BaseException as error:
            self._fault = error

    def close(self) -> list[Request]:
        """All requests; what is issued from now on is not served.

        Raises:
            BaseException: what ended the traffic.
        """
        with self._lock:
            requests, self._requests = self._requests or [], None
        if self._fault is not None:
            raise self._fault
        return requests

    def _issue(
        self, query: int, place: int, on_end: Callable[[], None], issued_s: float | None = None
    ) -> None:
        def told(request: Request) -> None:
            self.ended += 1
            on_end()

        issued_s = clock_s() if issued_s is None else issued_s
        request = Request(query, place, self._samples[place], issued_s, told)
        with self._lock:
            if self._requests is not None:
                self._requests.append(request)
                self._server.issue(request)
                return
        on_end()
