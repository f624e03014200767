"""Load tests whose requests are made up."""

import pytest

from fakemamba.load_record import LoadRecord, LoadSettings, Requests, Run

SETTINGS = LoadSettings(
    slo_s=1.0,
    percentile=99.0,
    lengths="4 s",
    window_s=4.0,
    hop_s=0.5,
    max_batch=8,
    max_wait_s=0.0,
    queue=64,
    workers=1,
    threads=2,
    execution="plain",
    precision="fp32",
    device="cpu",
    seconds=10.0,
    queries=405,
    most_queries=1_620,
    timeout_s=60.0,
    seed=0,
)


@pytest.fixture
def make_run():
    """A run in which a request comes each second; the last ones are refused, failed, or late."""

    def make(scenario="server", level=5.0, count=400, *, late=0, refused=0, failed=0, at_once=1):
        answered = count - refused - failed
        issued_s = tuple(float(number // at_once) for number in range(count))
        waits_s = [0.1] * (answered - late) + [2.0] * late
        started_s = (*map(sum, zip(issued_s, waits_s, strict=False)), *[None] * (refused + failed))
        ended_s = (*(one + 0.25 for one in started_s[:answered]), *issued_s[answered:])
        endings = ("answered",) * answered + ("refused",) * refused + ("failed",) * failed
        reasons = (None,) * (count - failed) + ("its process was killed",) * failed
        query = tuple(number // at_once for number in range(count))
        batch = (2,) * answered + (0,) * (refused + failed)
        samples = (32_000,) * count
        columns = (query, issued_s, started_s, ended_s, samples, batch, endings, reasons)
        return Run(scenario, level, count, Requests(*columns), 0, 0)

    return make


@pytest.fixture
def make_record():
    """A record of runs; keywords change its settings."""

    def make(*runs, is_cut=False, **changes):
        settings = LoadSettings(**{**vars(SETTINGS), **changes})
        environment = {"device": "CPU: a | strange one, 2 threads"}
        return LoadRecord("fake-mamba", None, settings, environment, is_cut, runs)

    return make
