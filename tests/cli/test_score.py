"""Scoring as its users call it: lists, formats, unreadable files, kills, and several processes."""

import json
import os
import signal
import subprocess
import sys
from importlib.util import find_spec

import pytest
import soundfile
from children import lines_of

from fakemamba import save_pretrained
from fakemamba.cli.main import main
from fakemamba.data.synthetic import speech_like
from fakemamba.evaluation.score_files import read_scores
from fakemamba.locks import sole_writer

LENGTHS = (9_000, 4_000, 12_000, 700, 6_500, 4_001)


@pytest.fixture
def model(tmp_path, make_detector):
    save_pretrained(make_detector("fake-mamba-s"), tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def clips(tmp_path):
    (tmp_path / "audio").mkdir()
    paths = []
    for seed, num_samples in enumerate(LENGTHS):
        paths.append(tmp_path / "audio" / f"clip{seed}.flac")
        soundfile.write(paths[-1], speech_like(num_samples, seed), 16_000)
    return paths


@pytest.fixture
def manifest(tmp_path, clips):
    """Every recording many times, under other names."""

    def write(repeats):
        names = [f"t{k}-{path.stem},audio/{path.name}" for k in range(repeats) for path in clips]
        path = tmp_path / "manifest.csv"
        path.write_text("trial_id,path\n" + "".join(f"{name}\n" for name in names))
        return path

    return write


def scored(path):
    table = read_scores(path)
    assert table["trial_id"].is_unique
    return dict(zip(table["trial_id"], table["score"], strict=True))


def arguments(model, out, *more):
    common = ["--checkpoint", model, "--out", out, "--device", "cpu", "--workers", "2", *more]
    return ["score", *map(str, common)]


def test_lines_are_in_the_order_of_the_list_and_the_sidecar_says_what_made_them(
    model, manifest, tmp_path, capsys
):
    listed, out = manifest(3), tmp_path / "scores.txt"
    assert main(arguments(model, out, "--manifest", listed)) == 0
    names = [line.split(",")[0] for line in listed.read_text().splitlines()[1:]]
    assert list(scored(out)) == names
    told = json.loads((tmp_path / "scores.txt.json").read_text())
    assert told["counts"] == {"trials": 18, "scored": 18, "failed": 0}
    assert told["audio_s"] == pytest.approx(3 * sum(LENGTHS) / 16_000)
    assert told["trials"]["manifest"] == str(listed) and len(told["trials"]["sha256"]) == 64
    assert len(told["identity"]["weights_sha256"]) == len(told["identity"]["code_sha256"]) == 64
    assert told["environment"]["device"].startswith("CPU: ")
    assert not (tmp_path / "scores.txt.journal").exists()
    assert "18 scores, 0 files not scored" in capsys.readouterr().out


def test_resuming_what_is_done_changes_nothing(model, clips, tmp_path):
    out = tmp_path / "scores.txt"
    given = arguments(model, out, *clips, "--resume")
    assert main(given) == 0
    outputs = (out, out.with_name("scores.txt.json"))
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in outputs]
    assert main(given) == 0
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in outputs] == before
    out.write_text(out.read_text().replace("clip0 ", "clip0 1"))  # they are no longer those
    assert main(given) == 0
    assert out.read_bytes() == before[0][0]


def test_csv_and_arena_are_written_by_name(model, manifest, tmp_path):
    common = ["--manifest", manifest(1)]
    assert main(arguments(model, tmp_path / "s.csv", *common, "--format", "csv")) == 0
    assert (tmp_path / "s.csv").read_text().startswith("trial_id,score\nt0-clip0,")
    assert main(arguments(model, tmp_path / "s.txt", *common, "--format", "arena")) == 0
    assert (tmp_path / "s.txt").read_text().startswith("audio/clip0.flac ")


