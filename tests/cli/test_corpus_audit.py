"""``fakemamba corpus audit`` and ``fakemamba embed``, from a manifest to what is written."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile

from fakemamba.cli.corpus_audit import corpus_audit
from fakemamba.cli.embed import embed
from fakemamba.data.synthetic import speech_like
from fakemamba.evaluation.audit import CUES, TOGETHER
from fakemamba.evaluation.separability import project
from fakemamba.models.checkpoints import save_pretrained

COUNT = 20  # recordings of each class


@pytest.fixture
def manifest(tmp_path):
    """Recordings of which the spoofs are much quieter, and a manifest in another folder."""
    (tmp_path / "audio").mkdir()
    lines = ["path,label,attack"]
    for place in range(2 * COUNT):
        is_spoof = place % 2 == 1
        samples = speech_like(4_800 + 160 * (place // 2), place) * (0.1 if is_spoof else 1)
        soundfile.write(tmp_path / "audio" / f"{place}.wav", samples, 16_000, subtype="FLOAT")
        lines.append(f"{place}.wav,{'spoof' if is_spoof else 'bonafide'},{'A07' * is_spoof}")
    path = tmp_path / "lists" / "mine.csv"
    path.parent.mkdir()
    path.write_text("\n".join(lines) + "\n")
    return path


def marked(printed):
    """The cues that the printed table marks."""
    return [line.split("│")[1].strip() for line in printed.splitlines() if "gives away" in line]


def test_the_cue_that_gives_the_class_away_is_marked(manifest, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    out = tmp_path / "new" / "audit.json"
    assert corpus_audit(manifest=manifest, root=tmp_path / "audio", json_out=out) == 0
    printed = capsys.readouterr().out
    assert "20 bona fide and 20 spoofed recordings" in printed
    assert "level (dBFS)" in marked(printed) and "duration (s)" not in marked(printed)
    assert "50 % is chance" in printed and "40 dB below" in printed
    assert max(map(len, printed.splitlines()[:-1])) <= 80
    rows = {row["cue"]: row for row in json.loads(out.read_text())["shortcuts"]}
    assert list(rows) == [*CUES, TOGETHER]
    assert rows["level_dbfs"]["eer"] == 0 and rows["level_dbfs"]["gives_away"]


def test_attacks_have_a_table_and_a_limit_is_kept(manifest, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    status = corpus_audit(manifest=manifest, root=tmp_path / "audio", per_attack=True, limit=12)
    printed = capsys.readouterr().out
    assert status == 0 and "12 bona fide and 12 spoofed" in printed
    (row,) = (line for line in printed.splitlines() if line.startswith("│A07"))
    assert row.count("0.0*") >= 2 and len(row) <= 80


def test_bad_recordings_are_listed_and_the_status_tells(manifest, tmp_path, capsys):
    (tmp_path / "audio" / "3.wav").write_bytes(b"no audio")
    assert corpus_audit(manifest=manifest, root=tmp_path / "audio") == 1
    captured = capsys.readouterr()
    assert "20 bona fide and 19 spoofed" in captured.out
    assert "not read: " in captured.err and "3.wav" in captured.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either a corpus"),
        ({"name": "in-the-wild", "manifest": "x.csv"}, "either a corpus"),
        ({"name": "in-the-wild"}, "say where in-the-wild is with --root"),
        ({"manifest": "x.csv", "phase": "dev"}, "--phase belongs to a corpus"),
    ],
)
def test_trials_are_of_one_manifest_or_one_corpus(arguments, message):
    name = arguments.pop("name", None)
    with pytest.raises(ValueError, match=message):
        corpus_audit(name, **arguments)


@pytest.fixture
def checkpoint(tmp_path, make_detector):
    save_pretrained(make_detector("fake-mamba-s"), tmp_path / "tiny")
    return tmp_path / "tiny"


def test_what_is_written_says_which_recordings_were_damaged(manifest, checkpoint, tmp_path):
    cut, audio = tmp_path / "audio" / "6.wav", tmp_path / "audio"
    cut.write_bytes(cut.read_bytes()[:-8_000])
    audited, embedded = tmp_path / "audit.json", tmp_path / "embedded" / "separability.json"
    how = {"manifest": manifest, "root": audio}
    for allowed in (False, True):
        status = 0 if allowed else 1
        common = {**how, "allow_damaged": allowed}
        assert corpus_audit(**common, json_out=audited) == status
        assert embed(checkpoint, embedded.parent, **common, device="cpu") == status
        for path in (audited, embedded):
            told = json.loads(path.read_text())
            reasons = list(told["damaged"].values()) if allowed else told["failures"]
            assert len(reasons) == 1 and "0.205 s of 0.330 s" in reasons[0]
            assert not told["failures" if allowed else "damaged"]
            assert all(str(name).endswith("6") for name in told["damaged"])


def test_embeddings_are_written_with_their_map(manifest, checkpoint, tmp_path, capsys):
    out = tmp_path / "embedded"
    how = {"manifest": manifest, "root": tmp_path / "audio", "device": "cpu"}
    assert embed(checkpoint, out, **how, limit=15) == 0
    assert "30 embeddings of 144 figures; linear probe EER" in capsys.readouterr().out
    with np.load(out / "embeddings.npz", allow_pickle=False) as content:
        vectors, names = content["vectors"], content["trial_ids"].tolist()
    assert vectors.shape == (30, 144)
    points = pd.read_csv(out / "map.csv", dtype={"trial_id": str})
    assert points["trial_id"].tolist() == names
    assert points["label"].value_counts().to_dict() == {"bonafide": 15, "spoof": 15}
    found = json.loads((out / "separability.json").read_text())
    assert 0 <= found["probe_low"] <= found["probe_eer"] <= found["probe_high"] <= 1
    assert found["width"] == 144 and "chance" in found["meaning"]["probe_eer"]
    assert (out / "embeddings.png").stat().st_size > 1_000
    np.testing.assert_array_equal(points[["x", "y"]].to_numpy(np.float32), project(vectors))


def test_recordings_that_cannot_be_embedded_are_listed(manifest, checkpoint, tmp_path, capsys):
    (tmp_path / "audio" / "0.wav").unlink()
    how = {"manifest": manifest, "root": tmp_path / "audio", "device": "cpu"}
    assert embed(checkpoint, tmp_path / "embedded", **how) == 1
    captured = capsys.readouterr()
    assert "39 embeddings" in captured.out
    assert "not embedded: " in captured.err and "0.wav: no such file" in captured.err


def test_cuts_are_audited_by_the_segments(manifest, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = []
    for place in range(2 * COUNT):
        label = "spoof" if place % 2 else "bonafide"
        for start, kind in ((0, "bonafide"), (0.15, label)):
            lines.append(f"SPEAKER {place} 1 {start} 0.15 <NA> <NA> {kind} <NA> <NA>\n")
    (tmp_path / "segments.rttm").write_text("".join(lines))
    out = tmp_path / "audit.json"
    how = {"manifest": manifest, "root": tmp_path / "audio", "json_out": out}
    assert corpus_audit(**how, segments=tmp_path / "segments.rttm") == 0
    printed = capsys.readouterr().out
    assert "20 cuts of controls and 20 of spoofs" in printed and "spectral flux (dB)" in printed
    cuts = json.loads(out.read_text())["cuts"]
    assert [row["cue"] for row in cuts] == ["level_step_db", "spectral_flux_db"]
    assert all(0 <= row["low"] <= row["eer"] <= 0.5 for row in cuts)
    (tmp_path / "segments.rttm").write_text(lines[0])
    with pytest.raises(ValueError, match="no control among these recordings has a cut"):
        corpus_audit(**how, segments=tmp_path / "segments.rttm")
