"""Traffic by MLCommons' loadgen: the scenarios of MLPerf, with their arrivals and their order.

It issues from a thread of its own and cannot be stopped; whoever does not wait for it leaves it.
What it writes, mlperf_log_*, goes to a temporary folder, and an ``audit.config`` where the user
happens to be is not read.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from fakemamba.load_record import Scenario

NAMES = {
    "single-stream": "SingleStream",
    "multi-stream": "MultiStream",
    "server": "Server",
    "offline": "Offline",
}
AT_ONCE = 8  # samples of a query of MultiStream, as MLPerf has it
P99 = "result_99.00_percentile_latency_ns"


class Issue(Protocol):
    """Takes a request: of a query, for a waveform by its place, and whom to tell of its end."""

    def __call__(
        self,
        query: int,
        place: int,
        on_end: Callable[[], None],
        issued_s: float | None = None,
    ) -> None:
        """Return at once; without a time it is issued now."""
        ...


def check_installed() -> None:
    """Raise ModuleNotFoundError, of which a command makes a line, where loadgen is not there."""
    import mlperf_loadgen  # noqa: F401


@dataclass(frozen=True)
class LoadgenTraffic:
    """One run of a scenario.

    Attributes:
        scenario: one of `NAMES`.
        waveforms: so many to choose from.
        queries: at the least; of ``offline`` the samples of its only one.
        seconds: at the least.
        seed: of arrivals and of the order of waveforms.
        rate: queries a second, of ``server``.
    """

    scenario: Scenario
    waveforms: int
    queries: int
    seconds: float
    seed: int
    rate: float = 1.0

    def __call__(self, issue: Issue) -> float | None:
        """Issue all requests and wait until each has ended.

        Returns:
            The 99th percentile of latency that loadgen counts, in seconds.
        """
        import mlperf_loadgen

        query = 0

        def issue_all(samples: list[Any]) -> None:
            nonlocal query
            for one in samples:
                issue(query, one.index, _completing(one.id))
            query += 1

        sut = mlperf_loadgen.ConstructSUT(issue_all, _nothing)
        library = mlperf_loadgen.ConstructQSL(self.waveforms, self.waveforms, _ignore, _ignore)
        try:
            with TemporaryDirectory() as folder:
                mlperf_loadgen.StartTestWithLogSettings(
                    sut,
                    library,
                    self._settings(mlperf_loadgen),
                    _quiet(mlperf_loadgen, folder),
                    str(Path(folder) / "audit.config"),
                )
                return _told_p99_s(Path(folder) / "mlperf_log_detail.txt")
        finally:
            mlperf_loadgen.DestroySUT(sut)
            mlperf_loadgen.DestroyQSL(library)

    def _settings(self, loadgen: Any) -> Any:
        settings = loadgen.TestSettings()
        settings.scenario = getattr(loadgen.TestScenario, NAMES[self.scenario])
        settings.mode = loadgen.TestMode.PerformanceOnly
        settings.min_query_count = self.queries
        settings.min_duration_ms = 0 if self.scenario == "offline" else round(1e3 * self.seconds)
        settings.multi_stream_samples_per_query = AT_ONCE
        settings.server_target_qps = self.rate
        settings.qsl_rng_seed = settings.sample_index_rng_seed = self.seed
        settings.schedule_rng_seed = self.seed
        return settings


def _quiet(loadgen: Any, folder: str) -> Any:
    settings = loadgen.LogSettings()
    settings.enable_trace = False
    settings.log_output.outdir = folder
    settings.log_output.copy_summary_to_stdout = False
    settings.log_output.copy_detail_to_stdout = False
    return settings


def _completing(number: int) -> Callable[[], None]:
    """What tells loadgen that a sample has ended."""
    import mlperf_loadgen

    def complete() -> None:
        response = mlperf_loadgen.QuerySampleResponse(number, 0, 0)
        mlperf_loadgen.QuerySamplesComplete([response])

    return complete


def _told_p99_s(log: Path) -> float | None:
    """What loadgen says of its 99th percentile, in lines of JSON behind a mark."""
    for line in log.read_text(errors="replace").splitlines():
        if P99 in line:
            return float(json.loads(line.partition(" ")[2])["value"]) * 1e-9
    return None


def _nothing() -> None:
    """Samples are issued at once, so that there is nothing to flush."""


def _ignore(places: list[int]) -> None:
    """Workers hold all waveforms from the start."""