@pytest.mark.skipif(not find_spec("onnxruntime") or not find_spec("onnx"), reason="not installed")
def test_an_engine_scores_and_the_sidecar_has_its_cold_start(model, clips, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert main(arguments(model, tmp_path / "plain.txt", *clips)) == 0
    wanted = scored(tmp_path / "plain.txt")
    for precision, error in (("fp32", 1e-4), ("int8", 0.1)):
        out = tmp_path / f"{precision}.txt"
        how = ("--execution", "onnxruntime", "--precision", precision)
        assert main(arguments(model, out, *clips, *how)) == 0
        assert scored(out) == pytest.approx(wanted, abs=error)
        told = json.loads((tmp_path / f"{precision}.txt.json").read_text())
        engine = told["settings"]["engines"][-1]
        assert engine["precision"] == precision and engine["threads"] >= 1
        assert engine["cold_start_s"] > 0 and engine["packages"] == told["identity"]["engine"]


def test_int8_of_torch_scores_each_recording_alone(model, clips, tmp_path):
    assert main(arguments(model, tmp_path / "plain.txt", *clips)) == 0
    wanted = scored(tmp_path / "plain.txt")
    found = []
    for seconds in ("0.1", "64"):
        out = tmp_path / f"{seconds}.txt"
        how = ("--precision", "int8", "--batch-seconds", seconds)
        assert main(arguments(model, out, *clips, *how)) == 0
        found.append(scored(out))
    assert found[0] == found[1] != wanted
    assert found[0] == pytest.approx(wanted, abs=0.1)


def test_unreadable_files_fail_the_end_and_are_all_that_resuming_scores(
    model, clips, tmp_path, capsys, monkeypatch
):
    out, broken = tmp_path / "s.txt", clips[1]
    content = broken.read_bytes()
    broken.write_bytes(b"")
    common = arguments(model, out, *clips)
    assert main(common) == 1
    told = capsys.readouterr()
    assert "clip1.flac: the file is empty" in told.err and "all others are in" in told.err
    assert "5 scores, 1 files not scored" in told.out
    first = scored(out)
    assert list(first) == ["clip0", "clip2", "clip3", "clip4", "clip5"]
    sidecar = json.loads((tmp_path / "s.txt.json").read_text())
    assert list(sidecar["failures"]) == ["clip1"] and sidecar["counts"]["failed"] == 1

    assert main(common) == 1
    assert "go on with it by --resume, or remove it" in capsys.readouterr().err
    broken.write_bytes(content)
    read = []
    from fakemamba.data import reading

    decode = reading.read_recording
    monkeypatch.setattr(
        reading, "read_recording", lambda path, **how: read.append(path) or decode(path, **how)
    )
    assert main([*common, "--resume"]) == 0
    assert read == [broken]
    assert list(scored(out)) == [path.stem for path in clips]
    assert first.items() < scored(out).items()
    assert not (tmp_path / "s.txt.journal").exists()


def test_a_run_that_was_killed_after_its_scores_appeared_is_ended_by_resuming(
    model, clips, tmp_path, monkeypatch
):
    out = tmp_path / "s.txt"

    def killed(folder):
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr("fakemamba.evaluation.score_run.remove_journal", killed)
        with pytest.raises(RuntimeError, match="killed"):
            main(arguments(model, out, *clips))
    before = out.read_bytes()
    monkeypatch.setattr("fakemamba.data.reading.read_recording", killed)  # nothing is left to read
    assert main(arguments(model, out, *clips, "--resume")) == 0
    assert out.read_bytes() == before and not (tmp_path / "s.txt.journal").exists()


def test_a_corpus_is_scored_by_name_and_phase(model, clips, tmp_path):
    rows = [
        f"{path.relative_to(tmp_path)},spoof,{'test' if i else 'dev'}\n"
        for i, path in enumerate(clips)
    ]
    (tmp_path / "manifest.csv").write_text("path,label,phase\n" + "".join(rows))
    common = arguments(model, tmp_path / "s.txt", "--corpus", "open-speech", "--root", tmp_path)
    assert main(common) == 0
    assert list(scored(tmp_path / "s.txt")) == [f"audio/{path.stem}" for path in clips[1:]]
    assert main([*common, "--phase", "dev"]) == 0
    assert list(scored(tmp_path / "s.txt")) == ["audio/clip0"]


@pytest.mark.parametrize(("allowed", "status"), [("1", 1), ("2", 0)])
def test_so_many_may_be_missing(allowed, status, model, clips, tmp_path):
    for path in clips[:2]:
        path.unlink()
    common = arguments(model, tmp_path / "s.txt", *clips, "--allow-missing", allowed)
    assert main(common) == status
    assert len(scored(tmp_path / "s.txt")) == 4
    assert (tmp_path / "s.txt.journal").exists() == bool(status)


def test_a_run_with_other_weights_trials_or_settings_is_not_resumed(
    model, clips, tmp_path, capsys, make_detector
):
    out = tmp_path / "s.txt"
    clips[0].unlink()
    assert main(arguments(model, out, *clips)) == 1
    before = out.read_bytes()
    for more, message in (
        ([*clips, "--length", "8000"], "length was None, is 8000"),
        ([*clips, "--execution", "eager"], "execution was 'plain', is 'eager'"),
        (clips[1:], "trials_sha256 was"),
    ):
        capsys.readouterr()
        assert main(arguments(model, out, *more, "--resume")) == 1
        assert message in capsys.readouterr().err
    detector = make_detector("fake-mamba-s")
    detector.head.classifier.bias.data += 1
    save_pretrained(detector, model)
    assert main(arguments(model, out, *clips, "--resume")) == 1
    assert "weights_sha256 was" in capsys.readouterr().err
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "no recordings given"),
        (["--manifest", "m.csv", "a.wav"], "or in several ways"),
        (["a.wav", "b/a.flac"], "several recordings are called a:"),
        (["my clip.wav"], "'my clip' has a blank in it"),
        (["a.wav", "--root", "."], "--root belongs to"),
        (["a.wav", "--phase", "eval"], "--phase belongs to"),
        (["--corpus", "in-the-wild"], "say where in-the-wild is with --root"),
        (["a.wav", "--batch-seconds", "0"], "no recording fits into that"),
        (["a.wav", "--workers", "0"], "--workers 0: give 1"),
        (["a.wav", "--allow-missing", "-1"], "give 0 or more"),
        (["a.wav", "--precision", "fp16"], "precision 'fp16' is not one of fp32, bf16"),
        (["a.wav", "--execution", "graph", "--device", "cpu"], "need a CUDA GPU"),
        (["a.wav", "--execution", "eager", "--precision", "tf32", "--device", "cpu"], "a GPU's"),
    ],
    ids=str,
)
def test_what_cannot_be_scored_is_refused_before_the_work(more, message, model, tmp_path, capsys):
    assert main(arguments(model, tmp_path / "s.txt", *more)) == 1
    error = capsys.readouterr().err
    assert error.startswith("fakemamba: error: ") and message in error
    assert list(tmp_path.glob("s.txt*")) == []


