"""A server goes on when workers end, and tells of every request how it ended."""

import threading
import time

import pytest

from fakemamba.bench.child import ChildEndedError
from fakemamba.bench.load.dispatch import Request
from fakemamba.bench.load.server import Server
from fakemamba.load_record import LoadError


class Fake:
    """A worker that answers with places, and ends at a place that it is told to end at."""

    def __init__(self, ends_at=(), cannot_start=False, held=None):
        self.ends_at, self.cannot_start, self.held = ends_at, cannot_start, held
        self.is_closed = False

    def wait_until_ready(self):
        if self.cannot_start:
            raise ChildEndedError("its process ended with: ValueError: no such thing", "")

    def answers(self, samples):
        if self.held is not None:
            self.held.wait(30)
        if set(self.ends_at) & set(samples):
            raise ChildEndedError("its process was killed", "")
        return [float(one) for one in samples]

    def close(self):
        self.is_closed = True


def served(fakes, places, then=lambda: None, **options):
    """The requests for these places, ended, and the server."""
    left = iter(fakes)
    over = threading.Semaphore(0)
    usual = {"workers": 1, "max_batch": 1, "max_wait_s": 0.0, "queue": 99} | options
    with Server(lambda: next(left), **usual) as server:
        made = [
            Request(number, place, 1, time.perf_counter(), lambda one: over.release())
            for number, place in enumerate(places)
        ]
        for one in made:
            server.issue(one)
        then()
        for _ in made:
            assert over.acquire(timeout=30)
    return made, server


def test_what_a_worker_computes_fails_when_it_ends_and_another_goes_on():
    workers = [Fake(ends_at=[3]), Fake(ends_at=[5]), Fake()]
    made, server = served(workers, range(8))
    endings = [one.ending for one in made]
    assert endings == ["answered"] * 3 + ["failed", "answered", "failed"] + ["answered"] * 2
    assert made[3].reason == "its process was killed"
    assert server.worker_starts == 2
    assert all(one.is_closed for one in workers)


def test_where_no_worker_can_be_started_anew_requests_fail_with_the_reason():
    workers = [Fake(ends_at=[0]), *(Fake(cannot_start=True) for _ in range(9))]
    made, _ = served(workers, range(3))
    assert [one.ending for one in made] == ["failed"] * 3
    assert made[2].reason.startswith("no worker can be started anew: its process ended with")


def test_where_none_can_be_started_at_all_it_is_an_error_and_the_others_are_closed():
    workers = [Fake(), Fake(cannot_start=True)]
    with pytest.raises(LoadError, match="no worker can be started: its process ended with: Value"):
        served(list(workers), [0], workers=2)
    assert all(one.is_closed for one in workers)


def test_a_full_queue_refuses_and_all_others_are_answered():
    held = threading.Event()
    made, _ = served([Fake(held=held)], range(9), then=held.set, queue=2, max_batch=2)
    endings = [one.ending for one in made]
    assert set(endings) == {"answered", "refused"} and endings[-1] == "refused"
    assert endings.count("answered") >= 2


def test_what_nobody_foresaw_ends_all_requests_and_is_raised():
    class Broken(Fake):
        def answers(self, samples):
            return []  # one too few

    made, server = served([Broken()], range(3))
    assert {one.ending for one in made} == {"failed"}
    with pytest.raises(ValueError, match="shorter"):
        server.check()


def test_abandoned_requests_fail_also_those_that_are_computed():
    held = threading.Event()
    made = [Request(number, number, 1, 0.0) for number in range(4)]
    usual = {"workers": 1, "max_batch": 1, "max_wait_s": 0.0, "queue": 9}
    with Server(lambda: Fake(held=held), **usual) as server:
        for one in made[:3]:
            server.issue(one)
        server.abandon("interrupted")
        server.issue(made[3])
        assert {(one.ending, one.reason) for one in made} == {("failed", "interrupted")}
        held.set()


def test_several_workers_share_a_queue():
    made, _ = served([Fake(), Fake(), Fake()], range(50), workers=3, max_batch=4)
    assert {one.ending for one in made} == {"answered"}
