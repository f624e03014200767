"""Where scores came from: told by the file beside them alone, and only if it is of these scores."""

import hashlib
import json
import os

import numpy as np
import pytest

from fakemamba.evaluation.calibration import (
    CalibrationError,
    fit_calibration,
    read_calibration,
    write_calibration,
)
from fakemamba.evaluation.score_origin import ScoreOrigin, read_origin

ORIGIN = ScoreOrigin("ab" * 32, 66_800)


@pytest.fixture
def scores(tmp_path):
    path = tmp_path / "dev.txt"
    path.write_text("a 1.0\nb 0.5\nc -0.5\nd 0.6\n")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    identity = {"weights_sha256": ORIGIN.weights_sha256, "length": ORIGIN.length}
    told = {"scores": {"sha256": sha256}, "identity": identity}
    (tmp_path / "dev.txt.json").write_text(json.dumps(told))
    return path


def test_the_file_beside_the_scores_tells(scores):
    assert read_origin(scores) == ORIGIN


@pytest.mark.parametrize(
    "text", [None, "", "[]", "{}", '{"scores": {"sha256": 1}}', "[" * 9999, '{"scores": ']
)
def test_what_tells_nothing_is_no_origin_and_what_is_broken_is_warned_of(scores, text, caplog):
    beside = scores.with_name("dev.txt.json")
    beside.unlink() if text is None else beside.write_text(text)
    assert read_origin(scores) is None
    warned = [record.getMessage() for record in caplog.records]
    assert len(warned) == (text is not None) and all("dev.txt.json" in one for one in warned)


def test_scores_that_changed_have_no_origin_and_it_is_said(scores, caplog):
    scores.write_text(scores.read_text() + "e 3.0\n")
    assert read_origin(scores) is None
    assert "is of other scores" in caplog.text


def test_scores_that_are_a_pipe_are_not_waited_for(scores):
    scores.unlink()
    os.mkfifo(scores)
    assert read_origin(scores) is None


def fitted(origin):
    real, fake = np.array([2.0, 1.0, 0.4]), np.array([0.5, -1.0])
    return fit_calibration(real, fake, "abcde", origin=origin)


@pytest.mark.parametrize("origin", [ORIGIN, ScoreOrigin("cd" * 32, None), None])
def test_a_calibration_keeps_its_origin(tmp_path, origin):
    write_calibration(tmp_path / "c.json", fitted(origin))
    assert read_calibration(tmp_path / "c.json") == fitted(origin)


def test_a_calibration_of_before_is_read_and_fits_any_scores(tmp_path):
    path = tmp_path / "c.json"
    write_calibration(path, fitted(None))
    content = json.loads(path.read_text())
    del content["origin"]
    path.write_text(json.dumps(content))
    read_calibration(path).check_origin(ORIGIN)
    for damage in ({"weights_sha256": 1, "length": None}, {"length": 1}, "text"):
        path.write_text(json.dumps(content | {"origin": damage}))
        with pytest.raises(CalibrationError, match="damaged"):
            read_calibration(path)


def test_scores_of_other_weights_or_another_length_are_refused():
    found = fitted(ORIGIN)
    found.check_origin(ORIGIN)
    with pytest.raises(
        CalibrationError, match=r"weights abababababab .* are of weights cdcdcdcdcd"
    ):
        found.check_origin(ScoreOrigin("cd" * 32, 66_800))
    with pytest.raises(
        CalibrationError, match=r"--length 66800, but .* and whole recordings; take"
    ):
        found.check_origin(ScoreOrigin("ab" * 32, None))
