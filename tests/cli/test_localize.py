"""``fakemamba localize`` as its users call it."""

import json

import pytest
import soundfile
from matplotlib.image import imread

from fakemamba import save_pretrained
from fakemamba.cli.main import main
from fakemamba.data.synthetic import speech_like
from fakemamba.evaluation.segment_files import read_frame_scores

SAMPLES = {"one": 16_000, "two": 9_000}
UNSIGNED = {"front-end-rollout", "hidden-attention", "step-size", "pooling"}


@pytest.fixture(scope="module")
def model(tmp_path_factory, make_detector):
    folder = tmp_path_factory.mktemp("model")
    save_pretrained(make_detector("fake-mamba", depth=1), folder / "tiny")
    return folder / "tiny"


@pytest.fixture
def clips(tmp_path):
    for seed, (name, samples) in enumerate(SAMPLES.items()):
        soundfile.write(tmp_path / f"{name}.flac", speech_like(samples, seed), 16_000)
    return [tmp_path / f"{name}.flac" for name in SAMPLES]


@pytest.fixture
def rttm(tmp_path):
    lines = ["one 1 0 0.4 <NA> <NA> bonafide", "one 1 0.4 0.6 <NA> <NA> spoof"]
    lines += ["two 1 0 0.5625 <NA> <NA> bonafide"]
    path = tmp_path / "truth.rttm"
    path.write_text("".join(f"SPEAKER {line} <NA> <NA>\n" for line in lines))
    return path


def run(model, out, *more):
    given = ["--checkpoint", model, "--out", out, "--device", "cpu", *more]
    return main(["localize", *map(str, given)])


def record(out):
    return json.loads((out / "localization.json").read_text())


def test_all_maps_of_a_detector_are_files_that_evaluate_segments_reads(
    model, clips, rttm, tmp_path, capsys
):
    out = tmp_path / "maps"
    more = ("--steps", 2, "--pictures", 1, "--segments", rttm)
    assert run(model, out, *more, *clips) == 0
    told = record(out)
    assert told["counts"] == {"trials": 2, "mapped": 2, "failed": 0} and told["failures"] == {}
    assert told["detector"] == "fake-mamba" and len(told["identity"]["weights_sha256"]) == 64
    assert told["trials"] == {"files": 2} and told["frame_s"] == 0.02
    methods = told["methods"]
    assert {name for name, about in methods.items() if not about["is_signed"]} == UNSIGNED
    assert methods["integrated-gradients"]["settings"] == {"steps": 2, "baseline": "zero"}
    for name, about in methods.items():
        scores = read_frame_scores(out / about["file"])
        assert {one: len(values) for one, values in scores.items()} == {"one": 49, "two": 27}
        assert main(["evaluate-segments", str(out / f"{name}.txt"), "--segments", str(rttm)]) == 0
    assert told["pictures"] == ["one.png"]
    height, width, _ = imread(out / "one.png").shape
    assert height > width > 1000  # a row a map
    said = capsys.readouterr().out
    assert "maps of 2 recordings by gradient" in said
    assert "pooling: minus how strongly a frame counts, which says nothing of its class" in said


def test_recordings_that_cannot_be_read_are_failures_and_the_others_are_mapped(
    model, clips, tmp_path, capsys
):
    (tmp_path / "bad.wav").write_text("no audio")
    (tmp_path / "list.csv").write_text("trial_id,path\na,bad.wav\nb,two.flac\nc,gone.wav\n")
    out = tmp_path / "maps"
    assert run(model, out, "--manifest", tmp_path / "list.csv", "--method", "pooling") == 1
    told = record(out)
    assert set(told["failures"]) == {"a", "c"} and "gone.wav" in told["failures"]["c"]
    assert told["counts"] == {"trials": 3, "mapped": 1, "failed": 2}
    assert set(read_frame_scores(out / "pooling.txt")) == {"b"}
    assert sorted(path.name for path in out.iterdir() if not path.name.startswith(".")) == [
        "localization.json",
        "pooling.txt",
    ]
    error = capsys.readouterr().err
    assert "2 of 3 recordings have no map" in error and "localization.json says why" in error


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--method", "pool"], "unknown method 'pool'; did you mean pooling?"),
        (["--method", "attention-rollout"], "FakeMamba has no attention-rollout; it has gradient"),
        (["--segments", "s.rttm"], "--segments is drawn, but nothing is: --pictures N"),
        (["--pictures", "-1"], "--pictures -1: give 0 or more"),
        (["--steps", "0"], "steps: should be greater than or equal to 1, but is 0"),
        (["--hop", "2"], "--hop 2 is more than --window 1"),
        (["--phase", "eval"], "--phase belongs to a --corpus"),
        (["--pictures", "1", "--segments", "none.rttm"], "none.rttm"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(model, clips, tmp_path, capsys, more, message):
    assert run(model, tmp_path / "maps", *more, *clips[:1]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "maps" / "localization.json").exists()


def test_no_recordings_or_a_blank_in_a_name_are_refused(model, tmp_path, capsys):
    assert run(model, tmp_path / "maps") == 1
    assert "no recordings given" in capsys.readouterr().err
    (tmp_path / "list.csv").write_text("trial_id,path\n")
    assert run(model, tmp_path / "maps", "--manifest", tmp_path / "list.csv") == 1
    assert "no recordings after the first line" in capsys.readouterr().err
    assert run(model, tmp_path / "maps", tmp_path / "a b.wav") == 1
    assert "'a b' has a blank in it, which parts the columns" in capsys.readouterr().err


def test_a_classifier_of_frames_is_fitted_and_is_one_more_map(model, clips, rttm, tmp_path, capsys):
    (tmp_path / "list.csv").write_text("path\none.flac\ntwo.flac\nthree.flac\n")
    given = ["--checkpoint", model, "--manifest", tmp_path / "list.csv", "--segments", rttm]
    line = tmp_path / "line.json"
    assert main(["localize-fit", *map(str, [*given, "--out", line, "--device", "cpu"])]) == 1
    captured = capsys.readouterr()
    assert "frames of 2 recordings" in captured.out
    assert "not fitted to: three: no segments are labelled" in captured.err
    assert "1 of 3 recordings were left out" in captured.err
    out = tmp_path / "maps"
    more = ("--classifier", line, "--method", "supervised")
    assert run(model, out, *more, *clips) == 0
    assert len(record(out)["classifier"]["sha256"]) == 64
    assert len(read_frame_scores(out / "supervised.txt")["one"]) == 49
    line.write_text(line.read_text().replace('"weights_sha256": "', '"weights_sha256": "0'))
    assert run(model, out, *more, *clips) == 1
    assert "fit one to this checkpoint with localize-fit" in capsys.readouterr().err
