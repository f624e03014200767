"""The commands for a tandem with speaker verification, and for maps of where speech is fake."""

import csv
import json

import numpy as np
import pytest

from fakemamba.cli.main import main

HEADER = "spk filename cm-score asv-score sasv-score asv-label"


def expected(folder, score_file):
    with (folder / "metrics" / "expected.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return {row["metric"]: float(row["value"]) for row in rows if row["score_file"] == score_file}


def written_by(*arguments, tmp_path):
    out = tmp_path / "out.json"
    assert main([*map(str, arguments), "--json", str(out)]) == 0
    return json.loads(out.read_text())["metrics"]


def test_the_tandem_is_that_of_the_official_packages(oracles, tmp_path, capsys):
    folder, _ = oracles
    found = written_by("evaluate-tandem", folder / "metrics" / "sasv.tsv", tmp_path=tmp_path)
    of_both = expected(folder, "sasv.tsv#cm-score")
    of_sasv = expected(folder, "sasv.tsv#sasv-score")
    t_eer_percent = expected(folder, "sasv.tsv#cm+asv")["concurrent_tEER_percent(exhaustive)"]
    wanted = {
        "a_dcf_asvspoof5": of_sasv["min_aDCF(asvspoof5 costs)"],
        "a_dcf_shim2024": of_sasv["min_aDCF(a_dcf defaults)"],
        "min_tdcf_2019": of_both["min_tDCF_legacy2019"],
        "min_tdcf_2021": of_both["min_tDCF_revised2021"],
        "t_eer": t_eer_percent / 100,
    }
    assert {name: one["value"] for name, one in found.items()} == pytest.approx(wanted, abs=1e-9)
    assert "C_fa_spoof 20" in found["a_dcf_shim2024"]["costs"]
    assert "pi_target" in capsys.readouterr().out  # costs beside the values


def test_segments_are_judged_as_officially(oracles, tmp_path):
    folder, _ = oracles
    scores, labels = (folder / "metrics" / name for name in ("loc_frame20ms.txt", "loc.rttm"))
    out = tmp_path / "out.json"
    assert (
        main(["evaluate-segments", str(scores), "--segments", str(labels), "--json", str(out)]) == 0
    )
    (found,) = json.loads(out.read_text())["systems"]
    wanted = expected(folder, "loc_frame20ms.txt")
    segment = wanted["segment_EER_20ms(label at frame centre)"]
    assert found["figures"]["segment_eer"] == pytest.approx(segment, abs=1e-9)
    assert found["figures"]["range_eer"] == pytest.approx(
        wanted["range_EER(resolution=8000)"], abs=1e-6
    )


def table(tmp_path, *lines, header=HEADER):
    path = tmp_path / "table.tsv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def rows(columns):
    rng = np.random.default_rng(0)
    means = {"target": 3, "nontarget": 0, "spoof": -3}
    for label, mean in means.items():
        for number in range(20):
            scores = " ".join(f"{mean + rng.normal():.6f}" for _ in range(columns))
            yield f"s {label}{number} {scores} {label}"


def test_only_what_the_columns_allow_is_computed(tmp_path):
    path = table(tmp_path, *rows(1), header="spk filename sasv-score asv-label")
    assert set(written_by("evaluate-tandem", path, tmp_path=tmp_path)) == {
        "a_dcf_asvspoof5",
        "a_dcf_shim2024",
    }


@pytest.mark.parametrize(
    ("lines", "header", "message"),
    [
        (["s f 1 2 3"], HEADER, "line 2: 5 columns, but the first line names 6"),
        (["s f 1 x 3 target"], HEADER, "line 2: asv-score 'x' is not a finite number"),
        (["s f 1 nan 3 target"], HEADER, "line 2: asv-score 'nan' is not a finite number"),
        (["s f 1 2 3 impostor"], HEADER, "asv-label is 'impostor', but must be one of target"),
        (["s f 1"], "a b c", "line 1: the first line has to name asv-label"),
        (["f 1 target"], "f cm-score asv-label", "there is no sasv-score, and not both"),
        (["s f 1 2 3 target"], HEADER, "nontarget: no scores"),
        (
            ["s f 1 2 3 target", "s g 1 2 3 spoof", "s f 1 2 3 spoof"],
            HEADER,
            "line 4: s f is there already, in line 2; keep one row of each trial",
        ),
        (["s f 1_0 2 3 target"], HEADER, "line 2: cm-score '1_0' is not a finite number"),
    ],
)
def test_a_table_that_cannot_be_used_says_where_and_why(tmp_path, capsys, lines, header, message):
    path = table(tmp_path, *lines, header=header)
    assert main(["evaluate-tandem", str(path)]) == 1
    assert message in capsys.readouterr().err


def test_columns_can_be_chosen_by_name(tmp_path, capsys):
    path = table(tmp_path, *rows(1), header="spk filename sasv-score asv-label")
    wanted = written_by("evaluate-tandem", path, tmp_path=tmp_path)
    path = table(tmp_path, *rows(1), header="spk filename llr kind")
    chosen = ("--sasv-column", "llr", "--label-column", "kind")
    assert written_by("evaluate-tandem", path, *chosen, tmp_path=tmp_path) == wanted
    assert main(["evaluate-tandem", str(path), "--cm-column", "score"]) == 1
    assert "line 1: no column 'score' among spk, filename, llr, kind" in capsys.readouterr().err


FRAMES = 100  # of 20 ms


def write_maps(folder, shift, **falls):
    """Labels of 40 recordings of 2 s, every other one spoofed, and a map each of a fall in scores.

    ``falls`` has the fall of spoofed frames and that of frames near cuts, by the map's file.
    """
    rng = np.random.default_rng(shift + 1)
    lines = {name: [] for name in falls}
    labels, rows = [], ["path,trial_id,speaker,duration"]
    for number in range(40):
        name, kind = f"r{number + shift}", "spoof" if number % 2 else "bonafide"
        rows.append(f"{name}.flac,{name},s{number // 4},2.0")
        for start, length, label in (
            (0, 0.6, "bonafide"),
            (0.6, 0.8, kind),
            (1.4, 0.6, "bonafide"),
        ):
            labels.append(f"SPEAKER {name} 1 {start} {length} <NA> <NA> {label} <NA> <NA>")
        times = (np.arange(FRAMES) + 0.5) * 0.02
        is_spoof = (times > 0.6) & (times < 1.4) & (kind == "spoof")
        near = np.minimum(abs(times - 0.6), abs(times - 1.4)) < 0.16
        noise = rng.normal(size=FRAMES)
        for map_name, (of_spoof, of_cuts) in falls.items():
            scores = noise - of_spoof * is_spoof - of_cuts * near
            lines[map_name] += [f"{name} {place} {one:.6f}" for place, one in enumerate(scores)]
    for map_name, content in {**lines, "labels.rttm": labels, "list.csv": rows}.items():
        (folder / map_name).write_text("\n".join(content) + "\n")


@pytest.fixture
def maps(tmp_path, monkeypatch):
    """Go to a folder with two maps of a test, and of development recordings in the folder dev."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "dev").mkdir()
    falls = {"good.txt": (3.0, 0.0), "cuts.txt": (0.0, 3.0)}
    write_maps(tmp_path, 0, **falls)
    write_maps(tmp_path / "dev", 100, **falls)
    return tmp_path


DEV = ("--dev-frames", "dev/good.txt", "dev/cuts.txt", "--dev-segments", "dev/labels.rttm")
BOTH = ("evaluate-segments", "good.txt", "cuts.txt", "--segments", "labels.rttm")


def test_maps_are_compared_and_said_to_find_cuts_or_synthesis(maps, capsys):
    assert main([*BOTH, *DEV, "--bootstrap", "200", "--json", "out.json"]) == 0
    printed = capsys.readouterr().out
    said = " ".join(printed.split())
    assert "20 recordings are bona fide, 20 have spoof" in said
    assert "finds synthesis, not explained by cuts: of controls" in said
    assert "finds cuts, not synthesis: of controls" in said
    assert "paired differences" in said and "no speaker is known" in said
    assert max(map(len, printed.splitlines())) <= 80
    content = json.loads((maps / "out.json").read_text())
    good, cuts = content["systems"]
    assert (good["frames"], good["dev_frames"]) == ("good.txt", "dev/good.txt")
    assert good["figures"]["f1"] > 0.8 > cuts["figures"]["f1"]
    assert good["figures"]["iou"] < good["figures"]["f1"]
    low, high = (good["intervals"]["f1"][end] for end in ("low", "high"))
    assert low < good["figures"]["f1"] < high
    assert "segment EER" in content["how"]["threshold"] and "5 points" in content["how"]["cuts"]
    metrics = {one["metric"]: one["difference"] for one in content["differences"]}
    assert metrics["range_eer"]["high"] < 0 < metrics["f1_beyond_collar"]["low"]
    assert {one["kind"] for one in metrics.values()} == {"trials, within each class"}


def test_a_manifest_gives_speakers_and_durations(maps, capsys):
    assert main([*BOTH[:2], *BOTH[3:], "--manifest", "list.csv", "--bootstrap", "100"]) == 0
    printed = capsys.readouterr().out
    assert "draws of clusters, speaker;" in printed and "no F1, no IoU" in printed
    (maps / "list.csv").write_text((maps / "list.csv").read_text().replace("s1,2.0", "s1,1.5"))
    assert main([*BOTH, "--manifest", "list.csv"]) == 1
    assert (
        "labels.rttm, line 15: ends at 2 s, but the recording at 1.5 s" in capsys.readouterr().err
    )
    (maps / "list.csv").write_text("path,trial_id\nr1.flac,r1\nx.flac,r1\n")
    assert main([*BOTH, "--manifest", "list.csv"]) == 1
    assert "list.csv: r1 is there twice; keep one row of each" in capsys.readouterr().err
    (maps / "list.csv").write_text("path,trial_id\nr1.flac,r1\n")
    assert main([*BOTH, "--manifest", "list.csv"]) == 1
    assert "39 of 40 recordings are not in it: r0, r10" in capsys.readouterr().err


def test_a_corpus_of_several_phases_has_one_file_of_labels(maps, capsys):
    rows = ["path,trial_id,phase"]
    rows += [f"{name}.flac,r{name},test" for name in range(40)]
    rows += [f"{name}.flac,r{name},dev" for name in range(100, 140)]
    (maps / "all.csv").write_text("\n".join(rows) + "\n")
    both = (maps / "labels.rttm").read_text() + (maps / "dev" / "labels.rttm").read_text()
    (maps / "all.rttm").write_text(both)
    command = ["evaluate-segments", "good.txt", "--segments", "all.rttm", "--bootstrap", "0"]
    command += ["--dev-frames", "dev/good.txt", "--dev-segments", "all.rttm"]
    phases = ["--manifest", "all.csv", "--phase", "test", "--dev-phase", "dev"]
    assert main([*command, *phases, "--json", "out.json"]) == 0
    (found,) = json.loads((maps / "out.json").read_text())["systems"]
    assert found["figures"]["f1"] > 0.8
    assert main(command) == 1
    assert "dev/good.txt: 40 utterances have labels but no scores: r0" in capsys.readouterr().err
    assert main([*command, *phases[:2], "--phase", "eval"]) == 1
    assert "all.csv: no phase 'eval'; there are: dev, test" in capsys.readouterr().err
    assert main([*command, *phases[2:]]) == 1
    assert "are of a --manifest; give it" in capsys.readouterr().err


def test_labels_of_coarser_frames_are_taken(maps, capsys):
    labels = [f"r{number} {'0' if number % 2 else '1'}" + " 1" * 12 for number in range(40)]
    (maps / "labels").write_text("\n".join(labels) + "\n")  # 13 frames of 0.16 s: 2.08 s
    command = ["evaluate-segments", "good.txt", "--segments", "labels", "--bootstrap", "0"]
    assert main([*command, "--label-frame-s", "0.16", "--json", "out.json"]) == 0
    (found,) = json.loads((maps / "out.json").read_text())["systems"]
    assert 0.3 < found["figures"]["range_eer"] < 0.7 and not found["intervals"]
    assert main(command) == 1
    assert "say how long one is, such as 0.02 or 0.16 s" in capsys.readouterr().err
    assert main([*command, "--label-frame-s", "0.02"]) == 1
    assert "13 frames of 0.02 s are 0.26 s, but the recording lasts 2 s" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            DEV[:2],
            "2 files of frames, 1 of development and no labels: give as many of --dev-frames",
        ),
        (DEV[:3], "2 of development and no labels"),
        (DEV[3:], "0 of development and their labels"),
        (
            ("--dev-frames", "good.txt", "cuts.txt", "--dev-segments", "labels.rttm"),
            "40 recordings",
        ),
        (("--collar", "0"), "--collar 0: it must be longer than 0 s"),
        (("--label-frame-s", "0.02"), "labels.rttm has seconds and no frames"),
        (("--frame-s", "0.04"), "give the frames' own length"),
        (("--frame-s", "nan"), "a frame of nan s must be longer than 0 s"),
        (("--bootstrap", "3"), "3 replicates cannot give"),
    ],
)
def test_options_that_do_not_fit_are_refused(maps, capsys, arguments, message):
    assert main([*BOTH, *arguments]) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert main([*BOTH[:2], "good.txt", *BOTH[3:]]) == 1
    assert "good.txt is there twice" in capsys.readouterr().err


def test_frames_without_labels_are_named(tmp_path, capsys):
    (tmp_path / "frames.txt").write_text("a 0 1.5\na 1 0.5\nb 0 1\n")
    (tmp_path / "l.rttm").write_text("SPEAKER a 1 0 0.04 <NA> <NA> spoof <NA> <NA>\n")
    arguments = [str(tmp_path / "frames.txt"), "--segments", str(tmp_path / "l.rttm")]
    assert main(["evaluate-segments", *arguments]) == 1
    assert "frames.txt: 1 utterances have scores but no labels: b" in capsys.readouterr().err
