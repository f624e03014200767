"""A detector that listens: its decisions are those of whole recordings, whatever comes how."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakemamba.data.streaming import StreamError
from fakemamba.data.synthetic import speech_like
from fakemamba.evaluation.judgement import OperatingPoint
from fakemamba.evaluation.manner import Manner
from fakemamba.evaluation.streams.detector import StreamingDetector
from fakemamba.evaluation.streams.windowing import Windowing, WindowingError

RATE = 16_000


@pytest.fixture(scope="module")
def waveform():
    return speech_like(24_000, 3)


@pytest.fixture
def detector(make_detector):
    return make_detector("fake-mamba-s").eval()


def score(detector, waveform):
    with torch.inference_mode():
        return detector.scores(detector(torch.from_numpy(waveform)[None])).item()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=5)
@given(pieces=st.lists(st.integers(100, 9_000), min_size=1, max_size=4), rule=st.integers(0, 2))
def test_one_window_over_all_gives_the_score_of_the_whole(detector, waveform, pieces, rule):
    windowing = Windowing(10.0, 0.7, ("latest", "mean", "maximum")[rule], speech_dbfs=None)
    listener, decisions, place = StreamingDetector(detector, windowing), [], 0
    while place < len(waveform):
        for size in pieces:
            decisions += listener.feed(waveform[place : place + size])
            place += size
    last = listener.close()
    assert [one.at_s for one in decisions] == pytest.approx([0.7, 1.4])
    assert last.at_s == len(waveform) / RATE
    assert last.judgement.score == pytest.approx(score(detector, waveform), abs=1e-5)
    assert listener.close() == last  # asking again changes nothing


def test_each_window_gets_the_score_of_its_samples(detector, waveform):
    listener = StreamingDetector(detector, Windowing(0.5, 0.25, "latest", speech_dbfs=None))
    for one in listener.feed(waveform):
        start, end = round(one.start_s * RATE), round(one.at_s * RATE)
        assert one.window_score == pytest.approx(score(detector, waveform[start:end]), abs=1e-5)


def test_silence_and_what_is_too_short_get_no_verdict(detector, waveform):
    point = OperatingPoint("given", 0.0, "")
    windowing = Windowing(1.0, 0.25)
    listener = StreamingDetector(detector, windowing, point=point)
    silent = np.zeros(RATE, np.float32)
    found = list(listener.feed(np.concatenate([silent, waveform[: RATE // 2], silent, silent])))
    kinds = [one.status for one in found]
    assert kinds[:4] == ["silence"] * 4 and "judged" in kinds and kinds[-4:] == ["silence"] * 4
    for one in found:
        assert (one.judgement is None) == (one.status != "judged")
        assert (one.to_json()["verdict"] is None) == (one.status != "judged")
    short = StreamingDetector(detector, Windowing(1.0, 0.02, speech_dbfs=None))
    assert [one.status for one in short.feed(waveform[:700])] == ["too short", "judged"]


def test_warming_up_is_no_part_of_the_stream(detector, waveform):
    windowing = Windowing(0.5, 0.25, "mean", speech_dbfs=None)
    cold, warm = StreamingDetector(detector, windowing), StreamingDetector(detector, windowing)
    calls = []
    handle = detector.register_forward_hook(lambda *_: calls.append(1))
    frontend = detector.frontend.register_forward_hook(lambda *_: calls.append(1))
    warm.warm_up()
    handle.remove()
    frontend.remove()
    assert calls and warm.position == 0
    assert list(warm.feed(waveform)) == list(cold.feed(waveform))


def test_whoever_is_behind_gets_the_latest_and_the_number_of_the_others(detector, waveform):
    listener = StreamingDetector(detector, Windowing(0.5, 0.25, speech_dbfs=None))
    (only,) = listener.feed(waveform, only_latest=True)
    assert (only.at_s, only.skipped) == (1.5, 5)


def test_audio_that_is_missing_is_told_and_never_judged_across(detector, waveform):
    listener = StreamingDetector(detector, Windowing(0.5, 0.25, speech_dbfs=None))
    list(listener.feed(waveform[:10_000], at=0))
    first, second = listener.feed(waveform[:8_000], at=16_000)
    assert first.missing_s == pytest.approx(6_000 / RATE) and second.missing_s == 0
    assert first.start_s == 1.0
    with pytest.raises(StreamError, match=r"of 1\.000 s, but the stream is at 1\.500 s"):
        listener.feed(waveform, at=16_000)


@pytest.mark.parametrize(
    ("samples", "told"),
    [
        (np.full(10, np.nan, np.float32), "sample 100 of the stream is not a finite number"),
        (np.zeros((2, 5), np.float32), r"shape \(2, 5\)"),
        (np.zeros(10, np.int16), "int16"),
    ],
)
def test_what_is_no_audio_is_refused_and_changes_nothing(detector, samples, told):
    listener = StreamingDetector(detector, Windowing(0.5, 0.25))
    list(listener.feed(np.zeros(100, np.float32)))
    with pytest.raises(StreamError, match=told):
        listener.feed(samples)
    assert listener.position == 100


def test_windows_shorter_than_the_detector_takes_are_refused(detector):
    with pytest.raises(WindowingError, match=r"--window 0\.02: the detector takes 0\.025 s"):
        StreamingDetector(detector, Windowing(0.02, 0.01))


def test_a_detector_without_a_number_is_told(detector, waveform, monkeypatch):
    listener = StreamingDetector(detector, Windowing(0.5, 0.5, speech_dbfs=None))
    monkeypatch.setattr(listener, "_score", lambda *given: float("nan"))
    with pytest.raises(StreamError, match=r"at 0\.500 s the detector gives nan"):
        list(listener.feed(waveform))


@pytest.mark.parametrize(
    ("precision", "hop", "reuses"), [("fp32", 0.1, True), ("int8", 0.1, False)]
)
def test_frames_that_windows_share_are_made_once(detector, waveform, precision, hop, reuses):
    windowing = Windowing(0.5, hop, "latest", speech_dbfs=None)
    listener = StreamingDetector(detector, windowing, manner=Manner(precision=precision))
    assert (listener._reusing is not None) == reuses
    assert StreamingDetector(detector, Windowing(0.5, 0.5))._reusing is None  # nothing is shared
