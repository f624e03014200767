"""Manifests: paths, other columns, and lines that cannot be used."""

import pytest

from fakemamba.data.manifest import ManifestError, read_manifest


@pytest.fixture
def folder(tmp_path):
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def write(folder, text):
    path = folder / "manifest.csv"
    path.write_text(text)
    return path


def test_paths_are_relative_to_the_manifest_and_columns_are_kept(folder):
    path = write(folder, f"path,label\na.wav,spoof\n{folder / 'b.wav'},bonafide\n")
    recordings = read_manifest(path)
    assert [recording.path for recording in recordings] == [folder / "a.wav", folder / "b.wav"]
    assert recordings[0].columns == {"label": "spoof"}


def test_another_root_can_be_given(folder, tmp_path_factory):
    path = write(tmp_path_factory.mktemp("elsewhere"), "path\na.wav\n")
    assert read_manifest(path, folder)[0].path == folder / "a.wav"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file\na.wav\n", "line 1: no column 'path'"),
        ("", "line 1: no column 'path'"),
        ("path\n", "no recordings"),
        ("path,label\na.wav,x\n,y\n", "line 3: the path is empty"),
        (
            "path\na.wav\nabsent.wav\n",
            r"1 of 2 recordings are not below .*\n  line 3: .*absent\.wav",
        ),
    ],
)
def test_a_line_that_cannot_be_used_is_named(folder, text, message):
    with pytest.raises(ManifestError, match=message):
        read_manifest(write(folder, text))


def test_a_missing_manifest_is_named(folder):
    with pytest.raises(ManifestError, match=r"absent\.csv: no such manifest"):
        read_manifest(folder / "absent.csv")
