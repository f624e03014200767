"""Every value of the official packages that is at hand, line by line of their table."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fakemamba.evaluation.metrics.costs import ADCF_ASVSPOOF5, ADCF_SHIM2024
from fakemamba.evaluation.metrics.detection import act_dcf, cllr_bits, equal_error, min_dcf
from fakemamba.evaluation.metrics.localization import range_eer, segment_eer
from fakemamba.evaluation.metrics.tandem import (
    a_dcf,
    asv_rates,
    min_tdcf_2019,
    min_tdcf_2021,
    t_eer,
)
from fakemamba.evaluation.segment_files import read_frame_scores, read_segments

DCF = "(Pspf=.05,Cmiss=1,Cfa=10)"
OF_DETECTOR = {
    "eer": lambda bonafide, spoof, asv: equal_error(bonafide, spoof).eer,
    "eer_threshold": lambda bonafide, spoof, asv: equal_error(bonafide, spoof).threshold,
    f"minDCF{DCF}": lambda bonafide, spoof, asv: min_dcf(bonafide, spoof),
    f"actDCF{DCF}": lambda bonafide, spoof, asv: act_dcf(bonafide, spoof),
    "Cllr_bits": lambda bonafide, spoof, asv: cllr_bits(bonafide, spoof),
    "min_tDCF_legacy2019": lambda bonafide, spoof, asv: min_tdcf_2019(
        bonafide, spoof, asv_rates(asv)
    ),
    "min_tDCF_revised2021": lambda bonafide, spoof, asv: min_tdcf_2021(
        bonafide, spoof, asv_rates(asv)
    ),
    "concurrent_tEER_percent(exhaustive)": lambda *scores: 100 * t_eer(*scores),
    "concurrent_tEER_percent(accelerated)": lambda *scores: 100 * t_eer(*scores),
}
OF_ONE_SCORE = {
    "min_aDCF(asvspoof5 costs)": lambda asv: a_dcf(
        asv.target, asv.nontarget, asv.spoof, ADCF_ASVSPOOF5
    ),
    "min_aDCF(a_dcf defaults)": lambda asv: a_dcf(
        asv.target, asv.nontarget, asv.spoof, ADCF_SHIM2024
    ),
}
OF_FRAMES = {
    "range_EER(resolution=8000)": range_eer,
    "range_EER(resolution=100000)": range_eer,
    "range_EER(exact duration-weighted sweep; NOT official code)": range_eer,
    "segment_EER_20ms(label at frame centre)": segment_eer,
}
OVERFLOWN = ("large_magnitude_llr.scores.txt", "Cllr_bits")


def asv_scores(scores, labels):
    """Scores of the three kinds of trials, as the key reader gives them."""
    kinds = {kind: scores[labels == kind].to_numpy() for kind in ("target", "nontarget", "spoof")}
    return SimpleNamespace(**kinds)


def read_case(folder, score_file, key_file):
    """Bona fide scores, spoof scores, and those of the ASV system that belongs to them."""
    if score_file.startswith("sasv.tsv"):
        table = pd.read_csv(folder / "sasv.tsv", sep="\t")
        scores, labels = table["cm-score"], table["cm-label"]
        asv = asv_scores(table["asv-score"], table["asv-label"])
    else:
        scores = pd.read_csv(folder / score_file, sep=" ", names=["id", "score"])
        key = pd.read_csv(folder / key_file, sep=" ", names=["id", "label"])
        table = scores.merge(key, on="id", validate="one_to_one")
        scores, labels = table["score"], table["label"]
        asv_table = pd.read_csv(folder / "asv.txt", sep=" ", names=["id", "label", "score"])
        asv = asv_scores(asv_table["score"], asv_table["label"])
    return scores[labels == "bonafide"].to_numpy(), scores[labels == "spoof"].to_numpy(), asv


def compute(folder, row):
    """Our value of a line of the table."""
    if row.metric in OF_FRAMES:
        scores = read_frame_scores(folder / row.score_file)
        return OF_FRAMES[row.metric](scores, read_segments(folder / row.key_file)).eer
    if row.metric in OF_ONE_SCORE:
        table = pd.read_csv(folder / "sasv.tsv", sep="\t")
        return OF_ONE_SCORE[row.metric](asv_scores(table["sasv-score"], table["asv-label"]))
    return OF_DETECTOR[row.metric](*read_case(folder, row.score_file, row.key_file))


def test_every_value_of_the_official_packages_is_met(oracles):
    folder = oracles[0] / "metrics"
    expected = pd.read_csv(folder / "expected.tsv", sep="\t")
    wrong = []
    for row in expected.itertuples():
        value = compute(folder, row)
        tolerance = 1e-6 if row.metric.startswith("range_EER(resolution") else 1e-9
        if (row.score_file, row.metric) == OVERFLOWN:
            assert np.isinf(row.value)  # the package overflows; the test below has the value
        elif not abs(value - row.value) <= tolerance:
            wrong.append(f"{row.score_file} {row.metric}: {value}, not {row.value}")
    assert not wrong
    assert set(expected["metric"]) == {*OF_DETECTOR, *OF_ONE_SCORE, *OF_FRAMES}


def test_cllr_is_finite_where_the_package_overflows(oracles):
    bonafide, spoof, _ = read_case(
        oracles[0] / "metrics", OVERFLOWN[0], OVERFLOWN[0].replace("scores", "key")
    )
    # log2(1 + e^x) is x / ln 2 for large x; besides the two 900 only −5 and −1 are worth a bit.
    small = np.log2(1 + np.exp([-5, -1])).sum()
    bits = (900 / np.log(2) / 4 + (900 / np.log(2) + small) / 5) / 2
    assert cllr_bits(bonafide, spoof) == pytest.approx(bits, rel=1e-6)


def test_the_label_that_comes_first_in_a_file_does_not_matter(oracles, tmp_path):
    folder = oracles[0] / "metrics"
    lines = (folder / "loc.rttm").read_text().splitlines(keepends=True)
    (tmp_path / "flipped.rttm").write_text("".join(reversed(lines)))
    scores = read_frame_scores(folder / "loc_frame20ms.txt")
    for metric in (range_eer, segment_eer):
        found = metric(scores, read_segments(folder / "loc.rttm"))
        flipped = metric(scores, read_segments(tmp_path / "flipped.rttm"))
        assert (flipped.eer, flipped.threshold) == pytest.approx((found.eer, found.threshold))
