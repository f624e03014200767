"""Manifests: CSV and Parquet give the same trials, stream, and name a line that cannot be used."""

import gzip
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakemamba.data import manifest
from fakemamba.data.manifest import (
    ManifestError,
    iterate_manifest,
    read_manifest,
    write_manifest,
)
from fakemamba.data.trials import Trial


@pytest.fixture
def folder(tmp_path):
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def write(folder, text, name="manifest.csv"):
    path = folder / name
    path.write_text(text)
    return path


def test_paths_are_relative_to_the_manifest(folder):
    path = write(folder, f"path,label,notes\na.wav,spoof,x\n{folder / 'b.wav'},bona-fide,\n")
    assert read_manifest(path) == [
        Trial("a", folder / "a.wav", "spoof"),
        Trial(str(folder / "b"), folder / "b.wav", "bonafide"),
    ]


def test_another_root_can_be_given(folder, tmp_path_factory):
    path = write(tmp_path_factory.mktemp("elsewhere"), "path\na.wav\n")
    assert read_manifest(path, folder)[0].path == folder / "a.wav"


def test_a_path_may_have_commas_and_blanks(folder):
    (folder / "a, b.wav").write_bytes(b"x")
    assert read_manifest(write(folder, 'path,label\n"a, b.wav",spoof\n'))[0].trial_id == "a, b"
    assert next(iterate_manifest(write(folder, "path\na b.wav\n"))).trial_id == "a b"


TRIALS = [
    *(
        Trial(f"t{i}", Path(f"audio/{i}.flac"), "spoof", "A07", "low, mp3", None, "S1", "x", "dev")
        for i in range(3)
    ),
    Trial("bona", Path("audio/b.wav"), "bonafide", duration_s=2.123456789012345),
]


@pytest.mark.parametrize("name", ["m.csv", "m.csv.gz", "m.parquet"])
def test_what_is_written_comes_back(tmp_path, name):
    here = [Trial(t.trial_id, tmp_path / t.path, *_rest(t)) for t in TRIALS]
    write_manifest(tmp_path / name, here)
    assert list(iterate_manifest(tmp_path / name, need_label=True)) == here
    moved = list(iterate_manifest(tmp_path / name, root="/elsewhere"))
    assert moved[0].path == Path("/elsewhere/audio/0.flac")


def _rest(trial):
    return tuple(getattr(trial, name) for name in Trial.__slots__[2:])


def test_equal_trials_give_equal_bytes(tmp_path):
    for name in ("one.csv.gz", "two.csv.gz"):
        write_manifest(tmp_path / name, TRIALS)
    assert (tmp_path / "one.csv.gz").read_bytes() == (tmp_path / "two.csv.gz").read_bytes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name\na.wav\n", "line 1: no column 'path' among name"),
        ("", "the file is empty"),
        ("path\n", "no recordings"),
        ("path,label\na.wav,spoof\n,spoof\n", "line 3: the path is empty"),
        ("path,label\na.wav,x\n", "line 2: the label is 'x', but must be one of bonafide"),
        ("path,label\na.wav,spoof\nb.wav\n", "line 3: 1 columns, but line 1 names 2"),
        ("path,label\na.wav,spoof\nb.w", r"line 3 \(the file ends in the middle of it"),
        ('path\na.wav\n"b.wav\n', "line 3: unexpected end of data"),
        ("path,path\na.wav,b.wav\n", "line 1: the column 'path' is there twice"),
        ("path,duration\na.wav,long\n", "line 2: the duration is 'long'"),
        ("path,duration\na.wav,-1\n", "line 2: the duration is '-1'"),
        ("path,duration\na.wav,1_0\n", "line 2: the duration is '1_0'"),
        ("path,duration\na.wav,1e400\n", "line 2: the duration is '1e400'"),
        ("path,duration\na.wav,3.2", r"line 2 \(the file ends.*may have lost the end of '3\.2'"),
        ("path,attack\na.wav,", r"line 2 \(the file ends.*may have lost the end of ''"),
        ('path,label\n"a\nb.wav",spoof\nc.wav,x\n', "line 4: the label is 'x'"),
        ("\n\n", "nothing but blank lines"),
        ("path\na.wav\nb.wav\na.wav\n", "line 4: trial a is there already, in line 2"),
        (
            "path\na.wav\nabsent.wav\n",
            r"1 of 2 recordings are not below .*\n  line 3: .*absent\.wav",
        ),
    ],
)
def test_a_line_that_cannot_be_used_is_named(folder, text, message):
    with pytest.raises(ManifestError, match=message):
        read_manifest(write(folder, text))


