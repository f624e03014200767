"""Maps of many recordings: windows by hand, and what becomes of recordings without a map."""

import numpy as np
import pytest
import soundfile
import torch

from fakemamba.data.synthetic import speech_like
from fakemamba.data.trials import Trial
from fakemamba.evaluation.frame_maps import (
    ALL_METHODS,
    WINDOWS,
    Mapper,
    MapWindows,
    check_methods,
)
from fakemamba.evaluation.streams.windowing import WindowingError
from fakemamba.models.maps.methods import MapError


@pytest.fixture
def detector(make_detector):
    return make_detector("fake-mamba", depth=1)


def score(detector, waveform):
    with torch.no_grad():
        logits = detector(torch.from_numpy(waveform)[None])
    return detector.scores(logits).item()


def test_a_frame_has_the_mean_of_the_windows_that_cover_it(detector):
    waveform = speech_like(16_000, 1)
    mapper = Mapper(detector, [WINDOWS], windows=MapWindows(window=0.5, hop=0.25))
    found = mapper.maps(waveform)[WINDOWS]
    scores = [score(detector, waveform[start : start + 8_000]) for start in (0, 4_000, 8_000)]
    assert len(found) == 49
    expected = [scores[0], sum(scores[:2]) / 2, sum(scores[1:]) / 2, scores[2]]
    assert found[[0, 20, 30, 48]] == pytest.approx(expected, abs=1e-5)
    assert len(set(found.tolist())) == 4


def test_the_end_is_in_a_window_of_its_own(detector):
    waveform = speech_like(10_000, 1)
    found = Mapper(detector, [WINDOWS], windows=MapWindows(0.5, 0.5)).maps(waveform)[WINDOWS]
    assert found[0] == pytest.approx(score(detector, waveform[:8_000]), abs=1e-5)
    assert found[-1] == pytest.approx(score(detector, waveform[2_000:]), abs=1e-5)


def test_a_recording_shorter_than_a_window_is_one(detector):
    waveform = speech_like(6_000, 2)
    found = Mapper(detector, [WINDOWS]).maps(waveform)[WINDOWS]
    np.testing.assert_allclose(found, np.full(18, score(detector, waveform)), atol=1e-5)


def test_without_a_choice_there_are_all_maps_that_the_detector_has(detector):
    mapper = Mapper(detector)
    lacks = {"attention-rollout", "supervised"}
    assert mapper.methods == tuple(one for one in ALL_METHODS if one not in lacks)
    told = mapper.told()
    assert told[WINDOWS]["settings"] == {"window": 1.0, "hop": 0.2}
    assert told["integrated-gradients"]["settings"] == {"steps": 32, "baseline": "zero"}
    assert [name for name, about in told.items() if about["is_signed"]] == [
        "gradient",
        "integrated-gradients",
        WINDOWS,
    ]
    assert mapper.frame_s == 0.02


def test_what_cannot_be_is_refused_before_any_work(detector):
    with pytest.raises(MapError, match="unknown method 'gradients'; did you mean gradient"):
        check_methods(["windows", "gradients"])
    with pytest.raises(MapError, match="has no attention-rollout; it has gradient, integrated"):
        Mapper(detector, ["attention-rollout"])
    with pytest.raises(MapError, match="supervised is by a --classifier"):
        Mapper(detector, ["supervised"])
    with pytest.raises(WindowingError, match=r"the detector takes 0\.025 s at the least"):
        Mapper(detector, [WINDOWS], windows=MapWindows(0.01, 0.01))
    with pytest.raises(WindowingError, match="--hop 2 is more than --window 1"):
        MapWindows(hop=2)


def test_a_recording_without_a_map_has_its_reason_and_others_go_on(detector, tmp_path, monkeypatch):
    trials = [Trial("none", tmp_path / "none.wav")]
    for name, samples in (("short", 500), ("good", 4_000), ("huge", 5_000), ("odd", 6_000)):
        trials.append(Trial(name, tmp_path / f"{name}.wav"))
        soundfile.write(trials[-1].path, speech_like(samples, 0), 16_000)
    mapper = Mapper(detector, ["gradient"])
    monkeypatch.setattr(type(detector), "min_frames", 3)
    real = type(detector).check_input

    def check(self, waveforms, lengths):
        if waveforms.shape[1] == 5_000:
            raise MemoryError
        if waveforms.shape[1] == 6_000:
            waveforms[:] = float("nan")
        return real(self, waveforms, lengths)

    monkeypatch.setattr(type(detector), "check_input", check)
    found = {one.trial.trial_id: one for one in mapper.map_trials(trials)}
    assert list(found) == ["none", "short", "good", "huge", "odd"]
    assert found["good"].reason is None and set(found["good"].maps) == {"gradient"}
    assert found["none"].waveform is None and "none.wav" in found["none"].reason
    assert "short.wav: an utterance of 500 samples is too short" in found["short"].reason
    assert "out of memory with 0.3 s" in found["huge"].reason
    assert "odd.wav: the map by gradient is not finite" in found["odd"].reason
    assert not any(found[name].maps for name in ("none", "short", "huge", "odd"))
