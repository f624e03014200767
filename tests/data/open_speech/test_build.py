"""The open corpus built: the same bytes however it was built, and nothing that gives it away."""

import csv
import hashlib
import json
import multiprocessing
from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import asdict
from typing import NamedTuple

import pytest

from fakemamba.cli.corpus_build import corpus_build
from fakemamba.data.audio import read_audio
from fakemamba.data.manifest import read_manifest
from fakemamba.data.open_speech import build as building
from fakemamba.data.open_speech import packages, plan
from fakemamba.data.open_speech.build import BuildError, build
from fakemamba.data.open_speech.packages import MissingPackagesError, installed_versions
from fakemamba.evaluation.audit import audit


@pytest.fixture(scope="module")
def installed():
    """Skip where something that the corpus is made of is not installed."""
    try:
        installed_versions()
    except MissingPackagesError as error:
        pytest.skip(str(error))


@contextmanager
def of_few_quartets():
    """A small corpus has four quartets meanwhile, two a language: one is spliced with another."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(plan.SIZES, "small", 2)
        patch.setattr(plan, "LANGUAGES", {"train": ("ru",), "test": ("es",)})
        yield


@pytest.fixture
def tiny(installed):
    with of_few_quartets():
        yield


@pytest.fixture(scope="module")
def whole(installed, tmp_path_factory):
    """The folder of a tiny build by the command."""
    folder = tmp_path_factory.mktemp("tiny")
    with of_few_quartets():
        corpus_build("open-speech", out=folder, workers=1)
    return folder


@pytest.fixture(scope="module")
def small(installed, tmp_path_factory):
    """The folder of a small build by the command, as big as it is for everybody."""
    folder = tmp_path_factory.mktemp("small")
    corpus_build("open-speech", out=folder)
    return folder


class Fewest(NamedTuple):
    """That a build has to have; some quartets may be left out of a small one."""

    recordings: int
    quartets: int
    spliced: int


FEWEST = {"whole": Fewest(18, 4, 2), "small": Fewest(240, 51, 50)}


@pytest.fixture(params=["whole", pytest.param("small", marks=pytest.mark.at_length)])
def corpus(request):
    """A build: its folder, its manifest's rows, and how much there has to be."""
    folder = request.getfixturevalue(request.param)
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return folder, list(csv.DictReader(file)), FEWEST[request.param]


class Killed(BaseException):
    pass


def stop_early(quartets, total):
    """Progress that is killed after the first of the quartets."""
    yield next(iter(quartets))
    raise Killed


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.at_length
def test_an_interrupted_build_goes_on_to_the_same_bytes(tiny, whole, tmp_path):
    halves = tmp_path / "halves"
    with pytest.raises(Killed):
        build(halves, workers=2, progress=stop_early)
    assert not (halves / "manifest.csv").exists()
    kept = {path: path.stat().st_mtime_ns for path in halves.rglob("*.flac")}
    assert kept
    built = build(halves, workers=2)
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())
    found = contents(halves)
    assert found == contents(whole)

    described = json.loads((halves / "build.json").read_text())
    assert described | asdict(built) == described
    found.pop("build.json")
    assert described["sha256"] == found
    assert described["versions"].keys() >= {"espeak-ng", "numpy", "fakemamba"}
    assert described["recordings"] == sum(name.endswith(".flac") for name in found)
    with pytest.raises(BuildError, match="is not empty"):
        build(whole, seed=1)


def end_a_process(quartets, total):
    """Progress during which one of the processes is killed."""
    next(iter(multiprocessing.active_children())).kill()
    yield from quartets


def test_a_killed_process_is_told_with_the_remedy(tiny, tmp_path):
    with pytest.raises(BuildError, match="the same command goes on"):
        build(tmp_path / "out", workers=1, progress=end_a_process)


def test_the_manifest_is_one_and_its_recordings_are_as_it_says(corpus):
    folder, rows, fewest = corpus
    trials = read_manifest(folder / "manifest.csv")
    assert len(trials) == len(rows) >= fewest.recordings
    for trial in trials[::10]:
        waveform = read_audio(trial.path)
        assert len(waveform) / 16_000 == pytest.approx(trial.duration_s, abs=1e-6)
        assert 0.01 < abs(waveform).max() < 0.99
    assert all(row["licence"] and row["text"] and row["speaker"] for row in rows)
    page = (folder / "LICENCES.md").read_text()
    assert all(row["source"] in page for row in rows)


def test_classes_have_the_same_texts_and_languages(corpus):
    _, rows, fewest = corpus
    shares = defaultdict(Counter)
    for row in rows:
        if row["phase"] not in plan.PARTIAL.values():
            shares[row["phase"], row["text_id"], row["language"]][row["label"]] += 1
    assert len(shares) >= fewest.quartets
    for counts in shares.values():
        assert counts["spoof"] == plan.FORGERIES * counts["bonafide"]


@pytest.mark.at_length
def test_no_cue_gives_the_classes_away(small):
    trials = read_manifest(small / "manifest.csv")
    trials = [one for one in trials if one.phase not in plan.PARTIAL.values()]
    found = {one.cue: one.eer for one in audit(trials).shortcuts if one.attack is None}
    for cue in ("duration_s", "level_dbfs", "leading_silence_s", "trailing_silence_s"):
        assert found[cue] > 0.45, cue
    for cue in ("bandwidth_hz", "peak_dbfs"):
        assert found[cue] > 0.4, cue


def test_segments_cover_each_spliced_recording(corpus):
    folder, rows, fewest = corpus
    partial = plan.PARTIAL.values()
    expected = {row["trial_id"]: row for row in rows if row["phase"] in partial}
    labels, ends = defaultdict(list), defaultdict(float)
    for line in (folder / "segments.rttm").read_text().splitlines():
        kind, trial_id, channel, start, length, *_, label, _, _ = line.split()
        assert (kind, channel) == ("SPEAKER", "1")
        assert float(start) == pytest.approx(ends[trial_id], abs=2e-6)
        ends[trial_id] = float(start) + float(length)
        labels[trial_id].append(label)
    assert labels.keys() == expected.keys() and len(expected) >= fewest.spliced
    for trial_id, row in expected.items():
        assert ends[trial_id] == pytest.approx(float(row["duration"]), abs=2e-6)
        spoofed = "spoof" in labels[trial_id]
        assert spoofed == (row["label"] == "spoof")
        assert "bonafide" in labels[trial_id] and len(labels[trial_id]) in (3, 5)
    spliced = Counter((row["phase"], row["label"]) for row in expected.values())
    assert all(spliced[phase, "spoof"] == spliced[phase, "bonafide"] for phase in partial)


def test_what_is_missing_is_listed_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(packages, "_debian_versions", lambda: {"flite": "2.2"})
    with pytest.raises(MissingPackagesError) as error:
        build(tmp_path / "out")
    said = str(error.value)
    assert "apt-get install --no-install-recommends asterisk-core-sounds-en " in said
    assert "festvox-ru" in said and " flite" not in said
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_else_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(building, "installed_versions", dict)
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(BuildError, match="is not empty"):
        build(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("wrong", [{"size": "huge"}, {"seed": -1}])
def test_a_size_or_seed_that_cannot_be_is_refused(tmp_path, wrong):
    with pytest.raises(BuildError, match="sizes are small and full"):
        build(tmp_path / "out", **wrong)
