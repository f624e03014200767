"""Traffic of loadgen and of calls against a server whose worker is no process."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from fakemamba.bench.load.calls import CallTraffic, due_times
from fakemamba.bench.load.server import Server
from fakemamba.bench.load.session import NoAnswerError, Session
from fakemamba.load_record import LoadSettings, verdict

SAMPLES = (4_000, 8_000, 16_000, 8_000)  # the last one is a call's window


class Instant:
    """A worker that needs no time, or that answers nothing."""

    def __init__(self, answer=0.0, takes_s=0.0):
        self.answer, self.takes_s = answer, takes_s

    def wait_until_ready(self):
        pass

    def answers(self, samples):
        time.sleep(self.takes_s)
        return [self.answer] * len(samples)

    def close(self):
        pass


def settings(**changes):
    usual = {
        "slo_s": None,
        "percentile": 90.0,
        "lengths": "some",
        "window_s": 0.5,
        "hop_s": 0.02,
        "max_batch": 4,
        "max_wait_s": 0.0,
        "queue": 64,
        "workers": 1,
        "threads": None,
        "execution": "plain",
        "precision": "fp32",
        "device": "cpu",
        "seconds": 0.05,
        "queries": 40,
        "most_queries": 80,
        "timeout_s": 60.0,
        "seed": 0,
    }
    return LoadSettings(**{**usual, **changes})


@pytest.fixture
def session():
    """A session with a worker; its runs are told to `told`."""
    told = []

    def begin(worker=None, watch=lambda what, ended: None, **changes):
        given = settings(**changes)
        server = Server(
            lambda: worker or Instant(),
            workers=1,
            max_batch=given.max_batch,
            max_wait_s=given.max_wait_s,
            queue=given.queue,
        ).__enter__()
        opened.append(server)
        return Session(server, given, SAMPLES, 3, told.append, watch)

    opened = []
    yield begin
    for one in opened:
        one.__exit__(None, None, None)


def test_every_scenario_ends_with_each_request_accounted_for(session, tmp_path, monkeypatch):
    pytest.importorskip("mlperf_loadgen", reason="loadgen is not installed")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "audit.config").write_text("*.*.min_query_count = 7\n")  # which is not ours
    found = session()
    assert found.single_stream() is None  # there is no SLO
    found.multi_stream()
    found.offline()
    found.server((400.0,))
    assert [one.scenario for one in found.runs] == [
        *("single-stream", "multi-stream", "offline", "server")
    ]
    for run in found.runs:
        assert run.issued == len(run.requests.ending) and set(run.requests.ending) == {"answered"}
        assert set(run.requests.samples) <= set(SAMPLES[:3]) and run.generator_p99_s > 0
        assert run.generator_p99_s > np.quantile(run.latencies_s(), 0.5)
    single, multi, offline, server = (one.requests for one in found.runs)
    assert len(single.query) >= 40 and set(single.batch) == {1}
    assert multi.query[:16] == (0,) * 8 + (1,) * 8
    assert set(offline.query) == {0} and max(offline.batch) == 4
    assert len(server.query) >= 40 and list(server.issued_s) == sorted(server.issued_s)
    assert len({one.seed for one in found.runs}) == 4
    assert [one.name for one in Path().iterdir()] == ["audit.config"]  # and no logs


def test_poisson_arrivals_come_at_the_rate_or_later(session):
    pytest.importorskip("mlperf_loadgen", reason="loadgen is not installed")
    found = session(queries=400, most_queries=400)
    found.server((2_000.0,))
    issued_s = found.runs[0].requests.issued_s
    assert len(issued_s) / (issued_s[-1] - issued_s[0]) < 1.5 * 2_000


def test_a_server_that_answers_nothing_is_an_error_with_the_reason(session):
    pytest.importorskip("mlperf_loadgen", reason="loadgen is not installed")
    found = session(Instant("too short"))
    with pytest.raises(NoAnswerError, match="not one request was answered: too short"):
        found.single_stream()


def test_calls_want_decisions_at_equal_distances():
    due = list(due_times(3, 0.5, 4, seed=1))
    assert len(due) == 12 and due == sorted(due)
    for call in range(3):
        own_s = [due_s for due_s, one in due if one == call]
        assert own_s[0] < 0.5 and own_s == pytest.approx([own_s[0] + 0.5 * n for n in range(4)])
    assert due != list(due_times(3, 0.5, 4, seed=2))


def test_a_decision_counts_from_when_it_is_due():
    issued = []

    def issue(query, place, on_end, issued_s):
        if not query:
            time.sleep(0.05)  # the traffic comes late
        issued.append((query, place, issued_s, time.perf_counter()))
        on_end()

    CallTraffic(2, 0.01, range(7, 9), 10, 0.0, seed=0)(issue)
    assert [one[0] for one in issued] == list(range(10))
    assert {one[1] for one in issued} == {7, 8}
    assert all(due_s <= now_s for _, _, due_s, now_s in issued)
    assert issued[1][2] - issued[0][2] < 0.01 < issued[1][3] - issued[0][2]


def test_a_search_of_calls_judges_all_runs_of_a_number_together(session):
    found = session(Instant(takes_s=0.004), max_batch=1, hop_s=0.04)
    bracket = found.streams()
    assert {one.scenario for one in found.runs} == {"streams"}
    for level, wanted in ((bracket.held, "holds"), (bracket.failed, "fails")):
        alike = [one for one in found.runs if one.level == level]
        assert level == 0 or verdict(alike, 0.04, found._settings.share_over) == wanted
    assert bracket.held < bracket.failed


def test_an_interrupt_leaves_a_run_that_is_whole(session):
    held = threading.Event()

    class Held(Instant):
        def answers(self, samples):
            held.wait(30)
            return super().answers(samples)

    def watch(what, ended):
        raise KeyboardInterrupt

    found = session(Held(), watch)
    with pytest.raises(KeyboardInterrupt):
        found.streams()
    (run,) = found.runs
    assert run.is_cut and run.issued == len(run.requests.ending) > 0
    assert set(run.requests.ending) == {"failed"}
    assert set(run.requests.reason) == {"interrupted"}
    held.set()


def test_a_run_that_is_judged_is_long_beside_the_slo():
    assert settings(slo_s=2.0).seconds_of("server") == 20.0
    assert settings(hop_s=0.5).seconds_of("streams") == 5.0
    assert settings(slo_s=0.001).seconds_of("server") == settings().seconds_of("server") == 0.05
