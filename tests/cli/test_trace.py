"""``fakemamba trace``: from recordings to a tracer, what it says, and how well."""

import csv
import json

import numpy as np
import pytest
import soundfile

from fakemamba.cli.main import main
from fakemamba.data.synthetic import speech_like
from fakemamba.evaluation import embeddings
from fakemamba.evaluation.embedding_files import read_embeddings
from fakemamba.models.checkpoints import save_pretrained

SYSTEMS = ("hum", "clip", "hiss")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Files of few points are written faster, and tables are not folded."""
    monkeypatch.setattr("fakemamba.analysis.pictures.figures.DPI", 20)
    monkeypatch.setenv("COLUMNS", "200")


def by_system(system, samples, seed):
    """What a system makes of speech."""
    if system == "hum":
        return samples + 0.5 * np.sin(2 * np.pi * 3_000 * np.arange(len(samples)) / 16_000)
    if system == "clip":
        return np.sign(samples) * np.abs(samples) ** 0.2
    return samples + 0.5 * np.random.default_rng(seed).standard_normal(len(samples))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, make_detector):
    """Recordings of three systems and some bona fide, in two manifests; and two checkpoints."""
    folder = tmp_path_factory.mktemp("traced")
    save_pretrained(make_detector("fake-mamba-s"), folder / "tiny")
    save_pretrained(make_detector("fake-mamba"), folder / "other")
    for part, seeds in (("fit", range(8)), ("new", range(50, 54))):
        lines = ["path,label,attack,speaker,language"]
        for seed in seeds:
            samples = speech_like(4_800 + 160 * seed, seed)
            told = f"s{seed % 4},{'en' if seed % 4 < 2 else 'fr'}"
            for system in SYSTEMS:
                made = by_system(system, samples, seed)
                soundfile.write(folder / f"{system}{seed}.wav", made, 16_000, subtype="FLOAT")
                lines.append(f"{system}{seed}.wav,spoof,{system},{told}")
            soundfile.write(folder / f"real{seed}.wav", samples, 16_000, subtype="FLOAT")
            lines.append(f"real{seed}.wav,bonafide,,{told}")
        (folder / f"{part}.csv").write_text("\n".join(lines) + "\n")
    return folder


def run(*arguments):
    return main(["trace", *map(str, arguments)])


def test_a_tracer_is_fitted_used_and_judged(folder, tmp_path, capsys):
    of = ("--checkpoint", folder / "tiny", "--device", "cpu")
    fit = ("--manifest", folder / "fit.csv", "--classifier", "mahalanobis", "--layer", 1)
    assert run("fit", *of, *fit, "--out", tmp_path / "model") == 0
    printed = capsys.readouterr().out
    assert "left out: 8 bona fide" in printed and "3 attacks: clip, hiss, hum" in printed
    assert "24 recordings of layer 1 of weights" in printed

    known = [folder / f"{system}0.wav" for system in SYSTEMS]
    for out in ("said.csv", "said.jsonl"):
        assert run("predict", tmp_path / "model", *known, *of, "--out", tmp_path / out) == 0
    with (tmp_path / "said.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [one["likeliest"] for one in rows] == list(SYSTEMS)
    assert [one["path"] for one in rows] == [str(one) for one in known]
    lines = [json.loads(line) for line in (tmp_path / "said.jsonl").read_text().splitlines()]
    for row, line in zip(rows, lines, strict=True):
        assert float(row["probability"]) == max(line["probabilities"].values())
        assert row["system"] in ("none of these", row["likeliest"])

    judged = ("--manifest", folder / "new.csv", "--layer", 1, "--bootstrap", 50)
    report = tmp_path / "judged.json"
    model = ("--model", tmp_path / "model", "--json", report)
    assert run("evaluate", *of, *judged, *model) == 0
    content = json.loads(report.read_text())
    assert content["closed"]["accuracy"]["value"] > 0.5 and content["kept_together"] == "model"
    assert content["left_out"] == {"bona fide": 4} and content["origin"]["layer"] == 1


def test_what_is_not_like_the_systems_is_none_of_these_and_no_error(folder, tmp_path, capsys):
    of = ("--checkpoint", folder / "tiny", "--device", "cpu")
    fit = ("--manifest", folder / "fit.csv", "--classifier", "mahalanobis")
    assert run("fit", *of, *fit, "--out", tmp_path / "model") == 0
    soundfile.write(tmp_path / "odd.wav", np.zeros(8_000), 16_000)
    files = (tmp_path / "odd.wav", tmp_path / "absent.wav")
    assert run("predict", tmp_path / "model", *files, *of) == 1
    captured = capsys.readouterr()
    assert "none of these" in captured.out.splitlines()[-2]
    assert "not embedded: " in captured.err and "absent.wav: no such file" in captured.err


def test_folds_layers_unseen_systems_and_pictures_of_one_pass(folder, tmp_path, capsys):
    kept, report = tmp_path / "all.npz", tmp_path / "found.json"
    how = ("--layers", "all", "--unseen", "hiss", "--bootstrap", 50, "--json", report)
    of = ("--checkpoint", folder / "tiny", "--device", "cpu", "--manifest", folder / "fit.csv")
    drawn = ("--plots", tmp_path / "drawn", "--keep", kept)
    assert run("evaluate", *of, *how, *drawn) == 0
    printed = capsys.readouterr().out
    for words in ("apart by speaker", "AUROC", "attack from language alone", "own adds"):
        assert words in printed
    assert {one.name for one in (tmp_path / "drawn").iterdir()} == {"confusion.png", "layers.png"}
    content = json.loads(report.read_text())
    assert content["verdict"] in printed.replace("\n", " ")
    assert [one["layer"] for one in content["layers"]] == [0, 1, 2, None]
    assert set(content["open"]) == {"softmax", "energy", "distance"}
    again = tmp_path / "again.json"
    assert run("evaluate", "--embeddings", kept, *how[:-1], again) == 0
    assert json.loads(again.read_text()) == content

    assert run("fit", "--embeddings", kept, "--layer", 2, "--out", tmp_path / "second") == 0
    assert run("predict", tmp_path / "second", "--embeddings", kept) == 0
    shown = capsys.readouterr().out
    assert shown.count("hum") >= 8 and "real7" in shown


@pytest.fixture(scope="module")
def fitted(folder, tmp_path_factory):
    """A tracer, and the embeddings that it was fitted to."""
    place = tmp_path_factory.mktemp("fitted")
    of = ("--checkpoint", folder / "tiny", "--device", "cpu", "--manifest", folder / "fit.csv")
    assert run("fit", *of, "--keep", place / "own.npz", "--out", place / "model") == 0
    return place


def test_what_does_not_belong_to_a_tracer_is_refused(folder, fitted, capsys):
    model, own = fitted / "model", fitted / "own.npz"
    clip = folder / "hum50.wav"
    refused = [
        (
            ("predict", model, clip, "--checkpoint", folder / "other"),
            "was fitted to the detector's",
        ),
        (("evaluate", "--model", model, "--embeddings", own), "trials that it is judged by here"),
        (("evaluate", "--model", model, "--embeddings", own, "--label", "speaker"), "is fitted"),
        (("predict", model, clip), "name the --checkpoint"),
        (("predict", model), "give either audio files"),
        (("predict", model, clip, "--embeddings", own), "give either audio files"),
        (("predict", model, "--embeddings", own, "--out", "x.txt"), ".csv or .jsonl"),
        (("predict", folder, "--embeddings", own), "tracer.json: no such file"),
        (("fit", "--embeddings", own, "--out", folder), "is there and is no tracer"),
        (("fit", "--embeddings", own, "--layer", 1, "--out", fitted / "x"), "not those of layer 1"),
        (("fit", "--embeddings", own, "--length", 9, "--out", fitted / "x"), "read as they are"),
        (("fit", "--out", fitted / "x"), "name a --checkpoint and trials"),
        (("evaluate", "--embeddings", own, "--layers", "all"), "to study them"),
        (("evaluate", "--embeddings", own, "--layers", "all", "--layer", 1), "give one of both"),
        (("evaluate", "--embeddings", own, "--label", "vocoder"), "no trial says its vocoder"),
        (("evaluate", "--embeddings", own, "--unseen", "typo"), "no trial is of the unseen typo"),
        (("evaluate", "--embeddings", own, "--split-by", "attack"), "no attack can be kept out"),
        (
            ("evaluate", "--embeddings", own, "--leave-one-out", "family"),
            "the family of clip, hiss, hum is not known; add a column 'family'",
        ),
    ]
    for arguments, message in refused:
        assert run(*arguments) == 1
        told = capsys.readouterr().err
        assert message in told and told.count("\n") == 1, arguments
    assert not (fitted / "x").exists()


def test_lists_that_cannot_be_traced_are_refused_before_anything_is_embedded(
    folder, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("fakemamba.cli.embedding.load_detector", None)
    lines = (folder / "fit.csv").read_text().splitlines()
    lists = {
        "none of 8 trials is spoofed": [line for line in lines if "bonafide" in line],
        "two attacks or more, but there is only hum": [one for one in lines if "hum" in one],
        "one trial alone is of the attack hiss": [one for one in lines if "hum" in one]
        + [lines[3]],
        "says its attack; give": [f"x{place}.wav,spoof,,s1,en" for place in range(4)],
    }
    for message, rows in lists.items():
        path = tmp_path / "list.csv"
        path.write_text("\n".join([lines[0], *rows]) + "\n")
        of = ("--checkpoint", folder / "tiny", "--manifest", path, "--root", folder)
        assert run("fit", *of, "--out", tmp_path / "x") == 1
        assert message in capsys.readouterr().err


def test_a_list_of_mlaad_is_read_as_it_is(folder, tmp_path, capsys):
    lines = ["path,model_name,transcript,architecture"]
    lines += [f"./{name}{seed}.wav,{name},x,F-{name[0]}" for seed in range(4) for name in SYSTEMS]
    lines.append(lines[-1])  # its list for evaluation has lines twice
    (tmp_path / "train.csv").write_text("\n".join(lines) + "\n")
    of = ("--checkpoint", folder / "tiny", "--device", "cpu", "--root", folder)
    listed = ("--manifest", tmp_path / "train.csv", "--out", tmp_path / "model")
    assert run("fit", *of, *listed) == 0
    assert "12 recordings of the detector's own" in capsys.readouterr().out
    report = tmp_path / "by-family.json"
    how = ("--leave-one-out", "family", "--split-by", "trial", "--bootstrap", 50, "--json", report)
    assert run("evaluate", *of, *listed[:2], *how) == 0
    each = json.loads(report.read_text())["one_unseen"]
    assert [(one["name"], one["systems"]) for one in each] == [
        ("F-c", ["clip"]),
        ("F-h", ["hiss", "hum"]),
    ]
    printed = capsys.readouterr().out
    assert "F-c (clip) unseen against the others" in printed
    assert "F-h (hiss, hum) unseen: leaving one family out leaves fewer than two of 3" in printed


def test_embedding_that_was_cut_off_is_gone_on_with(folder, tmp_path, monkeypatch, capsys):
    kept = tmp_path / "all.npz"
    of = ("--checkpoint", folder / "tiny", "--device", "cpu", "--manifest", folder / "fit.csv")
    of += ("--length", 4_000, "--out", tmp_path / "model")
    embed, batches = embeddings._embed, []

    def cut_off(detector, batch, layer):
        batches.append(len(batch.trials))
        if len(batches) == 2:
            raise KeyboardInterrupt
        return embed(detector, batch, layer)

    monkeypatch.setattr("fakemamba.evaluation.manner.Manner.budget_samples", 40_000)
    with monkeypatch.context() as patch:
        patch.setattr(embeddings, "_embed", cut_off)
        assert run("fit", *of, "--keep", kept) != 0
    assert "give the same command again" in capsys.readouterr().err
    assert not kept.exists() and (tmp_path / "all.npz.journal").exists()
    assert run("fit", *of, "--keep", kept, "--layer", 1) == 1
    assert "cannot be resumed: layer" in capsys.readouterr().err
    left = []
    with monkeypatch.context() as patch:
        patch.setattr(
            embeddings, "_embed", lambda *given: left.append(len(given[1].trials)) or embed(*given)
        )
        assert run("fit", *of, "--keep", kept) == 0
    assert sum(left) == 32 - batches[0] and not (tmp_path / "all.npz.journal").exists()
    whole = tmp_path / "whole.npz"
    assert run("fit", *of[:-1], tmp_path / "again", "--keep", whole) == 0
    found, expected = read_embeddings(kept), read_embeddings(whole)
    assert found.trials == expected.trials
    np.testing.assert_allclose(found.vectors, expected.vectors, atol=1e-5)