def test_a_manifest_that_is_a_pipe_is_refused_at_once(model, tmp_path, capsys):
    os.mkfifo(tmp_path / "list.csv")
    given = ("--manifest", str(tmp_path / "list.csv"))
    assert main(arguments(model, tmp_path / "s.txt", *given)) == 1
    assert "list.csv is a pipe, not a file" in capsys.readouterr().err


def same(found, wanted):
    assert list(found) == list(wanted)
    assert list(found.values()) == pytest.approx(list(wanted.values()), abs=1e-5)


def test_a_killed_run_goes_on_with_no_trial_lost_or_doubled(model, manifest, tmp_path, children):
    listed, out = manifest(40), tmp_path / "scores.txt"
    given = arguments(model, out, "--manifest", listed)
    journal = tmp_path / "scores.txt.journal" / "rank-0.jsonl"
    one_by_one = [*given, "--batch-seconds", "0.01"]  # to be met at work
    process = children.start_until(lambda: (lines_of(journal) or 0) >= 20, one_by_one)
    process.kill()
    process.join()
    assert not out.exists()
    assert 20 <= journal.read_bytes().count(b"\n") <= 240
    with journal.open("a") as file:
        file.write("[239, 0.12")  # what a kill in the middle of a line leaves
    assert main([*given, "--resume"]) == 0
    assert main(arguments(model, tmp_path / "whole.txt", "--manifest", listed)) == 0
    same(scored(out), scored(tmp_path / "whole.txt"))


BARS = ("import time", "scoring ")  # of Python, and of the command while it works


def require_one_line(told, remedy):
    told = [line for line in told.splitlines() if not line.startswith(BARS)]
    assert len(told) == 1 and told[0].startswith("fakemamba: interrupted") and remedy in told[0]


def test_a_run_that_is_interrupted_at_the_start_says_one_line(model, manifest, tmp_path):
    given = arguments(model, tmp_path / "s.txt", "--manifest", manifest(100))
    command = [sys.executable, "-X", "importtime", "-m", "fakemamba.cli.main", *given]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while "torch._" not in process.stderr.readline():  # which is being imported
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 143
    require_one_line(told, "give the same command again")
    assert not (tmp_path / ".s.txt.lock").exists()


