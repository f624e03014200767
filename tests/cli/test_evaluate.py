"""``fakemamba evaluate`` and ``calibrate``: files in, tables and JSON out, and what stops them."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import tyro

from fakemamba.cli.calibrate import calibrate
from fakemamba.cli.evaluate import evaluate
from fakemamba.data.manifest import iterate_manifest
from fakemamba.evaluation.breakdown import BreakdownError
from fakemamba.evaluation.calibration import CalibrationError
from fakemamba.evaluation.coverage import CoverageError
from fakemamba.evaluation.metrics.detection import equal_error
from fakemamba.evaluation.score_files import ScoreFileError, write_scores

COUNT = 800


def run(command, *arguments):
    return tyro.cli(command, args=[str(one) for one in arguments])


def drawn(prefix, seed):
    """Ids, whether they are bona fide, speakers, attacks, scores and durations of some trials."""
    rng = np.random.default_rng(seed)
    real = rng.random(COUNT) < 0.25
    return [
        (
            f"{prefix}{number}",
            bool(real[number]),
            f"LA_{number % 9:04d}",
            "-" if real[number] else f"A{7 + number % 5:02d}",
            float(rng.normal(1.0 if real[number] else -1.0, 1.0)),
            float(rng.gamma(4.0)),
        )
        for number in range(COUNT)
    ]


@pytest.fixture
def files(tmp_path):
    """A CSV key with durations and scores of dev and eval, and ASVspoof keys of the eval trials."""
    for part, seed in (("dev", 0), ("eval", 1)):
        trials = drawn(part, seed)
        key = ["trial_id,label,attack,speaker,duration"]
        for trial_id, real, speaker, attack, _, duration_s in trials:
            label = "bonafide" if real else "spoof"
            key.append(f"{trial_id},{label},{attack.strip('-')},{speaker},{duration_s}")
        (tmp_path / f"{part}.csv").write_text("\n".join(key) + "\n")
        scores = "".join(f"{trial_id} {score:.9g}\n" for trial_id, *_, score, _ in trials)
        (tmp_path / f"{part}.txt").write_text(scores)
    old, new = [], []
    for number, (trial_id, real, speaker, attack, _, _) in enumerate(drawn("eval", 1)):
        label = "bonafide" if real else "spoof"
        phase = "eval" if number < COUNT // 2 else "progress"
        old.append(f"{speaker} {trial_id} - {attack} {label}\n")
        new.append(f"{speaker} {trial_id} alaw ita_tx {attack} {label} notrim {phase}\n")
    (tmp_path / "2019.trl.txt").write_text("".join(old))
    (tmp_path / "2021.key.txt").write_text("".join(new))
    return tmp_path


def evaluated(files, *arguments):
    """The JSON of an evaluation."""
    run(evaluate, *arguments, "--bootstrap", 60, "--json", files / "out.json")
    return json.loads((files / "out.json").read_text())


def test_the_json_has_fractions_and_the_screen_has_per_cent_and_costs(files, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    found = evaluated(
        files, files / "eval.txt", "--key", files / "eval.csv", "--by", "attack,duration"
    )
    trials = drawn("eval", 1)
    real, fake = ([one[4] for one in trials if one[1] is kind] for kind in (True, False))
    assert found["metrics"]["eer"] == equal_error(np.array(real), np.array(fake)).eer
    assert found["schema"] == 1 and found["trials"] == {"bonafide": len(real), "spoof": len(fake)}
    assert list(found["by"]["duration"]) == ["< 3", "3-4", "4-5", "5-6", "> 6"]
    assert found["by"]["attack"]["A07"]["trials"]["bonafide"] == len(real)
    assert {row["bucket"] for row in found["confusion"]["rows"]} == set(found["by"]["duration"])
    assert found["differences"] == [] and found["left_out"] == 0
    printed = capsys.readouterr().out
    assert f"{100 * found['metrics']['eer']:.3f}" in printed
    assert "pi_spoof 0.05, C_miss 1, C_fa 10" in printed
    assert "60 draws of clusters, speaker x attack" in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_a_2019_protocol_gives_the_same_as_a_csv_key(files):
    of_csv = evaluated(files, files / "eval.txt", "--key", files / "eval.csv", "--by", "attack")
    of_protocol = evaluated(
        *(files, files / "eval.txt", "--key", files / "2019.trl.txt", "--by", "attack"),
        *("--key-format", "asvspoof2019"),
    )
    assert of_protocol | {"key": None} == of_csv | {"key": None}


def test_scores_of_two_phases_stop_until_one_is_left_out(files, capsys):
    key = files / "2021.key.txt"
    with pytest.raises(CoverageError, match=r"400 of 800 .* 400 of progress .*--drop-other-phases"):
        run(evaluate, files / "eval.txt", "--key", key)
    found = evaluated(files, files / "eval.txt", "--key", key, "--drop-other-phases")
    assert found["left_out"] == 400 and found["phases"] == ["eval"]
    assert sum(found["trials"].values()) == 400
    assert "400 scores of other phases are left out" in capsys.readouterr().out
    whole = evaluated(files, files / "eval.txt", "--key", key, "--phase", "all")
    assert sum(whole["trials"].values()) == 800 and whole["phases"] == ["eval", "progress"]


def test_scores_of_one_phase_alone_name_it(files):
    lines = (files / "eval.txt").read_text().splitlines(keepends=True)
    (files / "half.txt").write_text("".join(lines[COUNT // 2 :]))
    with pytest.raises(CoverageError, match="say --phase progress"):
        run(evaluate, files / "half.txt", "--key", files / "2021.key.txt")


def test_a_corpus_gives_trials_other_phases_and_durations(files):
    rng = np.random.default_rng(0)
    key, scores = ["path,label,phase"], []
    for number in range(60):
        real, phase = number % 3 == 0, "test" if number < 40 else "dev"
        key.append(f"{number}.wav,{'bonafide' if real else 'spoof'},{phase}")
        scores.append(f"{number} {rng.normal(1 if real else -1):.6g}\n")
        soundfile.write(files / f"{number}.wav", np.zeros(1600 * (number % 50 + 16)), 16_000)
    (files / "manifest.csv").write_text("\n".join(key) + "\n")
    (files / "all.txt").write_text("".join(scores))
    arguments = (files / "all.txt", "--corpus", "open-speech", "--root", files)
    with pytest.raises(CoverageError, match=r"20 of 60 .* 20 of dev .*--drop-other-phases"):
        run(evaluate, *arguments)
    found = evaluated(files, *arguments, "--drop-other-phases", "--by", "duration")
    assert found["key"] == "open-speech" and found["phases"] == ["test"]
    short = found["by"]["duration"]["< 3"]["trials"]
    assert sum(short.values()) == 14 and sum(found["trials"].values()) == 40


def test_scores_of_another_corpus_stop(files):
    with pytest.raises(CoverageError, match=r"dev.txt: scores of another corpus: 0 of its 800 ids"):
        run(evaluate, files / "dev.txt", "--key", files / "eval.csv")


def test_a_calibration_of_dev_is_applied_to_eval_and_refused_on_dev(files, capsys):
    out = files / "calibration.json"
    run(calibrate, files / "dev.txt", "--key", files / "dev.csv", "--out", out)
    printed = capsys.readouterr().out
    assert "llr = " in printed and "EER" in printed
    found = evaluated(files, files / "eval.txt", "--key", files / "eval.csv", "--calibration", out)[
        "calibration"
    ]
    assert found["cllr_bits_after"] < found["cllr_bits_before"]
    assert found["hter"] == pytest.approx((found["frr"] + found["far"]) / 2)
    assert "HTER" in capsys.readouterr().out
    with pytest.raises(CalibrationError, match="800 of the 800"):
        run(evaluate, files / "dev.txt", "--key", files / "dev.csv", "--calibration", out)
    out.write_text(json.dumps(json.loads(out.read_text()) | {"schema": 99}))
    with pytest.raises(CalibrationError, match="schema 99"):
        run(evaluate, files / "eval.txt", "--key", files / "eval.csv", "--calibration", out)


def test_a_calibration_of_another_detector_is_refused(files):
    def of_detector(name, weights):
        scores = files / f"{name}.txt"
        found = {"sha256": hashlib.sha256(scores.read_bytes()).hexdigest()}
        identity = {"weights_sha256": weights, "length": None}
        sidecar = {"scores": found, "identity": identity}
        (files / f"{name}.txt.json").write_text(json.dumps(sidecar))

    out = files / "calibration.json"
    of_detector("dev", "a" * 64)
    run(calibrate, files / "dev.txt", "--key", files / "dev.csv", "--out", out)
    evaluation = evaluate, files / "eval.txt", "--key", files / "eval.csv", "--calibration", out
    run(*evaluation)  # of a detector that is not known
    of_detector("eval", "a" * 64)
    run(*evaluation)
    of_detector("eval", "b" * 64)
    with pytest.raises(CalibrationError, match=r"aaaaaaaaaaaa .* these are of weights bbbb"):
        run(*evaluation)


def test_a_calibration_is_not_fitted_on_an_evaluation_phase(files):
    lines = (files / "eval.txt").read_text().splitlines(keepends=True)
    (files / "half.txt").write_text("".join(lines[: COUNT // 2]))
    arguments = ("--key", files / "2021.key.txt", "--out", files / "c.json")
    with pytest.raises(ValueError, match="400 of these trials are of phase eval"):
        run(calibrate, files / "half.txt", *arguments)
    (files / "half.txt").write_text("".join(lines[COUNT // 2 :]))
    run(calibrate, files / "half.txt", *arguments, "--phase", "progress")
    assert (files / "c.json").is_file()


def test_several_systems_have_their_differences(files, capsys):
    rng = np.random.default_rng(5)
    names = [files / "eval.txt"]
    for number in (2, 3):
        names.append(files / f"eval{number}.txt")
        lines = (line.split() for line in (files / "eval.txt").read_text().splitlines())
        noisy = (f"{one} {float(score) + number * rng.normal():.6g}\n" for one, score in lines)
        names[-1].write_text("".join(noisy))
    found = evaluated(files, *names, "--key", files / "eval.csv")
    assert [one["scores"] for one in found["systems"]] == [str(name) for name in names]
    pairs = [one for one in found["differences"] if one["metric"] == "eer"]
    assert len(pairs) == 3
    eers = {one["scores"]: one["metrics"]["eer"] for one in found["systems"]}
    for one in pairs:
        value = eers[one["first"]] - eers[one["second"]]
        assert one["difference"]["value"] == pytest.approx(value, abs=1e-12)
        assert one["p_holm"] >= one["difference"]["p_value"]
    printed = capsys.readouterr().out
    assert "1 - 3" in printed and "p, Holm" in printed


def test_pictures_are_drawn_of_what_was_asked_for(files, capsys):
    pytest.importorskip("seaborn")
    run(
        *(evaluate, files / "eval.txt", "--key", files / "eval.csv", "--by", "duration"),
        *("--bootstrap", 40, "--plots", files / "plots"),
    )
    wanted = {"det.png", "duration-eer.png", "duration-confusion.png", "scores.png"}
    assert {path.name for path in (files / "plots").iterdir()} == wanted
    assert str(files / "plots" / "det.png") in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ([], ValueError, "say which trials these are"),
        (["--key", "eval.csv", "--corpus", "asvspoof5"], ValueError, "say which trials"),
        (["--corpus", "asvspoof5"], ValueError, "say where asvspoof5 is with --root"),
        (["--key", "eval.csv", "--root", "."], ValueError, "--root belongs to a --corpus"),
        (["--key", "eval.csv", "--by", "codec"], BreakdownError, "no codec of any trial"),
        (["--key", "2019.trl.txt", "--by", "duration"], BreakdownError, "no duration of any"),
        (["--key", "eval.csv", "--bootstrap", "3"], ValueError, "3 replicates"),
    ],
)
def test_what_cannot_be_answered_is_said(files, arguments, error, message, monkeypatch):
    monkeypatch.chdir(files)
    with pytest.raises(error, match=message):
        run(evaluate, "eval.txt", *arguments)


def test_columns_are_chosen_by_name_or_number(files):
    """Two logits a trial, and a key whose labels are called otherwise."""
    wanted = evaluated(files, files / "eval.txt", "--key", files / "eval.csv")["metrics"]
    lines = [line.split() for line in (files / "eval.txt").read_text().splitlines()]
    logits = "".join(f"{one}.wav {-float(score)} {score}\n" for one, score in lines)
    (files / "logits.txt").write_text(logits)
    (files / "named.csv").write_text("utt,spoof,real\n" + logits.replace(" ", ","))
    key = (files / "eval.csv").read_text().replace("label", "truth", 1)
    (files / "truth.csv").write_text(key)
    key = ("--key", files / "truth.csv", "--label-column", "truth")
    with pytest.raises(ScoreFileError, match="2, 3 hold numbers: choose by --score-column"):
        run(evaluate, files / "logits.txt", *key)
    for chosen in (("logits.txt", "3"), ("named.csv", "real", "--id-column", "utt")):
        name, column, *others = chosen
        arguments = (files / name, *key, "--score-column", column, *others)
        assert evaluated(files, *arguments)["metrics"] == wanted
    run(calibrate, *arguments, "--out", files / "c.json")


@pytest.mark.parametrize("score_format", ["asvspoof", "csv", "arena"])
def test_own_scores_fit_the_own_manifest_whatever_the_endings_of_its_files(files, score_format):
    """Codecs in the names, ``x.mp3.wav`` and ``x.ogg.wav``, and a comma."""
    lines = [line.split() for line in (files / "eval.txt").read_text().splitlines()]
    endings = (".mp3.wav", ".ogg.wav", ",.flac")
    names = {one: f"{int(one[4:]) // 3}{endings[int(one[4:]) % 3]}" for one, _ in lines}
    manifest = ["path,label"]
    for trial_id, real, *_ in drawn("eval", 1):
        manifest.append(f'"{names[trial_id]}",{"bonafide" if real else "spoof"}')
    (files / "list.csv").write_text("\n".join(manifest) + "\n")
    scores = dict(lines)
    path_of = {one.trial_id: str(one.path.name) for one in iterate_manifest(files / "list.csv")}
    of_name = {name: float(scores[one]) for one, name in names.items()}
    written = [
        (name if score_format == "arena" else trial_id, of_name[name])
        for trial_id, name in path_of.items()
    ]
    if score_format == "asvspoof":
        written = [(one, score) for one, score in written if not one.endswith(",")]
        manifest = [line for line in manifest if ",.flac" not in line]
        (files / "list.csv").write_text("\n".join(manifest) + "\n")
    write_scores(files / "own.txt", written, score_format)
    found = evaluated(files, files / "own.txt", "--key", files / "list.csv")
    assert sum(found["trials"].values()) == len(written)


def test_speaker_verification_of_other_trials_is_refused(files):
    labels = ("target", "nontarget", "spoof")
    lines = [f"eval{number},{labels[number % 3]},{number % 7}\n" for number in range(99)]
    header = "filename,asv-label,asv-score\n"
    (files / "asv.csv").write_text(header + "".join(lines))
    arguments = (files / "eval.txt", "--key", files / "eval.csv", "--asv-scores", files / "asv.csv")
    assert evaluated(files, *arguments)["metrics"]["t_eer"] is not None
    (files / "asv.csv").write_text(header + "".join(lines).replace("eval1", "other1"))
    with pytest.raises(
        CoverageError, match=r"asv\.csv: 11 of 99 recordings .*not in the key \(oth"
    ):
        run(evaluate, *arguments)


def test_speaker_verification_is_of_the_phase_that_is_evaluated(files):
    """ASVspoof 2021's list has all phases: of progress, its scores alone count."""
    lines = []
    for number in range(60):
        phase, label = (
            ("eval", "progress")[number % 2],
            ("target", "nontarget", "spoof")[number % 3],
        )
        score = number % 5 if phase == "eval" else -number % 11
        lines.append(f"S t{number} none - - {label} notrim {phase} {score}\n")
    (files / "asv.txt").write_text("".join(lines))
    arguments = (files / "eval.txt", "--key", files / "2021.key.txt", "--drop-other-phases")
    found = [
        evaluated(files, *arguments, "--asv-scores", files / "asv.txt", "--phase", phase)["costs"]
        for phase in ("eval", "progress")
    ]
    assert found[0]["min_tdcf_2019"] != found[1]["min_tdcf_2019"]  # they tell the ASV's rates


def test_a_system_is_not_compared_with_itself_and_a_calibration_is_of_one(files):
    scores, key = files / "eval.txt", ("--key", files / "eval.csv")
    with pytest.raises(ValueError, match="given twice"):
        run(evaluate, scores, scores, *key)
    with pytest.raises(ValueError, match="of one detector"):
        run(evaluate, scores, files / "dev.txt", *key, "--calibration", files / "c.json")
    with pytest.raises(ValueError, match="no scores given"):
        run(evaluate, *key)


def test_nothing_is_imported_that_is_slow_and_not_needed(files):
    code = (
        "import sys, tyro\n"
        "from fakemamba.cli.evaluate import evaluate\n"
        "tyro.cli(evaluate, args=sys.argv[1:])\n"
        "assert not {'torch', 'matplotlib', 'numba', 'scipy'} & {*sys.modules}\n"
    )
    command = [sys.executable, "-c", code, "eval.txt", "--key", "eval.csv", "--bootstrap", "0"]
    done = subprocess.run(command, cwd=files, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
