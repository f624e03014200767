"""Audio that comes while others work: nothing grows, nothing is lost untold."""

import threading

import numpy as np
import pytest

from fakemamba.evaluation.streams import live
from fakemamba.evaluation.streams.live import LiveAudio, played


def block(value, size=1_600):
    return np.full(size, value, np.float32)


def test_what_has_come_is_taken_once_and_in_order():
    audio = LiveAudio([block(1), block(2)])
    taken = []
    while (came := audio.take(10.0)) is not None:
        assert came.at == sum(map(len, taken))
        taken.append(came.samples)
    assert np.concatenate(taken).tolist() == [1.0] * 1_600 + [2.0] * 1_600


def test_what_is_not_taken_is_dropped_from_its_beginning():
    has_all = threading.Event()

    def source():
        for value in range(20):
            yield block(value)
        has_all.set()

    audio = LiveAudio(source(), held_s=0.5)
    assert has_all.wait(10)
    came = audio.take(10.0)
    assert came.at == 15 * 1_600 and len(came.samples) == 8_000
    assert came.samples[0] == 15 and came.samples[-1] == 19


def test_a_source_that_says_nothing_gives_nothing_after_a_while():
    goes_on = threading.Event()

    def source():
        goes_on.wait(10)
        yield block(1)

    audio = LiveAudio(source())
    assert len(audio.take(0.01).samples) == 0
    goes_on.set()
    assert len(audio.take(10.0).samples) == 1_600
    assert audio.take(10.0) is None


def test_an_error_of_the_source_comes_after_what_came_before():
    def source():
        yield block(1)
        raise ValueError("no more")

    audio = LiveAudio(source())
    assert len(audio.take(10.0).samples) == 1_600
    with pytest.raises(ValueError, match="no more"):
        audio.take(10.0)


def test_a_recording_is_played_as_long_as_it_is(monkeypatch):
    now_s = 0.0

    def sleep(seconds):
        nonlocal now_s
        now_s += seconds

    monkeypatch.setattr(live.time, "monotonic", lambda: now_s)
    monkeypatch.setattr(live.time, "sleep", sleep)
    pieces = list(played([block(1, 20_000), block(2, 12_000)]))
    assert now_s == pytest.approx(2.0) and max(map(len, pieces)) == 320
    assert np.concatenate(pieces).tolist() == [1.0] * 20_000 + [2.0] * 12_000
