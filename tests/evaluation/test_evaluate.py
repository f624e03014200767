"""Evaluation: what is computed of which trials, and what is None with its reason."""

import json

import numpy as np
import pytest

from fakemamba.data.keys import AsvScores, read_asv_scores, read_key
from fakemamba.data.trials import Trial, trial_table
from fakemamba.evaluation.calibration import CalibrationError, fit_calibration
from fakemamba.evaluation.coverage import CoverageError, join, split
from fakemamba.evaluation.evaluate import evaluate
from fakemamba.evaluation.metrics.detection import equal_error, min_dcf
from fakemamba.evaluation.metrics.tandem import ASVSPOOF5_ASV_RATES, AsvRates
from fakemamba.evaluation.score_files import read_scores
from fakemamba.evaluation.uncertainty import Resampling, differences

QUICK = Resampling(replicates=60)
NONE = Resampling(replicates=0)


def corpus(count=1200, seed=0, prefix="e"):
    """Trials of ten speakers and four attacks, a fifth bona fide, and scores that tell a little."""
    rng = np.random.default_rng(seed)
    trials, scores = [], []
    for number in range(count):
        real = bool(rng.random() < 0.2)
        speaker, attack = int(rng.integers(10)), int(rng.integers(7, 11))
        trial = {
            "label": "bonafide" if real else "spoof",
            "attack": None if real else f"A{attack:02d}",
            "codec": ("none", "alaw")[number % 2],
            "speaker": f"s{speaker}",
            "duration_s": float(rng.gamma(4.0)),
        }
        trials.append(Trial(f"{prefix}{number}", **trial))
        middle = 1.5 if real else -1.5 - 0.1 * attack
        scores.append(rng.normal(middle + 0.1 * speaker, 1.5))
    return trial_table(trials).assign(score=scores)


@pytest.fixture(scope="module")
def table():
    return corpus()


def test_metrics_are_those_of_all_trials_with_costs_and_intervals_around_them(table):
    found = evaluate(table, resampling=QUICK)
    real, fake = split(table)
    assert (found.whole.bonafide, found.whole.spoof) == (len(real), len(fake))
    assert found.whole.metrics["eer"] == equal_error(real, fake).eer
    assert found.whole.metrics["min_dcf"] == min_dcf(real, fake)
    assert set(found.whole.intervals) == {"eer", "min_dcf", "act_dcf", "cllr_bits"}
    for metric, interval in found.whole.intervals.items():
        assert interval.low < found.whole.metrics[metric] < interval.high
    assert found.costs["min_dcf"] == "pi_spoof 0.05, C_miss 1, C_fa 10"
    assert set(found.whole.metrics) - set(found.costs) == {"eer_threshold"}


def test_clusters_are_the_default_and_what_keeps_from_them_is_said(table):
    kinds = {}
    for name, trials, resampling in (
        ("usual", table, QUICK),
        ("no attack", table.assign(attack=None), QUICK),
        ("no speaker", table.assign(speaker=None), QUICK),
        ("not asked for", table, Resampling(60, clustered=False)),
    ):
        found = evaluate(trials, resampling=resampling)
        kinds[name] = found.whole.intervals["eer"].kind, found.doubt
    assert kinds["usual"] == ("clusters, speaker x attack", None)
    assert kinds["no attack"] == ("clusters, speaker", None)
    assert kinds["no speaker"][0] == kinds["not asked for"][0] == "trials, within each class"
    assert "too narrow: no speaker is known" in kinds["no speaker"][1]
    assert "too narrow: clusters were not asked for" in kinds["not asked for"][1]


def test_a_speaker_missing_of_one_trial_is_named(table):
    partly = table.assign(speaker=table["speaker"].where(table.index != 3, None))
    found = evaluate(partly, resampling=QUICK)
    assert found.whole.intervals["eer"].kind == "trials, within each class"
    assert "trials have no speaker" in found.doubt


def test_attack_rows_keep_all_bona_fide_and_other_rows_do_not(table):
    found = evaluate(table, by=["attack", "codec"], resampling=NONE)
    real, fake = split(table)
    assert list(found.by["attack"]) == ["A07", "A08", "A09", "A10"]
    row = found.by["attack"]["A08"]
    assert row.bonafide == len(real)
    of_attack = table["score"][table["attack"] == "A08"].to_numpy()
    assert row.metrics["eer"] == equal_error(real, of_attack).eer
    assert sum(one.spoof for one in found.by["attack"].values()) == len(fake)
    assert sum(one.bonafide for one in found.by["codec"].values()) == len(real)


def test_a_value_of_one_class_has_no_metrics_but_a_reason(table):
    lone = table["speaker"].where((table["speaker"] != "s3") | (table["label"] == "spoof"), "s4")
    row = evaluate(table.assign(speaker=lone), by=["speaker"], resampling=NONE).by["speaker"]["s3"]
    assert set(row.metrics.values()) == {None}
    assert row.reason == "no bona fide trial has this speaker" and row.spoof > 0


