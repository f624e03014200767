"""Intervals against plain metrics of copied trials, and against truths of simulated corpora."""

import os

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm

from fakemamba.evaluation.bootstrap import BootstrapError, bootstrap, paired
from fakemamba.evaluation.metrics.checks import MetricError
from fakemamba.evaluation.metrics.costs import DcfCosts
from fakemamba.evaluation.metrics.detection import (
    act_dcf,
    cllr_bits,
    equal_error,
    min_dcf,
    surprise_bits,
)
from fakemamba.evaluation.metrics.tandem import (
    ASVSPOOF5_ASV_RATES,
    linear_2021,
    min_tdcf_2019,
    min_tdcf_2021,
)
from fakemamba.evaluation.resampling import SortedTrials, draw_clusters, draw_trials, replicate

LINEAR = linear_2021(ASVSPOOF5_ASV_RATES)
BOTH_WAYS = ("speaker", "attack")
SHIFT = 2.0  # of bona fide scores

trials = st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 5)), min_size=1, max_size=20)


def table_of(bonafide, spoof, speakers=None, attacks=None):
    """A table of trials; speakers (n + m,) and attacks (m,) are numbers."""
    labels = ["bonafide"] * len(bonafide) + ["spoof"] * len(spoof)
    table = pd.DataFrame({"score": np.concatenate([bonafide, spoof]), "label": labels})
    table["trial_id"] = [f"t{number}" for number in range(len(table))]
    if speakers is not None:
        table["speaker"] = [f"s{number}" for number in speakers]
        table["attack"] = [None] * len(bonafide) + [f"A{number}" for number in attacks]
    return table


def corpus(rng, of_speakers, of_attacks, speakers=30, attacks=20):
    """A trial of each speaker by each attack and as many bona fide, with effects of both."""
    by_speaker, by_attack = rng.normal(0, of_speakers, speakers), rng.normal(0, of_attacks, attacks)
    speaker, attack = np.divmod(np.arange(speakers * attacks), attacks)
    bonafide = SHIFT + by_speaker[speaker] + rng.normal(size=len(speaker))
    spoof = by_speaker[speaker] + by_attack[attack] + rng.normal(size=len(speaker))
    return table_of(bonafide, spoof, np.tile(speaker, 2), attack)


def true_eer(of_speakers, of_attacks):
    """The EER of all speakers and attacks that `corpus` may draw."""
    bonafide = norm(SHIFT, np.sqrt(1 + of_speakers**2))
    spoof = norm(0, np.sqrt(1 + of_speakers**2 + of_attacks**2))
    return bonafide.cdf(brentq(lambda at: bonafide.cdf(at) - spoof.sf(at), -5, 5))


def share_of_intervals_with_the_truth(effects, cluster, corpora=80):
    rng = np.random.default_rng(1)
    truth = true_eer(*effects)
    hits = 0
    for seed in range(corpora):
        found = bootstrap(corpus(rng, *effects), ["eer"], 200, cluster, seed)["eer"]
        hits += found.low <= truth <= found.high
    return hits / corpora


def sorted_trials(bonafide, spoof):
    """With one linear cost, and the loss of Cllr."""
    scores = np.concatenate([bonafide, spoof])
    return SortedTrials(
        len(bonafide),
        np.argsort(scores, kind="stable"),
        np.array(
            [[LINEAR.floor, LINEAR.miss / LINEAR.default, LINEAR.false_accept / LINEAR.default]]
        ),
        np.concatenate([surprise_bits(bonafide), surprise_bits(-spoof)])[None] / 2,
    )


@settings(max_examples=200)
@given(trials, trials)
def test_a_trial_that_is_drawn_several_times_is_several_trials(bonafide, spoof):
    scores = [np.array([score for score, _ in part], float) for part in (bonafide, spoof)]
    counts = [np.array([count for _, count in part], np.int32) for part in (bonafide, spoof)]
    eer, least, cllr = sorted_trials(*scores).measure(np.concatenate(counts))
    if not all(count.any() for count in counts):
        assert np.isnan([eer, least, cllr]).all()
        return
    copies = [np.repeat(one, count) for one, count in zip(scores, counts, strict=True)]
    assert eer == equal_error(*copies).eer
    assert least == pytest.approx(min_tdcf_2021(*copies, LINEAR), abs=1e-12)
    assert cllr == pytest.approx(cllr_bits(*copies), abs=1e-12)


def test_trials_that_are_all_drawn_once_have_the_plain_metrics_however_many_they_are():
    rng = np.random.default_rng(0)  # 70,000² overflows 32 bits
    bonafide, spoof = rng.normal(1, 1, 70_000).round(3), rng.normal(0, 1, 70_000).round(3)
    eer, least, cllr = sorted_trials(bonafide, spoof).measure(np.ones(140_000, np.int32))
    assert eer == equal_error(bonafide, spoof).eer
    assert least == pytest.approx(min_tdcf_2021(bonafide, spoof, LINEAR), abs=1e-12)
    assert cllr == pytest.approx(cllr_bits(bonafide, spoof), abs=1e-12)


