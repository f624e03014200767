"""The fakemamba command as its users call it."""

import json

import pytest
import soundfile
import torch
from official_files import (
    BONA_FIDE_FIRST,
    DETECTOR_OF,
    FIRST,
    PUBLISHED_SAMPLES,
    RANKED_BY_LOGIT,
    SECOND,
)

from fakemamba import save_pretrained
from fakemamba.cli.main import main
from fakemamba.data.synthetic import speech_like
from fakemamba.kernel_checks import KernelCheck


@pytest.fixture
def clip(tmp_path):
    soundfile.write(tmp_path / "clip.wav", speech_like(16_000, 0), 16_000)
    return tmp_path / "clip.wav"


def read_scores(path):
    return {stem: float(score) for stem, score in map(str.split, path.read_text().splitlines())}


@pytest.mark.parametrize("name", ["fake-mamba", "xlsr-aasist", *SECOND])
def test_convert_then_score_gives_the_official_scores(
    name, oracles, second_oracles, tmp_path, capsys
):
    recordings, _ = oracles
    folder, expected = oracles if name in FIRST else second_oracles
    said = expected["arch"][name]
    converted, scores = str(tmp_path / "model"), tmp_path / "scores.txt"
    which = ["--detector", DETECTOR_OF[name], "--frontend-heads", str(said.get("heads", 16))]
    assert main(["convert", str(folder / f"{name}.pth"), *which, "--out", converted]) == 0
    assert "parameters" in capsys.readouterr().out
    arguments = ["--checkpoint", converted, "--out", str(scores), "--device", "cpu"]
    if name in PUBLISHED_SAMPLES:
        arguments += ["--length", str(PUBLISHED_SAMPLES[name])]
    assert main(["score", *arguments, *(str(recordings / one) for one in said["logits"])]) == 0
    found = read_scores(scores)
    assert len(found) == len(said["logits"])
    for file_name, logits in said["logits"].items():
        spoof, bona_fide = reversed(logits) if name in BONA_FIDE_FIRST else logits
        wanted = bona_fide if name in RANKED_BY_LOGIT else bona_fide - spoof
        assert abs(found[file_name.rsplit(".", 1)[0]] - wanted) < 1e-4


def test_an_official_checkpoint_is_scored_directly_if_it_is_named(oracles, tmp_path, clip, capsys):
    folder, _ = oracles
    arguments = ["score", "--checkpoint", str(folder / "xlsr-mamba.pth"), str(clip)]
    arguments += ["--out", str(tmp_path / "s.txt")]
    assert main(arguments) == 1
    assert "say which one it is with --detector" in capsys.readouterr().err
    assert main([*arguments, "--detector", "xlsr-mamba"]) == 0
    assert list(read_scores(tmp_path / "s.txt")) == ["clip"]


def test_several_checkpoints_are_averaged(oracles, tmp_path):
    folder, _ = oracles
    state = torch.load(folder / "fake-mamba.pth", weights_only=True)
    paths = []
    for index in range(5):
        state["fc5.bias"] = torch.tensor([float(index), 0.0])
        paths.append(str(tmp_path / f"best_{index}.pth"))
        torch.save(state, paths[-1])
    for average, wanted in (("true", 2.0), ("as-released", 2.2)):
        out = tmp_path / average
        arguments = ["--detector", "fake-mamba", "--average", average, "--out", str(out)]
        assert main(["convert", *paths, *arguments]) == 0
        from fakemamba import from_pretrained

        assert from_pretrained(out).head.classifier.bias[0].item() == pytest.approx(wanted)


def test_a_file_that_was_not_scored_is_listed_and_fails_the_command(
    tmp_path, clip, make_detector, capsys
):
    save_pretrained(make_detector("fake-mamba-s"), tmp_path / "model")
    arguments = ["--checkpoint", str(tmp_path / "model"), "--out", str(tmp_path / "s.txt")]
    assert main(["score", *arguments, str(clip), str(tmp_path / "absent.wav")]) == 1
    output = capsys.readouterr()
    assert "absent.wav: no such file" in output.err
    assert "1 scores, 1 files not scored" in output.out
    assert list(read_scores(tmp_path / "s.txt")) == ["clip"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--detector", "xlsr-mamba"], "holds fake-mamba, not xlsr-mamba"),
        (["--detector", "fake-mumba"], "did you mean fake-mamba"),
        (["--device", "cuda:99"], "device 'cuda:99' is not there"),
        (["--length", "0"], "cannot be cut to that"),
    ],
    ids=str,
)
def test_wrong_arguments_of_score_are_one_line(
    arguments, message, tmp_path, clip, make_detector, capsys
):
    save_pretrained(make_detector("fake-mamba-s"), tmp_path / "model")
    common = ["--checkpoint", str(tmp_path / "model"), "--out", str(tmp_path / "s.txt"), str(clip)]
    assert main(["score", *common, *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("fakemamba: error: ") and message in error
    assert not (tmp_path / "s.txt").exists()


def test_detectors_lists_all_with_their_sizes(capsys):
    assert main(["detectors"]) == 0
    printed = capsys.readouterr().out
    assert "xlsr-aasist" in printed and "315,884,938" in printed


def test_plot_refuses_what_is_no_result(tmp_path, capsys):
    (tmp_path / "x.json").write_text(json.dumps({"benchmarks": []}))
    assert main(["plot", str(tmp_path / "x.json"), "--out", str(tmp_path / "p")]) == 1
    assert "x.json has no block 'fakemamba'" in capsys.readouterr().err


def test_backends_says_what_can_run_here_and_why_not(capsys):
    assert main(["backends"]) == 0
    printed = capsys.readouterr().out
    assert "reference" in printed and "mamba-ssm" in printed and "used by auto" in printed


def test_kernels_tells_of_a_gpu_s_what_auto_uses(tmp_path, capsys, monkeypatch):
    checks = {
        "fused-norm": KernelCheck("passed", None, {"fp32": 1.5e-7, "bf16": 3e-3}),
        "selective-scan": KernelCheck("failed", "bf16: [red]it is wrong", {"fp32": 2e-7}),
    }
    monkeypatch.setattr("fakemamba.cli.kernels.check_all", lambda device: checks)
    monkeypatch.setattr("fakemamba.cli.kernels.measure_degradation", lambda *_: [])
    monkeypatch.setattr("fakemamba.cli.kernels.ENCODER_FRAMES", ())
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["kernels", "--frontend", "xls-r-tiny", "--device", "cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    norm, scan = (next(one for one in lines if name in one) for name in checks)
    assert "passed" in norm and "yes" in norm and "fp32 1.5e-07, bf16 3.0e-03" in norm
    assert "failed" in scan and "no, torch" in scan and "bf16: [red]it is wrong" in scan


def test_kernels_prints_and_writes_its_tables(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("fakemamba.cli.kernels.ENCODER_FRAMES", (20,))
    arguments = ["--frontend", "xls-r-tiny", "--duration", "0.5", "--rounds", "1"]
    arguments += ["--device", "cpu", "--json", str(tmp_path / "k.json")]
    assert main(["kernels", *arguments]) == 0
    content = json.loads((tmp_path / "k.json").read_text())
    assert {row["part"] for row in content["degradation"]["backends"]} == {"encoder", "end-to-end"}
    assert {row["scan"] for row in content["scans"]} == {"selective", "ssd"}
    assert content["environment"]["device"].startswith("CPU: ")
    assert "matrix products alone" in capsys.readouterr().out
