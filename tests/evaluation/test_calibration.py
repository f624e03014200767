"""Calibration: the map that distorted true log-likelihood ratios is found, and dev stays dev."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakemamba.evaluation.calibration import (
    MOST_HASHES,
    CalibrationError,
    fit_calibration,
    read_calibration,
    sketch,
    write_calibration,
)
from fakemamba.evaluation.metrics.detection import cllr_bits, equal_error

APART = 2.0  # of two Gaussians of variance 4: these scores are their own log-likelihood ratios


def llrs(bonafide, spoof, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(APART, 2.0, bonafide), rng.normal(-APART, 2.0, spoof)


def ids(count, prefix="dev"):
    return [f"{prefix}{number:06d}" for number in range(count)]


def fit(bonafide, spoof, **options):
    return fit_calibration(bonafide, spoof, ids(len(bonafide) + len(spoof)), **options)


@pytest.mark.parametrize("pi_spoof", [0.05, 0.5, 0.9])
def test_the_map_that_distorted_the_ratios_is_found(pi_spoof):
    real, fake = llrs(20_000, 60_000)
    found = fit(real * 0.3 - 1.7, fake * 0.3 - 1.7, pi_spoof=pi_spoof)
    assert found.scale == pytest.approx(1 / 0.3, rel=0.04)
    assert found.offset == pytest.approx(1.7 / 0.3, rel=0.04)
    assert not found.smoothed


@settings(max_examples=30)
@given(
    seed=st.integers(0, 1000),
    scale=st.floats(1e-3, 1e3),
    offset=st.floats(-1e3, 1e3),
)
def test_the_fit_does_not_depend_on_the_scale_of_scores_and_never_costs_cllr(seed, scale, offset):
    real, fake = llrs(40, 90, seed)
    plain, moved = fit(real, fake), fit(real * scale + offset, fake * scale + offset)
    wanted = plain.llr(np.array([-1.0, 0.0, 3.0]))
    given_back = moved.llr(np.array([-1.0, 0.0, 3.0]) * scale + offset)
    np.testing.assert_allclose(given_back, wanted, rtol=1e-5, atol=1e-5)
    assert moved.cllr_bits_after <= moved.cllr_bits_before + 1e-12
    assert moved.cllr_bits_after == pytest.approx(
        cllr_bits(moved.llr(real * scale + offset), moved.llr(fake * scale + offset))
    )


def test_no_other_line_has_a_lower_cllr():
    real, fake = llrs(300, 500)
    best = fit(real, fake)
    for turn in np.linspace(0, 2 * np.pi, 9):
        scale, offset = best.scale + 0.01 * np.cos(turn), best.offset + 0.01 * np.sin(turn)
        assert cllr_bits(scale * real + offset, scale * fake + offset) > best.cllr_bits_after


def test_the_prior_weighs_the_errors():
    rng = np.random.default_rng(1)
    real, fake = rng.exponential(2.0, 5000), rng.normal(-1.0, 1.0, 5000)  # no line is right
    rare, even = (fit(real, fake, pi_spoof=prior) for prior in (0.02, 0.5))
    assert abs(rare.offset - even.offset) + abs(rare.scale - even.scale) > 0.05


def test_classes_that_do_not_overlap_stay_finite_and_are_said_to_be_smoothed():
    found = fit(np.array([1.0, 2.0, 3.0]), np.array([-1.0, 0.0]))
    assert found.smoothed and np.isfinite([found.scale, found.offset]).all()
    assert found.eer == 0 and 0 < found.cllr_bits_after < 1
    touching = fit(np.array([0.0, 2.0, 3.0]), np.array([-1.0, 0.0]))
    assert touching.smoothed and np.isfinite(touching.scale)


def test_the_threshold_is_that_of_the_eer():
    real, fake = llrs(500, 900)
    found, point = fit(real, fake), equal_error(real, fake)
    assert (found.eer, found.eer_threshold) == (point.eer, point.threshold)


@pytest.mark.parametrize(
    ("real", "fake", "options", "message"),
    [
        ([0.0, 0.0], [0.0], {}, "all 3 scores are equal"),
        ([-1.0, 0.5, -2.0], [1.0, 0.0, 2.0], {}, "not more bona fide"),
        ([-1.0, -2.0], [1.0, 2.0], {}, "not more bona fide"),
        ([1.0], [0.0], {"pi_spoof": 1.0}, "between 0 and 1"),
    ],
)
def test_what_cannot_be_fitted_is_refused(real, fake, options, message):
    with pytest.raises(CalibrationError, match=message):
        fit(np.array(real), np.array(fake), **options)


def test_it_comes_back_from_its_file_exactly(tmp_path):
    found = fit(*llrs(50, 60))
    write_calibration(tmp_path / "new" / "calibration.json", found)
    assert read_calibration(tmp_path / "new" / "calibration.json") == found


def test_trials_of_the_fit_are_refused_and_others_are_not():
    found = fit(*llrs(50, 60))
    found.check_unseen(ids(5000, "eval"))
    with pytest.raises(CalibrationError, match="1 of the 110"):
        found.check_unseen([*ids(3000, "eval"), "dev000109"])


def test_a_large_set_has_a_small_sketch_that_finds_a_shared_part(tmp_path):
    real, fake = llrs(4000, 6000)
    found = fit(real, fake)
    assert len(found.fitted_on) == MOST_HASHES
    write_calibration(tmp_path / "c.json", found)
    assert (tmp_path / "c.json").stat().st_size < 50_000
    found.check_unseen(ids(10_000, "eval"))
    with pytest.raises(CalibrationError, match="remembers of its 10,000"):
        found.check_unseen([*ids(10_000, "eval"), *ids(100)])  # 1 % of them


def test_the_sketch_is_of_the_set_not_of_its_order():
    names = ids(300)
    assert sketch(names) == sketch(reversed(names)) != sketch(names[1:])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "has schema 2, but this version reads 1"),
        ({"kind": "something else"}, "not a calibration"),
        ({"scale": -1.0}, "damaged"),
        ({"scale": None}, "damaged"),
        ({"eer_threshold": "high"}, "damaged"),
        ({"bonafide": 51}, "110 hashes of 111 trials.*damaged"),
        ({"fitted_on": "%%"}, "damaged"),
        ({"surplus": 1}, "damaged"),
        ({"smoothed": 1}, "smoothed: should be a valid boolean"),
        ({"scale": 10**400}, "scale: "),
        ({"spoof": -1}, "spoof: should be greater"),
        ({"cllr_bits_after": "low"}, "cllr_bits_after: should be a valid number"),
        ({"kind": ["x"]}, "kind: should be a valid string"),
    ],
)
def test_another_kind_of_file_is_refused(tmp_path, change, message):
    path = tmp_path / "calibration.json"
    write_calibration(path, fit(*llrs(50, 60)))
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(CalibrationError, match=message):
        read_calibration(path)


@pytest.mark.parametrize("text", ["", "[]", "id 1.0\n"])
def test_what_is_no_calibration_is_named(tmp_path, text):
    path = tmp_path / "calibration.json"
    with pytest.raises(CalibrationError, match="no such file"):
        read_calibration(path)
    path.write_text(text)
    with pytest.raises(CalibrationError, match="is not a calibration"):
        read_calibration(path)


@given(st.data())
def test_a_calibration_that_was_cut_or_changed_is_read_or_refused_by_name(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("mutated") / "c.json"
    write_calibration(path, fit(*llrs(5, 6)))
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.sampled_from(list(b'0919-"[]{},:.eE\x00\xff')))
    path.write_bytes(content[: data.draw(st.sampled_from([len(content), place]))])
    try:
        found = read_calibration(path)
    except CalibrationError as error:
        assert str(error).startswith(str(path)) and "\n" not in str(error)
    else:
        assert found.scale > 0 and len(found.fitted_on) == 11
        assert np.isfinite(found.llr(np.array([0.0]))).all()