def test_each_interval_is_of_its_own_metric():
    rng = np.random.default_rng(0)
    bonafide, spoof = rng.normal(2, 1, 3000), rng.normal(-2, 2, 5000)
    costs = DcfCosts(pi_spoof=0.2, c_fa=3.0)
    plain = {
        "cllr_bits": cllr_bits(bonafide, spoof),
        "min_tdcf_2021": min_tdcf_2021(bonafide, spoof, ASVSPOOF5_ASV_RATES),
        "act_dcf": act_dcf(bonafide, spoof, costs),
        "eer": equal_error(bonafide, spoof).eer,
        "min_tdcf_2019": min_tdcf_2019(bonafide, spoof, ASVSPOOF5_ASV_RATES),
        "min_dcf": min_dcf(bonafide, spoof, costs),
    }
    order = rng.permutation(8000)
    table = table_of(bonafide, spoof).iloc[order]
    found = bootstrap(table, list(plain), 200, costs=costs, asv=ASVSPOOF5_ASV_RATES)
    assert list(found) == list(plain)
    for metric, value in plain.items():
        assert found[metric].low < value < found[metric].high
        assert found[metric].high - found[metric].low < 0.2 * value
        assert found[metric].replicates == 200


def test_the_number_of_threads_changes_nothing_and_the_seed_does(monkeypatch):
    table = corpus(np.random.default_rng(0), 0.5, 0.5)
    found = []
    for cores in (1, 3):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        found.append([bootstrap(table, replicates=50, cluster=way) for way in (None, BOTH_WAYS)])
    assert found[0] == found[1]
    assert bootstrap(table, replicates=50, seed=1)["eer"] != found[0][0]["eer"]


def test_trials_are_drawn_uniformly_and_as_many_of_each_class():
    draw, counts = draw_trials(10, 40_000), np.empty(40_010, np.int32)
    totals = np.zeros(40_010)
    rng = np.random.default_rng(0)
    for _ in range(200):
        draw(rng, counts)
        assert (counts[:10].sum(), counts[10:].sum()) == (10, 40_000)
        totals += counts
    # Binomial: mean 200 and standard deviation 14 for each trial.
    assert totals.min() > 200 - 6 * 14.2
    assert totals.max() < 200 + 6 * 14.2
    assert totals[10:].std() == pytest.approx(200**0.5, rel=0.03)


def test_a_trial_is_drawn_as_often_as_its_speaker_times_its_attack():
    speaker, attack = np.array([0, 0, 1, 2, 2]), np.array([-1, -1, 0, 0, 1])
    draw, counts = draw_clusters([speaker, attack]), np.empty(5, np.int32)
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(2000):
        draw(rng, counts)
        seen.add(tuple(counts.tolist()))
    of_speakers = [(a, b, 3 - a - b) for a in range(4) for b in range(4 - a)]
    of_attacks = [(a, 2 - a) for a in range(3)]
    assert seen == {
        (s[0], s[0], s[1] * a[0], s[2] * a[0], s[2] * a[1]) for s in of_speakers for a in of_attacks
    }


def test_systems_see_the_same_draws():
    rng = np.random.default_rng(0)
    bonafide, spoof = rng.normal(1, 1, 50), rng.normal(0, 1, 70)
    systems = [sorted_trials(bonafide, spoof), sorted_trials(bonafide * 3 + 1, spoof * 3 + 1)]
    values = replicate(systems, draw_trials(50, 70), 100, seed=0)
    assert values.shape == (100, 2, 3)
    np.testing.assert_array_equal(values[:, 0, 0], values[:, 1, 0])
    assert len(np.unique(values[:, 0, 0])) > 10


def test_independent_trials_have_trial_wise_intervals_with_the_truth_in_95_of_100():
    assert 0.88 <= share_of_intervals_with_the_truth((0, 0), None) <= 0.99


@pytest.mark.at_length
def test_where_speakers_and_attacks_matter_only_clustered_intervals_have_the_truth():
    assert share_of_intervals_with_the_truth((0.7, 0.7), None) < 0.8
    assert share_of_intervals_with_the_truth((0.7, 0.7), BOTH_WAYS) >= 0.88


def two_systems(rng, difference):
    """Scores of 300 trials by two systems that share most of the noise; a's are better."""
    shared = rng.normal(0, 1, 300)
    a, b = (0.7 * shared + 0.5 * rng.normal(0, 1, 300) for _ in range(2))
    return [
        table_of(one[:150] + 1.2 + shift, one[150:]) for one, shift in ((a, difference), (b, 0))
    ]


def test_systems_that_are_equally_good_differ_in_about_5_of_100_corpora():
    rng = np.random.default_rng(0)
    found = [paired(*two_systems(rng, 0), replicates=100) for _ in range(120)]
    assert 0.01 <= np.mean([one.p_value < 0.05 for one in found]) <= 0.09
    assert 0.91 <= np.mean([one.low <= 0 <= one.high for one in found]) <= 0.99


