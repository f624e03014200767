"""Exporting as its users call it: a folder that runs by itself, or nothing and a line why."""

import json
import re
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import soundfile
import torch

from fakemamba import save_pretrained
from fakemamba.cli.main import main
from fakemamba.cli.mixed_precision import advice
from fakemamba.data.recordings import real_speech
from fakemamba.evaluation.bootstrap import Difference
from fakemamba.evaluation.score_files import read_scores

pytestmark = pytest.mark.skipif(
    any(find_spec(one) is None for one in ("onnx", "onnxruntime", "onnxscript")),
    reason="not installed: onnx, onnxruntime or onnxscript",
)
# Runs a script with imports of these packages failing, as where they are not installed.
ALONE = """
import runpy, sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "fakemamba", "transformers", "onnx"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture
def clips(tmp_path):
    """Recordings (id, label, path) of two speakers, and a manifest of them."""
    lines = ["path,label"]
    for number in range(8):
        path = tmp_path / f"clip{number}.flac"
        speech = real_speech(40_000, number % 2)[number * 1_000 :]
        soundfile.write(path, speech, 16_000)
        lines.append(f"{path},{'bonafide' if number % 2 else 'spoof'}")
    (tmp_path / "dev.csv").write_text("\n".join(lines) + "\n")
    return sorted(tmp_path.glob("clip*.flac"))


@pytest.fixture
def model(tmp_path, make_detector):
    save_pretrained(make_detector("antideepfake"), tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def refused(capsys, tmp_path):
    """The line with which a command fails; nothing is written."""

    def run(*arguments):
        out = tmp_path / "out"
        assert main(["export", *map(str, arguments), "--out", str(out)]) == 1
        assert not list(tmp_path.glob("out*"))
        return capsys.readouterr().err.strip().splitlines()[-1]

    return run


def test_an_export_scores_by_itself_as_the_detector_does(model, clips, tmp_path, capsys):
    out = tmp_path / "out"
    given = ["export", model, "--to", "onnx", "--out", out, "--dev", tmp_path / "dev.csv"]
    assert main([*map(str, given)]) == 0
    told = capsys.readouterr().out
    assert "rises by 0.00 percentage points" in told
    card = json.loads((out / "card.json").read_text())
    assert card["detector"] == "antideepfake"
    assert card["bona_fide_index"] == 1
    assert card["sample_rate_hz"] == 16_000
    assert card["files_bytes"] == sum(
        (out / name).stat().st_size for name in ("model.onnx", "weights.bin")
    )
    assert card["eer"]["trials"] == 8
    assert max(card["errors"].values()) < 1e-4
    assert "| 30 |" in (out / "README.md").read_text()

    script = [sys.executable, "-c", ALONE, str(out / "score.py"), *map(str, clips)]
    done = subprocess.run(script, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    alone = [float(line.split()[-1]) for line in done.stdout.splitlines()]
    scored = tmp_path / "scores.txt"
    given = ["score", "--checkpoint", model, "--out", scored, "--device", "cpu", *clips]
    assert main([*map(str, given)]) == 0
    np.testing.assert_allclose(alone, read_scores(scored)["score"], rtol=0, atol=1e-5)

    soundfile.write(tmp_path / "short.flac", np.zeros(399), 16_000)
    done = subprocess.run([*script[:4], tmp_path / "short.flac"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.endswith("short.flac: 399 samples, but it takes 400 and more\n")


@pytest.mark.parametrize("allowed", ["0.5", pytest.param("3", marks=pytest.mark.at_length)])
def test_fewer_layers_are_refused_where_the_eer_may_rise_by_more(
    allowed, model, clips, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("fakemamba.cli.eer_limit.eer_rise", rises_of(0.02, 0.0))
    monkeypatch.setattr("fakemamba.cli.export.DURATIONS_S", (0.5,))
    out = tmp_path / "out"
    given = [model, "--to", "onnx", "--layers", "1", "--dev", tmp_path / "dev.csv", "--out", out]
    status = main(["export", *map(str, given), "--max-eer-rise", allowed])
    told = capsys.readouterr()
    said = "the EER of 8 trials rises by 2.00 percentage points (2.00 to 2.00)"
    if allowed == "0.5":
        assert status == 1
        assert f"nothing is written: {said}, and 0.5 are allowed" in told.err
        assert not list(tmp_path.glob("out*"))
    else:
        assert status == 0
        assert said in told.out
        card = json.loads((out / "card.json").read_text())
        assert card["layers"] == card["config"]["frontend"]["num_layers"] == 1


def rises_of(*values):
    """Rises, one after the other."""
    left = list(values)
    return lambda after, before: as_rise(left.pop(0))


def as_rise(value):
    return Difference(value, value, value, 0.0, 1000, "trials")


@pytest.mark.at_length
def test_int8_that_costs_too_much_is_refused_with_what_to_keep_in_fp32(
    model, clips, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("fakemamba.cli.export.DURATIONS_S", (0.5,))
    given = [model, "--to", "onnx", "--precision", "int8", "--dev", tmp_path / "dev.csv"]
    given = ["export", *map(str, given), "--out", str(tmp_path / "out")]
    # Of the export, of one group kept, of two.
    monkeypatch.setattr("fakemamba.cli.eer_limit.eer_rise", rises_of(0.02, 0.01, 0.001))
    assert main(given) == 1
    told = capsys.readouterr().err
    assert not list(tmp_path.glob("out*"))
    line = told.strip().splitlines()[-1]
    assert "nothing is written: the EER of 8 trials rises by 2.00 percentage points" in line
    advised = re.search(
        r"; with (--keep-fp32 \S+) it rises by 0.10 percentage points \(0.10 to 0.10\), in ", line
    )
    assert advised is not None, line
    option = advised[1].split()
    assert len(option[1].split(",")) == 2
    monkeypatch.setattr("fakemamba.cli.eer_limit.eer_rise", rises_of(0.001))
    assert main([*given, *option]) == 0
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    assert card["kept_fp32"] == option[1].split(",")
    assert (
        f"stay, of the front-end (layers from 0 on): {', '.join(card['kept_fp32'])}."
        in (tmp_path / "out" / "README.md").read_text()
    )


class Limit:
    """Allows what keeps these groups."""

    def __init__(self, *needed):
        self.needed, self.tried = set(needed), []

    def rise(self, what, scored):
        assert scored.parent.is_dir()
        self.tried.append(what.removeprefix("--keep-fp32 ").split(","))
        return as_rise(0.02 if self.needed - set(self.tried[-1]) else 0.0)

    def allows(self, rise):
        return rise.high < 0.01


class Draft:
    """Writes nothing but a size."""

    groups, model_name = ("convolutions", *map(str, range(9))), "model.onnx"

    def write(self, folder, precision, examples, *, kept):
        (folder / self.model_name).write_bytes(bytes(100_000 * len(kept)))


@pytest.mark.parametrize(
    ("needed", "kept", "numbers", "told"),
    [
        (("7",), (), [1], "with --keep-fp32 7 it rises by 0.00 percentage points (0.00 to 0.00)"),
        (("7", "5", "0"), (), [1, 2, 4], "with --keep-fp32 0,5,6,7 it rises by 0.00 "),
        (("7", "2"), ("2", "4"), [3], "with --keep-fp32 2,4,7 it rises by 0.00 "),
        (("convolutions",), (), [1, 2, 4, 8], "no mixture passes that was tried: with --keep-fp32"),
    ],
)
def test_the_worst_groups_are_kept_until_the_eer_rises_by_little(
    needed, kept, numbers, told, tmp_path, monkeypatch, capsys
):
    def most_harmed(detector, draft, folder, examples, already, waveforms):
        return [one for one in "765012348" if one not in already] + ["convolutions"]

    monkeypatch.setattr("fakemamba.cli.mixed_precision.most_harmed", most_harmed)
    limit = Limit(*needed)
    found = advice(None, Draft(), tmp_path, None, kept, torch.zeros(1, 8), limit)
    assert found.startswith(told) and found.endswith(f", in {numbers[-1] / 10:.1f} MB")
    assert [len(one) for one in limit.tried] == numbers
    assert not list(tmp_path.iterdir())
    assert found.removeprefix("no mixture passes that was tried: ") in capsys.readouterr().err


def test_a_folder_that_is_not_empty_stays_as_it_is(model, tmp_path, capsys):
    out = tmp_path / "mine"
    out.mkdir()
    (out / "precious").write_text("x")
    assert main(["export", str(model), "--to", "onnx", "--out", str(out)]) == 1
    assert "is not empty" in capsys.readouterr().err
    assert [one.name for one in out.iterdir()] == ["precious"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--layers", "9"), "give a number from 1 to 2"),
        (("--max-eer-rise", "-1"), "give 0 or more"),
        (("--length", "16000"), "--length belongs to --dev"),
        (("--examples", "dev.csv"), "--examples is for openvino in int8"),
        (("--keep-fp32", "1"), "--keep-fp32 belongs to --precision int8: all is in fp32"),
        (
            ("--precision", "int8", "--keep-fp32", "2"),
            "convolutions and the front-end's layers from",
        ),
        (("--precision", "int8", "--keep-fp32", "encoder"), "the encoder is in fp32 as it is"),
        (("--precision", "int8", "--keep-fp32", "1,1"), "each once"),
        (("--precision", "int8", "--keep-fp32", "1,0,convolutions"), "nothing is left for int8"),
        (("--dev", "nowhere.csv"), "nowhere.csv"),
        (("--dev", "bonafide.csv"), "there is no spoof trial"),
        (("--dev", "unlabelled.csv"), "label"),
        (("--dev", "broken.csv"), "broken.flac"),
    ],
)
def test_bad_input_is_a_line(given, told, model, clips, tmp_path, refused, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bonafide.csv").write_text(f"path,label\n{clips[0]},bonafide\n")
    (tmp_path / "unlabelled.csv").write_text(f"path\n{clips[0]}\n")
    (tmp_path / "broken.flac").write_bytes(b"no audio")
    lines = f"path,label\n{clips[0]},bonafide\nbroken.flac,spoof\n"
    (tmp_path / "broken.csv").write_text(lines)
    assert told in refused(model, "--to", "onnx", *given)
