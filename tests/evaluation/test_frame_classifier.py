"""A linear classifier of frames: it finds what a straight line can, and is refused elsewhere."""

import numpy as np
import pytest
import soundfile
import torch

from fakemamba.data.synthetic import speech_like
from fakemamba.data.trials import Trial
from fakemamba.evaluation.frame_classifier import (
    ClassifierError,
    fit_classifier,
    read_classifier,
    write_classifier,
)
from fakemamba.evaluation.frame_maps import Mapper
from fakemamba.evaluation.metrics.localization import segment_eer
from fakemamba.evaluation.metrics.segments import Segment
from fakemamba.models.maps.observation import observe

HASH = "a" * 64


@pytest.fixture
def detector(make_detector):
    return make_detector("fake-mamba", depth=1)


@pytest.fixture
def spliced(tmp_path):
    """Recordings with a hum for 0.3 s, and where it is."""
    trials, segments = [], {}
    for number in range(8):
        waveform = 0.5 * speech_like(12_000, number)
        start_s = 0.1 + 0.04 * number
        hum = slice(round(16_000 * start_s), round(16_000 * (start_s + 0.3)))
        waveform[hum] += 0.3 * np.sin(np.arange(12_000) * 0.9)[hum]
        trials.append(Trial(f"t{number}", tmp_path / f"t{number}.wav"))
        soundfile.write(trials[-1].path, waveform, 16_000)
        edges = (0.0, start_s, start_s + 0.3, 0.75)
        segments[f"t{number}"] = [
            Segment(edges[place], edges[place + 1], place != 1) for place in range(3)
        ]
    return trials, segments


def test_it_finds_a_hum_in_recordings_that_it_was_not_fitted_to(detector, spliced, tmp_path):
    trials, segments = spliced
    before = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    fitted, failures = fit_classifier(detector, trials[:6], segments, HASH, frames_each=30)
    assert not failures and fitted.recordings == 6
    assert fitted.bonafide + fitted.spoof == 6 * 30
    write_classifier(tmp_path / "line.json", fitted)
    assert read_classifier(tmp_path / "line.json") == fitted
    mapper = Mapper(detector, ["supervised"], classifier=fitted)
    maps = {one.trial.trial_id: one.maps["supervised"] for one in mapper.map_trials(trials[6:])}
    assert segment_eer(maps, {name: segments[name] for name in maps}).eer < 0.1
    assert mapper.told()["supervised"]["is_signed"]
    assert all(torch.equal(before[name], one) for name, one in detector.state_dict().items())


def test_its_scores_are_log_odds_of_the_encoder_s_frames(detector, spliced):
    trials, segments = spliced
    fitted, _ = fit_classifier(detector, trials[:2], segments, HASH, frames_each=99)
    waveform = speech_like(8_000, 50)
    seen = observe(detector, torch.from_numpy(waveform), in_frontend=False)
    expected = seen.encoded_frames.numpy() @ np.array(fitted.weight) + fitted.bias
    found = Mapper(detector, ["supervised"], classifier=fitted).maps(waveform)["supervised"]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_what_cannot_be_is_refused(detector, make_detector, spliced, tmp_path):
    trials, segments = spliced
    with pytest.raises(ClassifierError, match="0 spoof, of 1 recordings: some of each"):
        only = {"t0": [Segment(0.0, 0.75, True)]}
        fit_classifier(detector, trials[:1], only, HASH, frames_each=30)
    with pytest.raises(ClassifierError, match="1 were left out, such as: t0: no segments"):
        fit_classifier(detector, trials[:1], {}, HASH, frames_each=30)
    with pytest.raises(ClassifierError, match="XLSRAASIST keeps no frames apart"):
        aasist = make_detector("xlsr-aasist")
        fit_classifier(aasist, trials[:1], segments, HASH, frames_each=30)
    fitted, _ = fit_classifier(detector, trials[:1], segments, HASH, frames_each=30)
    with pytest.raises(ClassifierError, match="fitted to weights aaaaaaaaaaaa, but these are bbbb"):
        fitted.check_weights("b" * 64)
    (tmp_path / "other.json").write_text('{"kind": "fakemamba-calibration", "schema": 1}')
    with pytest.raises(ClassifierError, match=r"other\.json.*make one with fakemamba localize-fit"):
        read_classifier(tmp_path / "other.json")
