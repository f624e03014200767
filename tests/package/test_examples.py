"""The programs of examples/ run as they are, and say what they promise."""

import re
import runpy
import sys
from pathlib import Path

import pytest
import soundfile
import torch

from fakemamba import create_detector, save_pretrained
from fakemamba.data.synthetic import speech_like

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
MOST_LINES = 39


@pytest.fixture
def run(monkeypatch, capsys):
    """Run an example as a program, but within this process, and give what it prints."""

    def run_example(name, *arguments):
        path = EXAMPLES / name
        monkeypatch.setattr(sys, "argv", [str(path), *map(str, arguments)])
        runpy.run_path(str(path), run_name="__main__")
        return capsys.readouterr().out.splitlines()

    return run_example


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_examples_are_short(path):
    assert len(path.read_text().splitlines()) <= MOST_LINES


def test_score_a_file_gives_what_the_detector_gives(run, tmp_path):
    waveform = speech_like(16_000, 0)
    soundfile.write(tmp_path / "clip.wav", waveform, 16_000, subtype="FLOAT")
    (tmp_path / "empty.wav").touch()
    torch.manual_seed(0)
    detector = create_detector("xlsr-mamba", "xls-r-tiny").eval()
    save_pretrained(detector, tmp_path / "model")
    printed = run("score_a_file.py", tmp_path / "model", *sorted(tmp_path.glob("*.wav")))
    with torch.inference_mode():
        wanted = float(detector(torch.from_numpy(waveform)[None])[0, 1])
    assert float(printed[0].split()[-1]) == pytest.approx(wanted, abs=1e-4)
    assert printed[1].startswith("not scored: ") and "the file is empty" in printed[1]


def test_score_a_file_runs_without_arguments_and_refuses_what_is_no_checkpoint(run, tmp_path):
    (line,) = run("score_a_file.py")
    assert re.search(r"en-demo-nomatch.flac -?\d+\.\d+$", line)
    with pytest.raises(SystemExit, match=r"error: .*nothing"):
        run("score_a_file.py", tmp_path / "nothing", "clip.wav")


def test_measure_a_detector_prints_every_part_with_its_interval(run):
    printed = run("measure_a_detector.py")
    form = r"(.*): (\d+\.\d+) ms \((\d+\.\d+) to (\d+\.\d+)\), real-time factor .*, \d+ visits"
    found = [re.fullmatch(form, line).groups() for line in printed]
    assert [part for part, *_ in found] == ["front-end", "encoder", "end-to-end"]
    for _, *figures in found:
        latency, low, high = map(float, figures)
        assert low <= latency <= high


def test_measure_a_detector_says_why_there_is_no_time(run):
    printed = run("measure_a_detector.py", "fake-mamba-s", "no-such-front-end")
    assert len(printed) == 3 and all("failed" in line and "no-such" in line for line in printed)
