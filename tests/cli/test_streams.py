"""Streams and windows as their users call them: detect, score and evaluate-stream."""

import io
import json
import sys
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile

from fakemamba import save_pretrained
from fakemamba.cli.evaluate_stream import COSTS
from fakemamba.cli.main import main
from fakemamba.data.synthetic import speech_like
from fakemamba.evaluation.score_files import read_scores
from fakemamba.evaluation.streams.window_files import read_windows

CUT = ("--window", "0.5", "--hop", "0.25", "--speech-level", "None")


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setattr("fakemamba.analysis.pictures.figures.DPI", 20)


@pytest.fixture(scope="module")
def model(tmp_path_factory, make_detector):
    folder = tmp_path_factory.mktemp("model") / "model"
    save_pretrained(make_detector("fake-mamba-s"), folder)
    return folder


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    paths = [folder / f"clip{seed}.flac" for seed in range(12)]
    for seed, path in enumerate(paths):
        soundfile.write(path, speech_like(10_000 + 1_000 * seed, seed), 16_000)
    return paths


def fakemamba(*given):
    return main([str(one) for one in given])


def scored(model, clips, out, *given):
    assert fakemamba("score", *clips, "--checkpoint", model, "--out", out, *given) == 0
    return read_scores(out)


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_a_score_by_windows_is_that_of_the_stream_at_its_end(model, clips, tmp_path, capsys):
    found = scored(model, clips[:3], tmp_path / "s.txt", "--windows", *CUT)
    table = read_windows(tmp_path / "s.txt.windows.csv")
    for path, score in zip(clips, found["score"], strict=False):
        capsys.readouterr()
        given = ("detect", path, "--stream", "--checkpoint", model, *CUT, "--json", tmp_path / "j")
        assert fakemamba(*given) == 0
        told = capsys.readouterr()
        decisions = lines(told.out)
        assert decisions == lines((tmp_path / "j").read_text())
        assert decisions[-1]["score"] == pytest.approx(score, abs=1e-5)
        of_it = table[table["trial_id"] == path.stem]
        assert [one["window_score"] for one in decisions] == pytest.approx(
            of_it["score"].tolist(), abs=1e-5
        )
        assert [one["at_s"] for one in decisions] == pytest.approx(of_it["end_s"].tolist())
        assert "0 left out" in told.err and "windows of 0.5 s every 0.25 s" in told.err


def test_one_window_gives_the_score_of_the_recording(model, clips, tmp_path):
    whole = scored(model, clips[:3], tmp_path / "a.txt")
    cut = ("--windows", "--window", 60, "--hop", 0.2, "--speech-level", "None")
    assert scored(model, clips[:3], tmp_path / "b.txt", *cut)["score"].tolist() == pytest.approx(
        whole["score"].tolist(), abs=1e-5
    )


def test_a_run_by_windows_goes_on_and_is_of_its_windows(model, clips, tmp_path, capsys):
    bad = tmp_path / "bad.flac"
    out = tmp_path / "s.txt"
    given = ("score", clips[0], bad, "--checkpoint", model, "--out", out, "--windows", *CUT)
    assert fakemamba(*given) == 1
    soundfile.write(bad, np.zeros(9_000, np.float32), 16_000)
    assert fakemamba(*given, "--resume") == 0
    assert set(read_windows(f"{out}.windows.csv")["trial_id"]) == {"clip0", "bad"}
    told = json.loads((tmp_path / "s.txt.json").read_text())
    assert told["settings"]["windowing"]["window"] == 0.5 and told["identity"]["windowing"]
    assert fakemamba(*given, "--rule", "latest", "--resume") == 0  # of another rule: anew
    assert json.loads((tmp_path / "s.txt.json").read_text())["settings"]["windowing"]["rule"]
    silent = (*given[:-2], "--out", tmp_path / "t.txt")
    assert fakemamba(*silent) == 1
    assert "no window has speech enough" in capsys.readouterr().err


