"""The commands for a tandem with speaker verification, and for partly spoofed utterances."""

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
    found = written_by("evaluate-segments", scores, "--segments", labels, tmp_path=tmp_path)
    wanted = expected(folder, "loc_frame20ms.txt")
    segment = wanted["segment_EER_20ms(label at frame centre)"]
    assert found["segment_eer"]["eer"] == pytest.approx(segment, abs=1e-9)
    assert found["range_eer"]["eer"] == pytest.approx(
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
    ],
)
def test_a_table_that_cannot_be_used_says_where_and_why(tmp_path, capsys, lines, header, message):
    path = table(tmp_path, *lines, header=header)
    assert main(["evaluate-tandem", str(path)]) == 1
    assert message in capsys.readouterr().err


def test_frames_without_labels_are_named(tmp_path, capsys):
    (tmp_path / "frames.txt").write_text("a 0 1.5\na 1 0.5\nb 0 1\n")
    (tmp_path / "l.rttm").write_text("SPEAKER a 1 0 0.04 <NA> <NA> spoof <NA> <NA>\n")
    arguments = [str(tmp_path / "frames.txt"), "--segments", str(tmp_path / "l.rttm")]
    assert main(["evaluate-segments", *arguments]) == 1
    assert "1 utterances have scores but no labels: b" in capsys.readouterr().err
