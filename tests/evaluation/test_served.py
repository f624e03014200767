"""A served detector gives the scores that it gives alone, or says why there is none."""

import pytest
import torch

from fakemamba import save_pretrained
from fakemamba.data.recordings import real_speech
from fakemamba.evaluation.manner import Manner
from fakemamba.evaluation.served import Served

SAMPLES = (16_000, 8_000, 10)  # the last one is too short for any front-end
CPU = Manner(device="cpu")


@pytest.fixture
def model(make_detector, tmp_path):
    detector = make_detector("antideepfake")
    save_pretrained(detector, tmp_path / "model")
    return detector, str(tmp_path / "model")


def test_scores_in_a_batch_are_those_alone(model):
    detector, name = model
    answers = Served(name, CPU, 1, SAMPLES)()
    with torch.no_grad():
        wanted = [
            detector.scores(detector(torch.from_numpy(real_speech(count, place))[None])).item()
            for place, count in enumerate(SAMPLES[:2])
        ]
    assert answers([0, 1]) == pytest.approx(wanted, abs=1e-5)
    assert answers([1]) == pytest.approx(wanted[1:], abs=1e-5)


def test_what_has_no_score_is_a_reason_and_the_rest_of_its_batch_has_one(model):
    _, name = model
    answers = Served(name, CPU, None, SAMPLES)()
    first, reason, second = answers([0, 2, 1])
    assert isinstance(first, float) and isinstance(second, float)
    assert "10 samples" in reason and "\n" not in reason


def test_a_name_without_weights_has_the_same_random_ones_each_time():
    name = "antideepfake?frontend=xls-r-tiny"
    assert Served(name, CPU, 1, (8_000,))()([0]) == Served(name, CPU, 1, (8_000,))()([0])