def test_detect_tells_each_stretch(model, clips, tmp_path, capsys):
    dev = tmp_path / "dev.txt"
    values = scored(model, clips, dev, "--length", 8_000)["score"].tolist()
    order = np.argsort(values)
    key = [f"clip{one},{'bonafide' if one in order[5:] else 'spoof'}\n" for one in range(12)]
    (tmp_path / "key.csv").write_text("trial_id,label\n" + "".join(key))
    of_windows = tmp_path / "windows.json"
    assert fakemamba("calibrate", dev, "--key", tmp_path / "key.csv", "--out", of_windows) == 0
    given = ["detect", clips[3], "--checkpoint", model, "--json", tmp_path / "d.json", "--windows"]
    given += [*CUT, "--window-calibration", of_windows, "--rule", "evidence"]
    given += ["--plots", tmp_path / "p"] if find_spec("seaborn") else []
    assert fakemamba(*given) == 0
    (row,) = json.loads((tmp_path / "d.json").read_text())["recordings"]
    ends = [one["end_s"] for one in row["windows"]]
    assert ends == pytest.approx([0.5, 0.75, 13_000 / 16_000])  # the first has grown
    assert all(0 < one["spoof_probability"] < 1 for one in row["windows"])
    assert row["score"] is not None and row["spoof_probability"] is None
    assert "by windows" in capsys.readouterr().out
    given = ["detect", clips[3], "--checkpoint", model, *CUT, "--windows", "--calibration"]
    assert fakemamba(*given, of_windows, "--rule", "latest") == 0
    assert fakemamba(*given, of_windows, "--rule", "mean") == 1
    assert "the windows of its trials" in capsys.readouterr().err
    scored(model, clips, tmp_path / "mean.txt", "--windows", *CUT)
    of_mean = tmp_path / "mean.json"
    key = ("--key", tmp_path / "key.csv", "--out", of_mean)
    fakemamba("calibrate", tmp_path / "mean.txt", *key)
    if of_mean.exists():  # else these random scores are of no use to a calibration
        assert fakemamba(*given, of_mean, "--json", tmp_path / "m.json") == 0
        (row,) = json.loads((tmp_path / "m.json").read_text())["recordings"]
        assert 0 < row["spoof_probability"] < 1


def piped(monkeypatch, content, is_terminal=False):
    held = SimpleNamespace(
        buffer=io.BufferedReader(io.BytesIO(content)), isatty=lambda: is_terminal
    )
    monkeypatch.setattr(sys, "stdin", held)


@pytest.mark.parametrize("pace", [(), ("--pace", "fast")])
def test_raw_pcm_is_listened_to(model, monkeypatch, capsys, pace):
    waveform = speech_like(12_000, 1)
    piped(monkeypatch, np.rint(waveform * 32_767).astype("<i2").tobytes())
    given = ("detect", "-", "--stream", "--checkpoint", model, *CUT, "--threshold", 0, *pace)
    assert fakemamba(*given) == 0
    decisions = lines(capsys.readouterr().out)
    assert decisions[-1]["at_s"] == 0.75 and decisions[-1]["verdict"] in ("bonafide", "spoof")
    assert sum(1 + one["skipped"] for one in decisions) == 3


@pytest.mark.parametrize(
    ("content", "given", "told"),
    [
        (b"", (), "nothing came from standard input"),
        (b"\0" * 20_001, (), "the stream ended within a sample: 1 byte(s) of 2"),
        (b"\0" * 100, ("--rate", 0), "a rate of 0 Hz"),
        (np.full(9_000, np.nan, "<f4").tobytes(), ("--encoding", "f32"), "sample 0 of the stream"),
        (b"\0" * 100, ("--window", 0.01, "--hop", 0.01), "the detector takes 0.025 s"),
        (b"\0" * 100, ("--hop", 9), "--hop 9 is more than --window 0.5"),
        (b"\0" * 100, ("--windows",), "--windows and --plots are of recordings"),
        (b"\0" * 100, ("--patience", 0), "--patience 0"),
        (b"\0" * 100, ("--rule", "evidence"), "--window-calibration"),
    ],
)
def test_what_is_no_stream_is_told_in_a_line(model, monkeypatch, capsys, content, given, told):
    piped(monkeypatch, content)
    assert fakemamba("detect", "-", "--stream", "--checkpoint", model, *CUT, *given) != 0
    error = capsys.readouterr().err.splitlines()[-1]
    assert told in error and "Traceback" not in error


