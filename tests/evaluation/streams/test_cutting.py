"""Windows of a stream: where they lie, whatever pieces it comes in, and what silence does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakemamba.evaluation.streams.cutting import FRAME, MARGIN, WindowCutter
from fakemamba.evaluation.streams.windowing import Windowing, WindowingError

RATE = 16_000


def cut(waveform, windowing, pieces):
    """All windows of a waveform that comes in pieces of these sizes, again and again."""
    cutter, windows, place = WindowCutter(windowing), [], 0
    while place < len(waveform):
        for size in pieces:
            piece = waveform[place : place + size]
            expected = cutter.completed_by(len(piece))
            windows += (found := list(cutter.feed(piece)))
            assert len(found) == expected
            place += size
    last = cutter.close()
    return windows + [last] * (last is not None)


def noise(num_samples, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, num_samples).astype(np.float32)


@settings(max_examples=40)
@given(
    num_samples=st.integers(1, 9_000),
    window=st.integers(1, 4_000),
    hop=st.integers(1, 4_000),
    pieces=st.lists(st.integers(1, 3_000), min_size=1, max_size=4),
)
def test_windows_are_the_last_samples_at_each_hop_and_at_the_end(num_samples, window, hop, pieces):
    hop = max(min(hop, window), num_samples // 50 + 1)
    if hop > window:
        return
    waveform = noise(num_samples)
    windowing = Windowing(window / RATE, hop / RATE, speech_dbfs=None)
    found = cut(waveform, windowing, pieces)
    ends = [*range(hop, num_samples + 1, hop)]
    ends += [num_samples] * (num_samples % hop != 0)
    assert [one.end for one in found] == ends
    for one in found:
        assert one.start == max(one.end - window, 0)
        assert np.array_equal(one.waveform, waveform[one.start : one.end])


@settings(max_examples=40)
@given(
    loud=st.lists(st.booleans(), min_size=3, max_size=60),
    pieces=st.lists(st.integers(1, 2_000), min_size=1, max_size=3),
)
def test_silence_is_no_window_and_speech_begins_where_it_is_loud(loud, pieces):
    waveform = noise(len(loud) * FRAME) * np.repeat(np.where(loud, 1.0, 1e-4), FRAME)
    waveform = waveform.astype(np.float32)
    windowing = Windowing(10 * FRAME / RATE, 4 * FRAME / RATE)
    found = cut(waveform, windowing, pieces)
    again = cut(waveform, windowing, [len(waveform)])
    assert [(one.start, one.end) for one in found] == [(one.start, one.end) for one in again]
    for one in found:
        last = one.end // FRAME
        heard = loud[max(last - 10, 0) : last]
        assert (one.waveform is None) == (sum(heard) < 5)
        if one.waveform is not None:
            assert len(one.waveform) == one.end - one.start <= 10 * FRAME
            first = max(last - 10, 0) + heard.index(True)
            assert one.start <= first * FRAME


def test_the_first_window_begins_shortly_before_speech():
    waveform = np.concatenate([np.zeros(RATE, np.float32), noise(RATE)])
    (first, second) = cut(waveform, Windowing(4.0, 1.0), [700])
    assert first.waveform is None
    assert (second.start, second.end) == (RATE - MARGIN, 2 * RATE)


def test_a_restart_forgets_what_was_before():
    cutter = WindowCutter(Windowing(1.0, 0.5, speech_dbfs=None))
    list(cutter.feed(noise(RATE)))
    cutter.restart(5 * RATE)
    (found,) = cutter.feed(noise(RATE // 2, 1))
    assert (found.start, found.end) == (5 * RATE, 5 * RATE + RATE // 2)
    assert cutter.close() is None


def test_memory_does_not_grow_with_the_stream():
    cutter = WindowCutter(Windowing(0.5, 0.25))
    for seed in range(40):
        for _ in cutter.feed(noise(RATE, seed)):
            pass
    held = [one for one in vars(cutter).values() if isinstance(one, np.ndarray)]
    assert sum(one.size for one in held) <= RATE // 2 + RATE // 2 // FRAME + 1
    assert all(one.base is None or one.base.size <= RATE for one in held)


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ({"hop": 2.0, "window": 1.0}, "--hop 2 is more than --window 1"),
        ({"hop": 0.0}, "hop"),
        ({"window": float("nan")}, "window"),
        ({"hop": 1e-9}, "less than a sample"),
        ({"speech_dbfs": 3.0}, "speech_dbfs"),
        ({"rule": "best"}, "rule"),
    ],
)
def test_windows_that_cannot_be_are_refused(numbers, told):
    with pytest.raises(WindowingError, match=told):
        Windowing(**numbers)