def test_the_tandem_has_reasons_where_it_has_no_values(table):
    without = evaluate(table, resampling=NONE)
    assert without.whole.metrics["min_tdcf_2019"] is None
    assert "--asv-scores" in without.reasons["min_tdcf_2021"]
    rates = evaluate(table, asv=ASVSPOOF5_ASV_RATES, resampling=QUICK)
    assert 0 < rates.whole.metrics["min_tdcf_2019"] < 1
    assert "min_tdcf_2021" in rates.whole.intervals and set(rates.reasons) == {"t_eer"}
    assert "spoof false accept 0.4607083" in rates.costs["min_tdcf_2021"]
    useless = evaluate(table, asv=AsvRates(0.0, 0.0, 0.0), resampling=QUICK)
    assert useless.whole.metrics["min_tdcf_2019"] is None and useless.reasons["min_tdcf_2019"]


def test_asv_scores_give_every_metric_of_the_tandem(table):
    rng = np.random.default_rng(1)
    asv = AsvScores(rng.normal(2, 1, 200), rng.normal(-2, 1, 200), rng.normal(1, 1, 200))
    found = evaluate(table, asv=asv, resampling=NONE)
    assert not found.reasons and None not in found.whole.metrics.values()


def test_an_inverted_score_file_stops_unless_that_is_allowed(table):
    negated = table.assign(score=-table["score"])
    with pytest.raises(CoverageError, match=r"f.txt: the EER is"):
        evaluate(negated, resampling=NONE, name="f.txt")
    assert evaluate(negated, resampling=NONE, allow_inverted=True).whole.metrics["eer"] > 0.5


def test_durations_bring_a_confusion_table_at_the_eer_or_a_given_threshold(table):
    found = evaluate(table, by=["duration"], resampling=NONE)
    assert found.threshold == found.whole.metrics["eer_threshold"]
    bonafide = found.confusion["label"] == "bonafide"
    rejected = found.confusion["rejected"][bonafide].sum() / found.whole.bonafide
    assert rejected == pytest.approx(found.whole.metrics["eer"], abs=0.01)
    all_in = evaluate(table, by=["duration"], threshold=-99.0, resampling=NONE)
    assert all_in.confusion["rejected"].sum() == 0
    assert evaluate(table, by=["codec"], resampling=NONE).confusion is None


def test_a_calibration_repairs_shifted_scores_and_its_threshold_shows_a_shift():
    dev = corpus(seed=1, prefix="d")
    fitted = fit_calibration(*split(dev), dev["trial_id"])
    moved = corpus(seed=2)
    moved["score"] += 1.0
    found = evaluate(moved, calibration=fitted, resampling=NONE).transfer
    assert found.act_dcf_before == evaluate(moved, resampling=NONE).whole.metrics["act_dcf"]
    real, fake = split(moved)
    assert found.frr == np.mean(real < fitted.eer_threshold)
    assert found.far == np.mean(fake >= fitted.eer_threshold)
    assert found.hter == pytest.approx((found.frr + found.far) / 2) and found.far > found.frr
    same = evaluate(corpus(seed=3), calibration=fitted, resampling=NONE).transfer
    assert same.cllr_bits_after < same.cllr_bits_before
    with pytest.raises(CalibrationError, match="fitted on trials that are evaluated"):
        evaluate(dev, calibration=fitted, resampling=NONE)


def test_differences_are_paired_and_corrected_over_all_pairs(table):
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 2.0, (2, len(table)))
    tables = {
        "good": table,
        "same": table.assign(score=table["score"] * 3),
        "bad": table.assign(score=table["score"] + noise[0]),
    }
    found, doubt = differences(tables, QUICK)
    assert doubt is None and len(found) == 6
    by_pair = {(one.first, one.second): one for one in found if one.metric == "eer"}
    assert by_pair["good", "same"].difference.value == 0 and by_pair["good", "same"].p_holm == 1
    worse = by_pair["good", "bad"]
    assert worse.difference.high < 0 and worse.p_holm >= worse.difference.p_value
    assert differences({"one": table}, QUICK) == ([], None)


def test_everything_is_json(table):
    found = evaluate(table, by=["attack", "duration"], resampling=QUICK)
    content = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert content["by"]["attack"]["A07"]["eer"] == found.by["attack"]["A07"].metrics["eer"]
    assert content["intervals"]["eer"]["kind"] == "clusters, speaker x attack"
    assert content["metrics"]["min_tdcf_2019"] is None and content["reasons"]["min_tdcf_2019"]
    counts = [row["accepted"] + row["rejected"] for row in content["confusion"]["rows"]]
    assert sum(counts) == len(table)


def test_official_values_from_files_to_metrics(oracles):
    folder = oracles[0] / "metrics"
    scores = read_scores(folder / "gauss_2000_18000.scores.txt")
    table = join(scores, read_key(folder / "gauss_2000_18000.key.txt"))
    found = evaluate(table, asv=read_asv_scores(folder / "asv.txt"), resampling=NONE).whole.metrics
    wanted = {
        "eer": 0.09191666666666667,
        "eer_threshold": 0.010793827,
        "min_dcf": 0.24421666666666658,
        "act_dcf": 0.2569666666666667,
        "cllr_bits": 0.370041967004321,
        "min_tdcf_2019": 0.2969536540139616,
        "min_tdcf_2021": 0.3858008328409979,
    }
    assert {metric: found[metric] for metric in wanted} == pytest.approx(wanted, abs=1e-9)
