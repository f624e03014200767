"""``fakemamba corpus check``: its words, its status and its JSON."""

import json

from fakemamba.cli.corpus_check import corpus_check


def open_speech(root, *phases):
    """A corpus whose size its own manifest says, with one recording a phase."""
    rows = [f"audio/{phase}.flac,spoof,{phase},7200\n" for phase in phases]
    (root / "manifest.csv").write_text("path,label,phase,duration\n" + "".join(rows))
    (root / "audio").mkdir()
    for phase in phases:
        (root / "audio" / f"{phase}.flac").write_bytes(b"x")


def test_a_whole_corpus_ends_well(tmp_path, capsys):
    open_speech(tmp_path, "train", "dev", "test", "partial-train", "partial-dev", "partial-spoof")
    assert corpus_check("open-speech", root=tmp_path, json_out=tmp_path / "check.json") == 0
    out = capsys.readouterr().out
    assert out.endswith("\ncomplete\n")
    assert out.count("2.00") == 6  # hours
    content = json.loads((tmp_path / "check.json").read_text())
    assert content["complete"] is True
    assert content["parts"][0]["phases"][0]["spoof"] == 1


def test_what_is_missing_is_listed_with_where_to_get_it(tmp_path, capsys):
    names = [f"clip{i:02d}" for i in range(12)]
    open_speech(tmp_path, "train", *names)
    for name in names:
        (tmp_path / "audio" / f"{name}.flac").unlink()
    rows = "".join(f"audio/{name}.flac,spoof,dev,1\n" for name in names)
    (tmp_path / "manifest.csv").write_text(f"path,label,phase,duration\n{rows}")
    assert corpus_check("open-speech", root=tmp_path) == 1
    out = capsys.readouterr().out
    assert "12 dev: recordings that are not there:\n" in out
    assert "clip09.flac\n  ...\n" in out
    assert "clip10.flac" not in out
    assert "1 recordings that no trial names:\n" in out
    assert "Where it is to be had: fakemamba corpus build open-speech" in out


def test_an_empty_folder_tells_the_layout_and_the_record(tmp_path, capsys):
    assert corpus_check("asvspoof2021-df", root=tmp_path, phase="eval") == 1
    out = capsys.readouterr().out
    assert "problem: " in out
    assert "keys/DF/CM/trial_metadata.txt" in out
    assert "Zenodo record 4835108" in out
    assert "ODC-By" in out
    assert "progress" not in out