def test_differences_are_found_that_intervals_of_each_system_hide():
    rng = np.random.default_rng(5)
    shown, hidden = 0, 0
    for _ in range(40):
        systems = two_systems(rng, 0.5)
        found = paired(*systems, replicates=100)
        assert found.low < found.value < found.high
        a, b = (bootstrap(one, ["eer"], 100)["eer"] for one in systems)
        if found.value < 0 and found.p_value < 0.05:
            shown += 1
            hidden += a.high > b.low
    assert shown >= 0.8 * 40
    assert hidden >= 0.4 * 40


def test_the_difference_is_of_the_plain_metrics_in_any_order_of_trials():
    rng = np.random.default_rng(0)
    a, b = two_systems(rng, 0.3)
    shuffled = b.iloc[rng.permutation(len(b))]
    halves = [
        [one["score"][one["label"] == label].to_numpy() for label in ("bonafide", "spoof")]
        for one in (a, b)
    ]
    for metric, plain in (("min_dcf", min_dcf), ("cllr_bits", cllr_bits)):
        found = paired(a, shuffled, metric)
        assert found.value == pytest.approx(plain(*halves[0]) - plain(*halves[1]), abs=1e-12)
        assert found == paired(a, b, metric)
        opposite = paired(b, a, metric)
        assert opposite.value == pytest.approx(-found.value)


def test_a_system_does_not_differ_from_itself():
    a, _ = two_systems(np.random.default_rng(0), 0)
    found = paired(a, a)
    assert (found.value, found.low, found.high, found.p_value) == (0, 0, 0, 1)


def test_a_difference_without_any_spread_has_the_least_p_value_that_draws_can_show():
    right, wrong = table_of(np.ones(5), np.zeros(5)), table_of(np.zeros(5), np.ones(5))
    found = paired(right, wrong, replicates=99)
    assert (found.value, found.low, found.high) == (-1, -1, -1)
    assert found.p_value == 2 / 100


def test_clustered_differences_are_wider_where_systems_fail_on_different_attacks():
    rng = np.random.default_rng(0)
    a, b = corpus(rng, 0, 1.0), corpus(rng, 0, 1.0)
    by_trial, by_cluster = paired(a, b), paired(a, b, cluster=BOTH_WAYS)
    assert by_cluster.high - by_cluster.low > 1.5 * (by_trial.high - by_trial.low)


GOOD = pd.DataFrame(
    {
        "trial_id": [f"t{number}" for number in range(24)],
        "score": np.linspace(-1, 1, 24)[::-1],
        "label": ["bonafide"] * 12 + ["spoof"] * 12,
        "speaker": ["s1", "s2", "s3"] * 8,
        "attack": [None] * 12 + ["A1", "A2"] * 6,
    }
)


@pytest.mark.parametrize(
    ("table", "options", "said"),
    [
        (GOOD, {"metrics": ["eer", "auc"]}, "no intervals of auc; there are eer, min_dcf"),
        (GOOD, {"metrics": ["min_tdcf_2019"]}, "min_tdcf_2019 needs the error rates"),
        (GOOD, {"replicates": 39}, "39 replicates cannot give"),
        (GOOD, {"cluster": ["codec"]}, "no column 'codec'"),
        (GOOD, {"cluster": ["attack"]}, "no bona fide trial has attack"),
        (GOOD.assign(speaker="s1"), {"cluster": BOTH_WAYS}, "fewer than two show no spread"),
        (
            GOOD.assign(speaker=[None] + ["s1", "s2"] * 11 + ["s1"]),
            {"cluster": BOTH_WAYS},
            "1 of 12 bona fide trials have no speaker",
        ),
        (
            GOOD.assign(speaker=["s1"] * 12 + ["s2"] * 12),
            {"cluster": BOTH_WAYS},
            "replicates drew no trial of one class",
        ),
        (GOOD.replace("spoof", "fake"), {}, "labels must be bonafide or spoof, not 'fake'"),
    ],
)
def test_what_cannot_be_resampled_is_refused_with_the_reason(table, options, said):
    with pytest.raises(BootstrapError, match=said):
        bootstrap(table, **options)


def test_scores_without_a_metric_are_refused():
    with pytest.raises(MetricError, match="spoof: no scores"):
        bootstrap(GOOD[GOOD["label"] == "bonafide"])
    with pytest.raises(MetricError, match="bona fide: 12 of 12 scores are NaN"):
        bootstrap(GOOD.assign(score=GOOD["score"].where(GOOD["label"] == "spoof")))


def test_tables_of_other_trials_are_no_pair():
    with pytest.raises(BootstrapError, match="2 trials are of one system only"):
        paired(GOOD, GOOD.assign(trial_id=["x", *GOOD["trial_id"][1:]]))
    with pytest.raises(BootstrapError, match="stands twice"):
        paired(GOOD, pd.concat([GOOD, GOOD[:1]]))
    with pytest.raises(BootstrapError, match="24 trials have another label"):
        swapped = GOOD["label"].map({"bonafide": "spoof", "spoof": "bonafide"})
        paired(GOOD, GOOD.assign(label=swapped))