def test_a_terminal_is_no_stream_and_options_need_theirs(model, clips, monkeypatch, capsys):
    piped(monkeypatch, b"", is_terminal=True)
    assert fakemamba("detect", "-", "--stream", "--checkpoint", model) == 1
    assert "ffmpeg -i CALL" in capsys.readouterr().err
    assert fakemamba("detect", clips[0], "--checkpoint", model, "--hop", 0.5) == 1
    assert "--windows" in capsys.readouterr().err
    assert fakemamba("detect", clips[0], "--checkpoint", model, "--pace", "own") == 1
    assert "--stream" in capsys.readouterr().err
    out = ("--checkpoint", model, "--out", "x.txt")
    assert fakemamba("score", clips[0], *out, "--hop", 0.5) == 1
    assert "--windows" in capsys.readouterr().err


def costs(detectors):
    """As `stream_costs` gives them, of windows of 0.5 s each 0.25 s."""
    known = {"window_s": 0.5, "hop_s": 0.25, "cost_s_per_s": 0.1, "cost_low_s_per_s": float("nan")}
    columns = [*COSTS[1:], "setting"]
    ways = [{"detector": one, "cached": kept} for one in detectors for kept in (True, False)]
    rows = [way | known for way in ways]
    return pd.DataFrame(rows).reindex(columns=columns)


def test_how_soon_a_fake_is_known(model, clips, tmp_path, capsys, monkeypatch):
    out = tmp_path / "s.txt"
    scored(model, clips, out, "--windows", *CUT)
    key = [f"clip{one},{'spoof' if one % 2 else 'bonafide'},sp{one % 3}\n" for one in range(12)]
    (tmp_path / "key.csv").write_text("trial_id,label,speaker\n" + "".join(key))
    table = f"{out}.windows.csv"
    given = ["evaluate-stream", table, "--dev", table, "--key", tmp_path / "key.csv"]
    given += ["--dev-key", tmp_path / "key.csv", "--bootstrap", 50, "--json", tmp_path / "e.json"]
    given += ["--plots", tmp_path / "p"] if find_spec("seaborn") else []
    assert fakemamba(*given, "--false-alarms", 0.2, "--lasting", 1) == 0
    printed = capsys.readouterr().out
    assert "false alarms an hour" in printed and "fake-mamba" in printed
    (system,) = json.loads((tmp_path / "e.json").read_text())["systems"]
    assert system["alarms"]["figures"]["false_alarms"] <= 0.2  # on the trials that chose it
    assert [one["prefix_s"] for one in system["prefixes"]] == [0.25, 0.5, 1, 2, 4, 8]
    assert system["windowing"]["rule"] == "mean" and system["made"]["detector"] == "fake-mamba"
    if find_spec("seaborn"):
        assert {one.name for one in (tmp_path / "p").iterdir()} == {
            "errors-over-time.png",
            "time-to-detect.png",
        }
    monkeypatch.setattr("fakemamba.analysis.results.read_results", lambda paths: paths)
    patched = "fakemamba.analysis.streams.stream_costs"
    monkeypatch.setattr(patched, lambda results: costs(["fake-mamba-s", "xlsr-mamba"]))
    assert fakemamba(*given, "--cost", "x.json") == 0
    of_it = json.loads((tmp_path / "e.json").read_text())["costs"]
    assert [one["cached"] for one in of_it] == [True, False]
    assert of_it[0]["cost_s_per_s"] == 0.1 and of_it[0]["cost_low_s_per_s"] is None
    both = ["fake-mamba-s", "fake-mamba-l"]
    for detectors, told in ((["xlsr-mamba"], "--bench-stream 0.5,0.25"), (both, "of either")):
        monkeypatch.setattr(patched, lambda results, detectors=detectors: costs(detectors))
        assert fakemamba(*given, "--cost", "x.json") == 1
        assert told in capsys.readouterr().err
    assert fakemamba(*given[:-2], "--prefixes", "0,x") == 1
    assert "give seconds over 0" in capsys.readouterr().err
    (tmp_path / "s.txt.json").unlink()
    assert fakemamba(*given) == 1
    assert "s.txt.json" in capsys.readouterr().err
