"""Detecting as its users call it: what is said of recordings, and what is not."""

import json
import re
from importlib.util import find_spec

import numpy as np
import pytest
import soundfile
import tyro

from fakemamba import save_pretrained
from fakemamba.cli.calibrate import calibrate
from fakemamba.cli.detect import detect
from fakemamba.cli.main import main
from fakemamba.data.synthetic import speech_like
from fakemamba.evaluation.calibration import CalibrationError, read_calibration
from fakemamba.evaluation.score_files import read_scores

LENGTHS = (9_000, 4_000, 12_000, 6_500)


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setattr("fakemamba.analysis.pictures.figures.DPI", 20)


@pytest.fixture
def model(tmp_path, make_detector):
    save_pretrained(make_detector("fake-mamba-s"), tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def clips(tmp_path):
    paths = []
    for seed, num_samples in enumerate(LENGTHS):
        paths.append(tmp_path / f"clip{seed}.flac")
        soundfile.write(paths[-1], speech_like(num_samples, seed), 16_000)
    return paths


@pytest.fixture
def scores(model, clips, tmp_path):
    """The scores that `fakemamba score` gives the clips, by file, and their score file."""
    out = tmp_path / "scores.txt"
    given = ["--checkpoint", model, "--out", out, "--device", "cpu", *clips]
    assert main(["score", *map(str, given)]) == 0
    return dict(zip(map(str, clips), read_scores(out)["score"], strict=True)), out


@pytest.fixture
def calibration(scores, tmp_path):
    """Made by `fakemamba calibrate`; the clips with the two highest scores are bona fide."""
    values, path = scores
    key = [
        f"clip{place},{'bonafide' if place in np.argsort(list(values.values()))[2:] else 'spoof'}"
        for place in range(len(values))
    ]
    (tmp_path / "key.csv").write_text("trial_id,label\n" + "".join(f"{line}\n" for line in key))
    run(calibrate, path, "--key", tmp_path / "key.csv", "--out", tmp_path / "calibration.json")
    return tmp_path / "calibration.json"


def run(command, *arguments):
    return tyro.cli(command, args=[str(one) for one in arguments])


def detected(model, tmp_path, *arguments):
    """The status and the JSON."""
    out = tmp_path / "out.json"
    status = run(detect, *arguments, "--checkpoint", model, "--device", "cpu", "--json", out)
    return status, json.loads(out.read_text())


def test_scores_are_those_of_scoring_and_mean_what_the_calibration_says(
    model, clips, scores, calibration, tmp_path, capsys
):
    asked = [clips[2], clips[0], clips[3], clips[1]]
    costs = ("--pi-spoof", "0.3", "--cost-miss", "2", "--cost-false-accept", "3")
    status, found = detected(model, tmp_path, *asked, "--calibration", calibration, *costs)
    rows, fitted = found["recordings"], read_calibration(calibration)
    assert status == 0 and [row["file"] for row in rows] == list(map(str, asked))
    for row, clip in zip(rows, asked, strict=True):
        assert row["score"] == pytest.approx(scores[0][str(clip)], abs=1e-6)
        assert row["judged_s"] == LENGTHS[clips.index(clip)] / 16_000
        llr = fitted.scale * row["score"] + fitted.offset
        assert row["llr"] == pytest.approx(llr)
        probability = 0.3 / (0.3 + 0.7 * np.exp(llr))
        assert row["spoof_probability"] == pytest.approx(probability)
        assert row["verdict"] == ("spoof" if probability > 2 / 5 else "bonafide")
    assert {row["verdict"] for row in rows} == {"spoof", "bonafide"}
    assert found["costs"] == {"pi_spoof": 0.3, "c_miss": 2.0, "c_fa": 3.0}
    weights = json.loads((tmp_path / "scores.txt.json").read_text())["identity"]["weights_sha256"]
    assert found["identity"]["weights_sha256"] == weights
    assert found["calibration"]["origin"] == {
        "weights_sha256": weights,
        "length": None,
        "windowing": None,
    }
    printed = capsys.readouterr().out
    assert "pi_spoof 0.3, C_miss 2, C_fa 3" in printed and "where P(spoof) is 40 %" in printed
    assert "trials, which do not overlap" in printed and "of which" not in printed


@pytest.mark.skipif(not find_spec("onnxruntime") or not find_spec("onnx"), reason="not installed")
def test_an_engine_gives_the_scores_and_says_how_it_started(
    model, clips, scores, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    status, found = detected(model, tmp_path, *clips, "--execution", "onnxruntime")
    assert status == 0 and found["identity"]["execution"] == "onnxruntime"
    assert "onnxruntime" in found["identity"]["engine"]
    assert found["engines"][-1]["cold_start_s"] > 0
    for row in found["recordings"]:
        assert row["score"] == pytest.approx(scores[0][row["file"]], abs=1e-4)


def test_an_engine_that_is_not_installed_is_told_before_the_work(model, clips, capsys, monkeypatch):
    monkeypatch.setattr("fakemamba.models.execution.engines.engine.find_spec", lambda package: None)
    given = ["detect", clips[0], "--checkpoint", model, "--execution", "openvino"]
    assert main([*map(str, given), "--device", "cpu"]) == 1
    told = capsys.readouterr().err
    assert "needs the package openvino, which is not installed: pip install" in told
    assert told.count("\n") == 1


def test_the_threshold_may_be_that_of_equal_errors_or_a_score(model, clips, calibration, tmp_path):
    given = (*clips, "--calibration", calibration, "--threshold")
    _, found = detected(model, tmp_path, *given, "eer")
    at = read_calibration(calibration).eer_threshold
    assert found["operating_point"]["threshold"] == at
    # By the scores of this very run: one of them is at the threshold, but for rounding.
    wanted = ["bonafide" if row["score"] >= at else "spoof" for row in found["recordings"]]
    assert [row["verdict"] for row in found["recordings"]] == wanted and len(set(wanted)) == 2
    _, found = detected(model, tmp_path, *given, "-1e3")
    assert {row["verdict"] for row in found["recordings"]} == {"bonafide"}
    assert all(row["llr"] is not None for row in found["recordings"])


def test_without_a_calibration_there_is_a_score_and_how_to_make_one(model, clips, tmp_path, capsys):
    status, found = detected(model, tmp_path, clips[0])
    (row,) = found["recordings"]
    assert status == 0 and row["score"] is not None and found["calibration"] is None
    assert (row["llr"], row["spoof_probability"], row["verdict"]) == (None, None, None)
    printed = capsys.readouterr().out
    assert "A score is no probability" in printed and "fakemamba calibrate DEV_SCORES" in printed
    assert "no verdict" in printed and "P(spoof)" not in printed
    _, found = detected(model, tmp_path, clips[0], "--threshold", "1000")
    (row,) = found["recordings"]
    assert (row["spoof_probability"], row["verdict"]) == (None, "spoof")
    assert found["operating_point"]["kind"] == "given" and found["costs"] is None


def test_a_calibration_of_another_detector_or_length_is_refused_before_the_work(
    model, clips, calibration, tmp_path, make_detector, capsys
):
    given = (*clips, "--calibration", calibration)
    with pytest.raises(CalibrationError, match=r"whole recordings, but these are of .* 8000"):
        detected(model, tmp_path, *given, "--length", 8_000)
    save_pretrained(make_detector("fake-mamba-l"), tmp_path / "other")
    with pytest.raises(CalibrationError, match=r"fitted to scores of weights \w{12} and"):
        detected(tmp_path / "other", tmp_path, *given)
    content = json.loads(calibration.read_text())
    calibration.write_text(json.dumps(content | {"origin": None}))
    capsys.readouterr()
    assert detected(tmp_path / "other", tmp_path, *given)[0] == 0
    assert "does not say which detector it is of" in capsys.readouterr().out


def test_an_unreadable_file_is_a_row_with_its_reason(
    model, clips, scores, calibration, tmp_path, capsys
):
    broken = tmp_path / "[red]broken.wav"
    broken.write_bytes(b"")
    asked = (clips[0], broken, tmp_path / "absent" / "clip0.flac", clips[1])
    plots = tmp_path / "pictures"
    status, found = detected(
        model, tmp_path, *asked, "--calibration", calibration, "--plots", plots
    )
    told = capsys.readouterr()
    assert status == 1 and "2 of 4 recordings are not judged" in told.err
    (line,) = (line for line in told.out.splitlines() if "[red]broken.wav" in line)
    assert "not judged: the file is empty (0 bytes)" in line
    first, bad, absent, last = found["recordings"]
    assert "the file is empty" in bad["reason"] and "no such file" in absent["reason"]
    assert bad["score"] is bad["verdict"] is bad["judged_s"] is bad["picture"] is None
    for row, clip in ((first, clips[0]), (last, clips[1])):
        assert row["score"] == pytest.approx(scores[0][str(clip)], abs=1e-6)
        assert row["reason"] is None and row["verdict"] is not None
    assert len(list(plots.iterdir())) == 2


def test_what_is_left_of_a_damaged_recording_is_judged_if_that_is_allowed(model, clips, tmp_path):
    cut = tmp_path / "cut.wav"
    soundfile.write(cut, speech_like(8_000, 0), 16_000)
    cut.write_bytes(cut.read_bytes()[:-8_000])
    status, found = detected(model, tmp_path, clips[0], cut)
    assert status == 1 and "cut.wav: damaged: it ends" in found["recordings"][1]["reason"]
    assert found["identity"]["allow_damaged"] is False
    plots = tmp_path / "pictures"
    given = ("--allow-damaged", "--plots", plots)
    status, found = detected(model, tmp_path, clips[0], cut, *given)
    whole, damaged = found["recordings"]
    assert status == 0 and whole["damage"] is None and whole["score"] is not None
    assert "0.250 s of 0.500 s" in damaged["damage"] and damaged["judged_s"] == 0.25
    assert found["identity"]["allow_damaged"] is True and len(list(plots.iterdir())) == 2


def test_files_of_one_name_have_pictures_of_their_own(model, tmp_path, monkeypatch):
    def touch(waveform, shares, *, path, **places):
        path.parent.mkdir(exist_ok=True)
        path.touch(exist_ok=False)
        return path

    monkeypatch.setattr("fakemamba.cli.detection_pictures.plot_evidence", touch)
    names = ("a/x.wav", "b/x.wav", "x-2.wav", "c/X.flac", "d/ .wav")
    for seed, name in enumerate(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / name, speech_like(2_000, seed), 16_000)
    plots = tmp_path / "pictures"
    status, found = detected(
        model, tmp_path, *(tmp_path / name for name in names), "--plots", plots
    )
    pictures = [row["picture"] for row in found["recordings"]]
    assert status == 0 and len({picture.casefold() for picture in pictures}) == len(names)
    assert sorted(map(str, plots.iterdir())) == sorted(pictures)
    assert pictures[0].endswith("/x.png")


def test_evidence_is_that_of_the_detector_at_the_time_of_its_frames(
    model, clips, tmp_path, monkeypatch
):
    drawn = []

    def keep(waveform, shares, **places):
        drawn.append((waveform, shares, places))
        return places["path"]

    monkeypatch.setattr("fakemamba.cli.detection_pictures.plot_evidence", keep)
    given = (clips[0], "--length", 8_000, "--plots", tmp_path / "p")
    detected(model, tmp_path, *given)
    ((waveform, shares, places),) = drawn
    assert len(waveform) == 8_000 and shares.shape == (24,)
    last_s = places["first_s"] + 23 * places["hop_s"]
    # The first frame is of the samples 0 to 399, and each begins 320 after the one before.
    assert places["first_s"] == 200 / 16_000 and last_s == pytest.approx((23 * 320 + 200) / 16_000)
    assert re.fullmatch(r"clip0.flac: score -?\d\.\d+", places["headline"])
    detected(model, tmp_path, *given, "--threshold", -9.5)
    headline = drawn[1][2]["headline"]
    assert headline.endswith("verdict bona fide (bona fide from a score of -9.5 on)")


def test_a_picture_that_memory_is_too_small_for_is_missing_and_said(
    model, clips, tmp_path, monkeypatch, capsys
):
    from fakemamba.models.detector import Detector

    def too_large(self, waveforms, lengths=None):
        raise MemoryError

    monkeypatch.setattr(Detector, "frames", too_large)
    status, found = detected(model, tmp_path, clips[0], "--plots", tmp_path / "p")
    (row,) = found["recordings"]
    assert status == 1 and row["picture"] is None and row["score"] is not None
    assert "no picture of" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "no recordings given"),
        (["a.wav", "--length", "0"], "cannot be cut to that"),
        (["a.wav", "--pi-spoof", "0.1"], "a prior and costs need a --calibration, made with"),
        (["a.wav", "--threshold", "eer"], "of a calibration, but there is none"),
        (["a.wav", "--threshold", "nan"], "must be a finite score"),
        (["a.wav", "--calibration", "absent.json"], "absent.json: no such file"),
        (
            ["a.wav", "--calibration", "c.json", "--cost-miss", "2", "--threshold", "eer"],
            "costs belong to --threshold bayes, but --threshold is eer",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_judged_is_refused(more, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        run(detect, *more, "--checkpoint", tmp_path)
