"""Load tests whose requests are made up."""

import random

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
    """A run in which a request comes each second; some, at random, are refused, failed, or late.

    Those that are at once are in order, and the last ones late.
    """

    def make(scenario="server", level=5.0, count=480, *, late=0, refused=0, failed=0, at_once=1):
        draw = random.Random(0)
        in_time = count - late - refused - failed
        fates = (
            ["in time"] * in_time + ["late"] * late + ["refused"] * refused + ["failed"] * failed
        )
        if at_once == 1:
            draw.shuffle(fates)
        rows = []
        for number, fate in enumerate(fates):
            query = number // at_once
            if fate in ("refused", "failed"):
                reason = "its process was killed" if fate == "failed" else None
                rows.append((query, float(query), None, float(query), 32_000, 0, fate, reason))
                continue
            started_s = query + {"in time": 0.1, "late": 2.0}[fate] + 1e-9 * draw.random()
            rows.append(
                (query, float(query), started_s, started_s + 0.25, 32_000, 2, "answered", None)
            )
        columns = zip(*rows, strict=True) if rows else [()] * 8
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