@pytest.mark.parametrize(
    "text",
    [
        '"path","label"\n"a.wav","spoof"\n',
        '"path";"label"\n"a.wav";"spoof"\n',
        "path\tlabel\na.wav\tspoof",
        "path, label\r\na.wav, spoof\r\n",
        '"path" "label"\n"a.wav" "spoof"\n',
    ],
)
def test_quoted_names_and_other_marks_are_understood(folder, text):
    assert read_manifest(write(folder, text)) == [Trial("a", folder / "a.wav", "spoof")]


HARD_TEXT = st.text(st.sampled_from(' ,;\t"\r\n#a1.\ufeff'), min_size=1, max_size=6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(HARD_TEXT, HARD_TEXT), min_size=1, max_size=4))
def test_names_come_back_whatever_is_in_them(tmp_path, names):
    trials = [
        Trial(f"{number}{name}", tmp_path / "x" / f"{name}.wav", "spoof", attack)
        for number, (name, attack) in enumerate(names)
    ]
    write_manifest(tmp_path / "m.csv", trials)
    assert list(iterate_manifest(tmp_path / "m.csv")) == trials


def test_what_is_no_text_in_a_parquet_file_is_named(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "m.parquet"
    for column, kind in ((["a.wav", b"b"], "bytes"), ([["a"]], "list"), ([True], "bool")):
        values = pyarrow.array(column, pyarrow.binary()) if kind == "bytes" else column
        parquet.write_table(pyarrow.table({"path": values}), path)
        with pytest.raises(ManifestError, match=f"row 1: the path is a {kind}, but must be text"):
            list(iterate_manifest(path))
    os.mkfifo(tmp_path / "pipe.parquet")
    with pytest.raises(ManifestError, match=r"pipe\.parquet is a pipe, not a file"):
        list(iterate_manifest(tmp_path / "pipe.parquet"))


def test_a_missing_label_is_an_error_only_where_labels_are_needed(folder):
    path = write(folder, "path,label\na.wav,spoof\nb.wav,\n")
    assert [trial.label for trial in iterate_manifest(path)] == ["spoof", None]
    with pytest.raises(ManifestError, match="line 3: the label is empty"):
        list(iterate_manifest(path, need_label=True))
    with pytest.raises(ManifestError, match="no column 'label'"):
        list(iterate_manifest(write(folder, "path\na.wav\n"), need_label=True))


def test_files_that_are_no_manifest_are_named(folder):
    with pytest.raises(ManifestError, match=r"absent\.csv: no such file"):
        read_manifest(folder / "absent.csv")
    with pytest.raises(ManifestError, match="is a folder"):
        read_manifest(folder)
    with pytest.raises(ManifestError, match=r"m\.parquet: not a Parquet file"):
        read_manifest(write(folder, "path\na.wav\n", "m.parquet"))
    (folder / "cut.csv.gz").write_bytes(gzip.compress(b"path\na.wav\n" * 1000, mtime=0)[:-9])
    with pytest.raises(ManifestError, match="the gzip file is broken"):
        list(iterate_manifest(folder / "cut.csv.gz"))
    with pytest.raises(ManifestError, match=r"ends in \.csv, \.csv\.gz or \.parquet"):
        write_manifest(folder / "m.txt", TRIALS)
    with pytest.raises(ManifestError, match="trial x has no path"):
        write_manifest(folder / "m.csv", [Trial("x")])
    assert not (folder / "m.csv").exists()


@pytest.mark.parametrize("name", ["m.csv", "m.csv.gz", "m.parquet"])
def test_memory_does_not_grow_with_the_manifest(tmp_path, monkeypatch, name):
    """Six times the trials, less than half as much again of memory, written and read."""
    monkeypatch.setattr(manifest, "PARQUET_ROWS", 500)
    paths = [Path(f"/a/{i}.wav") for i in range(9)]  # kept, as pathlib keeps a table of all names

    def peak_bytes(count):
        path = tmp_path / f"{count}-{name}"
        trials = (Trial(f"trial{i}", paths[i % 9]) for i in range(count))
        tracemalloc.start()
        write_manifest(path, trials)
        assert sum(1 for _ in iterate_manifest(path)) == count
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak_bytes(10)  # what is loaded at the first use is no part of the trials
    assert peak_bytes(9_000) < 1.5 * peak_bytes(1_500)


def test_a_last_line_that_ends_in_a_phase_of_before_is_whole(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("path,phase\na.wav,dev\nb.wav,dev")
    assert [trial.phase for trial in iterate_manifest(path)] == ["dev", "dev"]
    path.write_text("path,phase\na.wav,dev\nb.wav,de")
    with pytest.raises(ManifestError, match="may have lost the end of 'de'"):
        list(iterate_manifest(path))