def test_a_run_that_is_interrupted_at_work_says_how_to_go_on(model, manifest, tmp_path, children):
    given = arguments(model, tmp_path / "s.txt", "--manifest", manifest(100))
    journal = tmp_path / "s.txt.journal" / "rank-0.jsonl"
    one_by_one = [*given, "--batch-seconds", "0.01"]
    process = children.start_until(lambda: (lines_of(journal) or 0) >= 5, one_by_one)
    os.kill(process.pid, signal.SIGINT)
    process.join(60)
    assert process.exitcode == 130
    require_one_line(children.told, "--resume")
    assert not (tmp_path / ".s.txt.lock").exists()


def test_scores_have_one_writer(model, clips, tmp_path, capsys):
    given = arguments(model, tmp_path / "link.txt", *clips)
    (tmp_path / "link.txt").symlink_to(tmp_path / "s.txt")  # another name is the same file
    with sole_writer(tmp_path / "s.txt"):
        assert main(given) == 1
    told = capsys.readouterr().err
    assert "is being written by another process" in told and told.count("\n") == 1
    assert not list(tmp_path.glob("*.journal"))
    assert main(given) == 0
    assert len(scored(tmp_path / "s.txt")) == len(clips) and (tmp_path / "link.txt").is_symlink()


@pytest.mark.parametrize("out", ["/dev/stdout", "/dev/null", "pipe", "folder"])
def test_scores_are_a_file_because_of_their_journal(out, model, clips, tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    assert main(arguments(model, tmp_path / out, *clips)) == 1
    told = capsys.readouterr().err
    assert "has a journal beside it; name a file" in told and told.count("\n") == 1


@pytest.mark.at_length
def test_two_processes_give_the_scores_of_one(model, manifest, tmp_path, children):
    pytest.importorskip("accelerate")
    listed = manifest(2)
    with listed.open("a") as file:
        file.write("absent,audio/absent.wav\n")
    more = ("--manifest", listed, "--allow-missing", "1")
    children.run_ranks(2, arguments(model, tmp_path / "two.txt", *more))
    assert main(arguments(model, tmp_path / "one.txt", *more)) == 0
    same(scored(tmp_path / "two.txt"), scored(tmp_path / "one.txt"))
    told = json.loads((tmp_path / "two.txt.json").read_text())
    assert told["settings"]["ranks"] == 2 and list(told["failures"]) == ["absent"]
    assert told["audio_s"] == pytest.approx(2 * sum(LENGTHS) / 16_000)


def test_damaged_recordings_are_scored_only_if_that_is_allowed_and_are_listed(
    model, clips, tmp_path, capsys
):
    wav = tmp_path / "cut.wav"
    soundfile.write(wav, speech_like(8_000, 0), 16_000)
    wav.write_bytes(wav.read_bytes()[:-8_000])
    strict, allowed = tmp_path / "strict.txt", tmp_path / "allowed.txt"
    assert main(arguments(model, strict, clips[0], wav)) == 1
    assert "cut.wav: damaged: it ends 8,000 bytes too early; 0.250 s of" in capsys.readouterr().err
    assert main(arguments(model, strict, clips[0], wav, "--resume", "--allow-damaged")) == 1
    assert "allow_damaged was False, is True" in capsys.readouterr().err
    assert main(arguments(model, allowed, clips[0], wav, "--allow-damaged")) == 0
    assert list(scored(allowed)) == ["clip0", "cut"]
    told = json.loads((tmp_path / "allowed.txt.json").read_text())
    assert told["identity"]["allow_damaged"] is True and not told["failures"]
    assert list(told["damaged"]) == ["cut"] and "0.250 s of 0.500 s" in told["damaged"]["cut"]


def test_names_that_are_not_utf_8_are_refused_before_the_work(model, clips, tmp_path, capsys):
    bad = os.fsdecode(os.fsencode(tmp_path) + b"/latin1_\xe9.wav")
    clips[0].rename(bad)
    assert main(arguments(model, tmp_path / "s.txt", clips[1], bad)) == 1
    told = capsys.readouterr().err
    assert "latin1_\\xe9.wav" in told and "the name is not UTF-8" in told
    assert not (tmp_path / "s.txt.journal").exists()
