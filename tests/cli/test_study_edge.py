"""``fakemamba study edge`` as it is called: what is measured, what goes on, what is told."""

import json
from statistics import median

import pandas as pd
import pytest
import soundfile
import torch

from fakemamba import save_pretrained
from fakemamba.bench.edge.measuring import Alone, RunAloneError
from fakemamba.cli.main import main
from fakemamba.data.recordings import real_speech
from fakemamba.data.trials import Trial
from fakemamba.evaluation.eer_rise import scores_of
from fakemamba.evaluation.manner import Manner
from fakemamba.evaluation.metrics.detection import equal_error
from fakemamba.models.loading import load_detector
from fakemamba.models.truncation import with_first_layers


@pytest.fixture
def model(tmp_path, make_detector):
    save_pretrained(make_detector("antideepfake"), tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def alone(monkeypatch):
    """What is run alone, in place of processes; one form ends for want of memory at first."""
    calls = []

    def run(engine, path, waveform, *, precision, threads, seconds):
        del path, waveform, seconds
        calls.append((engine, precision, threads))
        if calls.count(("torch", "int8", 1)) == 1 and calls[-1] == ("torch", "int8", 1):
            raise RunAloneError("it ended with status -9: ")
        return Alone(0.5, 0.2, (0.1, 0.1, 0.2), 1 << 28, 0.0, None, "no counter")

    monkeypatch.setattr("fakemamba.cli.edge_forms.run_alone", run)
    return calls


def test_a_study_goes_on_and_tries_again_what_failed(model, alone, tmp_path, capsys):
    out = tmp_path / "edge"
    given = ["study", "edge", model, "--out", out, "--engines", "torch", "--threads", "1"]
    given = [*map(str, given), "--precisions", "fp32,int8", "--layers", "1,2"]
    assert main(given) == 1
    assert "failed: it ended with status -9" in capsys.readouterr().out
    assert len(alone) == 4
    assert main(given) == 0
    assert alone[4:] == [("torch", "int8", 1)]
    table = pd.read_csv(out / "edge.csv")
    assert list(table["layers"]) == [2, 2, 1, 1] and set(table["status"]) == {"done"}
    record = json.loads((out / "edge.json").read_text())
    assert record["detector"] == "antideepfake" and len(record["units"]) == 4
    assert "| 1 | 512 MiB | 2 layers, torch, fp32 |" in (out / "edge.md").read_text()


def test_what_was_trained_behind_fewer_layers_is_taken_for_these(
    model, alone, tmp_path, make_detector
):
    few = with_first_layers(make_detector("antideepfake"), 1)
    save_pretrained(few, tmp_path / "few")
    out = tmp_path / "edge"
    given = ["study", "edge", model, tmp_path / "few", "--out", out, "--engines", "torch"]
    assert main([*map(str, given), "--precisions", "fp32", "--threads", "2"]) == 0
    assert list(pd.read_csv(out / "edge.csv")["is_fitted"]) == [True]
    other = [*map(str, given), "--precisions", "fp32", "--threads", "2", "--duration", "1"]
    assert main(other) == 1  # another study in this folder


def test_the_rise_of_eer_is_over_the_whole_detector_on_the_same_trials(
    model, alone, tmp_path, make_detector
):
    whole = make_detector("antideepfake")
    few = with_first_layers(make_detector("antideepfake"), 1)
    with torch.no_grad():
        few.head.classifier.weight.neg_()  # what was bona fide is spoof
    save_pretrained(few, tmp_path / "few")
    speech = [real_speech(8_000 + 500 * number, number % 4) for number in range(8)]
    with torch.no_grad():
        scores = [float(whole.scores(whole(torch.from_numpy(one)[None]))) for one in speech]
    trials = []
    for number, one in enumerate(speech):
        path = tmp_path / f"clip{number}.flac"
        soundfile.write(path, one, 16_000)
        label = "bonafide" if scores[number] > median(scores) else "spoof"
        trials.append(Trial(str(path), path, label))
    lines = ["path,label", *(f"{one.path},{one.label}" for one in trials)]
    (tmp_path / "dev.csv").write_text("\n".join(lines) + "\n")
    out = tmp_path / "edge"
    given = ["study", "edge", model, tmp_path / "few", "--out", out, "--engines", "torch"]
    given += ["--threads", "1", "--precisions", "fp32", "--layers", "1,2"]
    assert main([*map(str, given), "--dev", str(tmp_path / "dev.csv")]) == 0

    found = scores_of(load_detector(tmp_path / "few"), trials, Manner(device="cpu"))
    found = found.set_index("label")["score"]
    expected = equal_error(found["bonafide"].to_numpy(), found["spoof"].to_numpy()).eer
    of_whole, of_few = pd.read_csv(out / "edge.csv").itertuples(index=False)
    assert (of_whole.eer_rise, of_whole.eer_rise_low, of_whole.eer_rise_high) == (0, 0, 0)
    assert of_few.eer_rise == pytest.approx(expected)
    assert expected > 0.5
    assert of_few.eer_rise_low <= of_few.eer_rise <= of_few.eer_rise_high
    assert "The rise of EER is over 8 trials" in (out / "edge.md").read_text()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (("--layers", "0"), "--layers 0: give whole numbers over 0"),
        (("--engines", "tensorrt"), "--engines tensorrt: give some of torch, onnxruntime"),
        (("--precisions", "fp8"), "--precisions fp8: give some of fp32, bf16, int8"),
        (("--duration", "0"), "give numbers over 0"),
        (("--examples", "a.csv", "--engines", "torch"), "--examples is for openvino in int8"),
    ],
)
def test_bad_input_is_a_line(model, tmp_path, capsys, changes, told):
    out = tmp_path / "edge"
    assert main(["study", "edge", str(model), "--out", str(out), *changes]) == 1
    assert told in capsys.readouterr().err
    assert not out.exists()


def test_layers_that_there_are_not_are_a_failure_of_that_form(model, alone, tmp_path, capsys):
    out = tmp_path / "edge"
    given = ["study", "edge", str(model), "--out", str(out), "--engines", "torch"]
    assert main([*given, "--precisions", "fp32", "--threads", "1", "--layers", "2,9"]) == 1
    assert "give a number from 1 to 2" in capsys.readouterr().out
    assert len(alone) == 1
