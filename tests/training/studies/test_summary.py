"""What studies say: means and spreads as numpy has them, luck called luck, plans that are one."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_ind

from fakemamba.analysis.published import read_published
from fakemamba.training.recipe import DetectorRecipe, Recipe
from fakemamba.training.studies.plan import Plan, extended, read_plan, recipe_record, write_plan
from fakemamba.training.studies.summary import summarize
from fakemamba.training.studies.tables import gather, write_results
from fakemamba.training.studies.unit import Unit
from fakemamba.training.studies.variants import StudyError, study_variants

RECIPE = Recipe(DetectorRecipe("fake-mamba-s", "xls-r-tiny"))
JUDGING = {"test.bonafide": 40, "test.spoof": 60, "test.num_samples": 66_800, "test.by": []}

PUBLISHED = read_published()


def planned(study="ablations", seeds=(1, 2, 3), **judging):
    variants = study_variants(study, RECIPE)
    lists = {"train.sha256": "ab"}
    return Plan(study, recipe_record(RECIPE), lists, JUDGING | judging, variants, seeds)


def done(eer, by=None):
    evaluation = {"metrics": {"eer": eer, "min_dcf": 0.5}, "intervals": {}, "by": by or {}}
    return Unit("done", None, 4, 12.5, 1000, evaluation)


def units_of(plan, eers):
    """Units with these error rates by variant; those without one are waiting."""
    return {
        (variant.name, seed): done(eers[variant.name][number])
        if number < len(eers.get(variant.name, ()))
        else Unit("waiting")
        for number, seed in enumerate(plan.seeds)
        for variant in plan.variants
    }


def of_variants(plan, eers):
    return {one.variant: one for one in summarize(plan, units_of(plan, eers), PUBLISHED)}


@given(
    st.lists(st.floats(0.01, 0.5), min_size=3, max_size=3, unique=True),
    st.lists(st.floats(0.01, 0.5), min_size=3, max_size=3, unique=True),
)
def test_figures_are_those_of_numpy_and_scipy(own, other):
    found = of_variants(planned(), {"recipe": own, "no-norms": other})
    one = found["no-norms"]
    assert one.eer_mean == pytest.approx(np.mean(other))
    assert one.eer_std == pytest.approx(np.std(other, ddof=1))
    assert one.eer_best == min(other) and (one.seeds_done, one.seeds) == (3, 3)
    assert one.eer_change == pytest.approx((np.mean(other) - np.mean(own)) / np.mean(own))
    if np.std(other) > 1e-6 and np.std(own) > 1e-6:
        expected = ttest_ind(other, own, equal_var=False).pvalue
        assert one.p_value == pytest.approx(expected) == one.p_holm  # the only one that is tested
    assert found["recipe"].eer_change is None and found["recipe"].verdict == ""


def test_a_large_difference_is_told_from_luck_and_all_questions_are_counted():
    own = [0.100, 0.102, 0.098]
    eers = {"recipe": own, "no-norms": [0.2, 0.203, 0.199], "forward-only": [0.11, 0.09, 0.104]}
    found = of_variants(planned(), eers)
    assert found["no-norms"].verdict.startswith("larger than the spread of seeds (p = ")
    assert found["forward-only"].verdict.startswith("within the spread of seeds (p = ")
    raw = [ttest_ind(eers[name], own, equal_var=False).pvalue for name in list(eers)[1:]]
    assert found["no-norms"].p_holm == pytest.approx(2 * min(raw))


def test_studies_without_effect_seldom_find_one():
    plan, rng, alarms = planned(), np.random.default_rng(0), 0
    for _ in range(100):
        eers = {one.name: rng.normal(0.2, 0.02, 3) for one in plan.variants}
        alarms += any("larger" in one.verdict for one in of_variants(plan, eers).values())
    assert alarms <= 0.05 * 100


@pytest.mark.parametrize(
    ("own", "other", "verdict"),
    [
        ([0.1], [0.3], "one seed: cannot tell"),
        ([0.1, 0.11], [0.3], "one seed: cannot tell"),
        ([0.1, 0.11], [], "not done"),
        ([0.1, 0.1], [0.3, 0.3], "no spread between seeds: cannot tell"),
    ],
)
def test_what_cannot_be_told_is_said(own, other, verdict):
    found = of_variants(planned(), {"recipe": own, "no-norms": other})["no-norms"]
    assert found.verdict == verdict and found.p_value is None
    assert found.eer_std is None or len(other) > 1


def test_nothing_is_relative_to_an_error_rate_of_zero():
    found = of_variants(planned(), {"recipe": [0.0, 0.0], "no-norms": [0.1, 0.2]})["no-norms"]
    assert found.eer_change is None and found.eer_mean == pytest.approx(0.15)


def test_published_figures_stand_beside_ours_with_their_source():
    found = of_variants(planned(), {"recipe": [0.1]})
    assert found["no-norms"].paper == "62.6 % relative performance drop"
    assert found["forward-only"].paper == "35 % relative performance drop"
    assert "approximate" in found["forward-only"].source
    assert all("not verified" in found[name].source for name in ("no-norms", "no-pooling"))
    assert found["separate-mambas"].paper == "not in the paper"
    rates = PUBLISHED[PUBLISHED["metric"] == "EER"].set_index(["system", "data_set"])["value"]
    la = "ASVspoof 2021 LA"
    ratio = rates["XLSR-Conformer", la] / rates["Fake-Mamba(L)", la]
    conformer = of_variants(planned("durations"), {})["xlsr-conformer"]
    assert conformer.paper == f"{100 * (ratio - 1):.1f} % relative EER increase on {la}"


def test_the_tables_have_every_unit_and_the_best_seed_never_alone(tmp_path):
    plan = planned()
    units = units_of(plan, {"recipe": [0.1, 0.12, 0.14], "no-norms": [0.2]})
    units["no-pooling", 2] = Unit("failed", "out of memory: 3 | GiB")
    results = gather(plan, units, PUBLISHED)
    write_results(tmp_path, results)
    table = pd.read_csv(tmp_path / "study.csv")
    assert list(zip(table["variant"], table["seed"], strict=True)) == [
        (variant.name, seed) for variant, seed in plan.units
    ]
    assert table["status"].value_counts().to_dict() == {"waiting": 13, "done": 4, "failed": 1}
    assert table["eer"].dropna().tolist() == [0.1, 0.2, 0.12, 0.14]
    text = (tmp_path / "study.md").read_text()
    assert "| recipe | 3 of 3 | 12.00 ± 2.00 (best 10.00) | – |" in text
    assert "| no-norms | 1 of 3 | 20.00 | +66.7% | one seed: cannot tell |" in text
    assert "no-pooling, seed 2: out of memory: 3 \\| GiB" in text
    assert results.failures == ["no-pooling, seed 2: out of memory: 3 | GiB"]


def test_durations_are_a_table_of_buckets_and_detectors():
    plan = planned("durations", (1, 2), **{"test.by": ["duration"]})

    def parts(eer):
        return {
            "< 3": {"eer": eer, "trials": {"bonafide": 5, "spoof": 7}, "reason": None},
            "> 6": {"eer": None, "trials": {"bonafide": 0, "spoof": 2}, "reason": "no bona fide"},
        }

    units = units_of(plan, {})
    for seed, eer in ((1, 0.1), (2, 0.3)):
        units["recipe", seed] = done(0.2, {"duration": parts(eer)})
    units["con-bimamba", 1] = done(0.2, {"duration": parts(0.25)})
    results = gather(plan, units, PUBLISHED)
    _, buckets = results.text_tables()
    assert buckets.columns == ("seconds", "bona fide + spoof", "recipe", "con-bimamba")
    assert buckets.rows == (
        ("< 3", "5 + 7", "20.00 ± 14.14", "25.00"),
        ("> 6", "0 + 2", "no bona fide", "no bona fide"),
    )
    assert results.units["eer < 3 s"].dropna().tolist() == [0.1, 0.25, 0.3]


def test_a_plan_is_read_as_it_was_written(tmp_path):
    plan = planned("frontend-from-scratch")
    assert read_plan(tmp_path) is None
    write_plan(tmp_path, plan)
    assert read_plan(tmp_path) == plan


def test_seeds_and_variants_may_be_added(tmp_path):
    plan = planned(seeds=(1, 2))
    first = replace(plan, variants=plan.variants[:2])
    found = extended(first, replace(plan, seeds=(3, 2)), tmp_path)
    assert found.variants == plan.variants and found.seeds == (1, 2, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"study": "seeds"}, "study was 'ablations', is 'seeds'"),
        ({"lists": {"train.sha256": "cd"}}, "train.sha256 was 'ab', is 'cd'"),
        ({"judging": JUDGING | {"test.spoof": 61}}, "test.spoof was 60, is 61"),
        (
            {"recipe": recipe_record(replace(RECIPE, detector=DetectorRecipe("fake-mamba-l")))},
            "detector.name was 'fake-mamba-s', is 'fake-mamba-l'",
        ),
    ],
)
def test_another_study_in_the_same_folder_is_refused(change, message, tmp_path):
    plan = planned()
    with pytest.raises(StudyError, match=message):
        extended(plan, replace(plan, **change), tmp_path)


def test_a_variant_that_means_something_else_now_is_refused(tmp_path):
    plan = planned()
    own, norms, *others = plan.variants
    changed = replace(norms, detector=replace(norms.detector, options={"norms": True}))
    with pytest.raises(StudyError, match=r"no-norms.options.norms was False, is True"):
        extended(plan, replace(plan, variants=(own, changed, *others)), tmp_path)


def test_what_is_no_plan_is_refused(tmp_path):
    (tmp_path / "plan.json").write_text("[]")
    with pytest.raises(StudyError, match="is not the plan of a study"):
        read_plan(tmp_path)
