"""The answer in sentences, from verdicts as they may come out."""

from dataclasses import replace

import pandas as pd
import pytest

from fakemamba.analysis.answers import answers
from fakemamba.analysis.decision import decision_table
from fakemamba.analysis.open_verdicts import undecided_verdicts
from fakemamba.analysis.results import read_results
from fakemamba.analysis.scaling.crossover import crossovers
from fakemamba.analysis.scaling.verdicts import scale
from fakemamba.analysis.setting import groups_of
from fakemamba.analysis.shares import frontend_share

MAMBA, CONFORMER = "fake-mamba-l", "xlsr-conformer"


@pytest.fixture(scope="module")
def results(write_growth, tmp_path_factory):
    path = tmp_path_factory.mktemp("answers") / "growth.json"
    return read_results([write_growth(path, names=(MAMBA, CONFORMER))])


@pytest.fixture(scope="module")
def parts(results):
    return groups_of(results), scale(results), crossovers(results), decision_table(results)


@pytest.fixture(scope="module")
def found(results, parts):
    return answers(results, *parts)


def told(results, parts, **changes):
    """The sentences with other scalings or crossovers."""
    names = ("groups", "scalings", "crossed", "decisions")
    return answers(results, **dict(zip(names, parts, strict=True)) | changes).sentences


def encoders(scalings, **changes):
    """The scalings, those of the encoders' latency with changes."""
    return [
        replace(one, **changes) if (one.part, one.quantity) == ("encoder", "latency") else one
        for one in scalings
    ]


def test_each_encoder_has_its_verdict_its_range_and_its_share(found):
    linear, quadratic, faster, whole = found.sentences
    assert linear.startswith(f"{MAMBA}’s encoder: near-linear up to 64 s, ")
    assert " % quadratic (0–" in linear
    assert quadratic.startswith(f"{CONFORMER}’s encoder: quadratic up to 64 s, 9")
    # 2 + 0.5 T + 0.2 T² and 4 + 2 T milliseconds are equal at 8.64 s
    assert f" s on {MAMBA}’s encoder is faster than" in faster
    assert faster.startswith("From 8") and "at 64 s 6.4 times (" in faster
    assert whole.startswith("End to end behind xls-r-tiny the front-end has ")


def test_the_front_end_s_share_needs_no_encoder_at_the_same_durations(results, parts):
    cells = results[(results["part"] != "encoder") | (results["duration_s"] > 8)]
    (setting,) = groups_of(cells)
    found, other = (
        frontend_share(setting.cells[setting.cells["detector"] == name])
        for name in (MAMBA, CONFORMER)
    )
    (low, high), share = found.interval, found.share
    least, most = min(low, other.interval[0]), max(high, other.interval[1])
    mamba = setting.cells[setting.cells["detector"] == MAMBA].set_index(["part", "duration_s"])
    ratios = mamba.loc["front-end", "latency_s"] / mamba.loc["end-to-end", "latency_s"]
    assert share == pytest.approx(ratios.median(), rel=0.01) and low < share < high
    last = told(cells, ([setting], *parts[1:]))[-1]
    assert f"the front-end has {100 * least:.0f} to {100 * most:.0f} % of the time" in last


def test_an_undecided_verdict_has_its_interval_and_no_winner_is_no_sentence_of_one(results, parts):
    scalings = encoders(parts[1], verdict="undecided", quadratic_share_ci=(0.1, 0.6))
    crossed = [
        replace(one, verdict="undecided", from_s=None, from_s_ci=None, ratio_ci=ends)
        for one, ends in zip(parts[2], [(0.5, 2.0)] * len(parts[2]), strict=True)
    ]
    sentences = told(results, parts, scalings=scalings, crossed=crossed)
    assert "undecided up to 64 s" in sentences[0] and "(10–60)" in sentences[0]
    assert "is faster at 64 s is undecided." in sentences[2]
    tied = [replace(one, ratio_ci=(0.9, 1.1)) for one in crossed]
    sentences = told(results, parts, scalings=scalings, crossed=tied)
    assert "take equally long at 64 s, within noise." in sentences[2]
    assert sentences[-1].endswith("both take equally long at 64 s, within noise.")


def test_equal_verdicts_end_to_end_are_told_once(results, parts):
    scalings = [replace(one, verdict="quadratic") for one in parts[1]]
    whole = told(results, parts, scalings=scalings)[-1]
    assert whole.endswith("and both grow alike: quadratic up to 64 s.")


def test_a_win_throughout_and_one_at_the_end_alone_say_so(results, parts):
    def with_start(verdict, from_s):
        return [replace(one, verdict=verdict, from_s=from_s) for one in parts[2]]

    assert "From 1 to 64 s " in told(results, parts, crossed=with_start("throughout", 1.0))[2]
    at_end = told(results, parts, crossed=with_start("from a duration on", 64.0))[2]
    assert at_end.startswith("At 64 s, not before, ")


def test_an_input_that_is_cut_is_no_growth(results, parts):
    scalings = encoders(parts[1], verdict="fixed-length input")
    first = told(results, parts, scalings=scalings)[0]
    assert first == (
        f"The encoders of {MAMBA} and {CONFORMER}: input cut to a fixed length, so the cost does "
        "not grow."
    )


def test_too_few_durations_give_the_command_that_decides(results):
    short = results[results["duration_s"] <= 4].assign(work=None)
    found = answers(short, groups_of(short), scale(short), crossovers(short), decision_table(short))
    assert found.sentences[0].endswith(": undecided up to 4 s.")
    line, command = found.undecided.line, found.undecided.command
    assert line.startswith("Undecided are 18 of 18 verdicts: latency, peak memory and work of ")
    assert "--bench-durations 1,1.3,1.68,2.18,2.83,3.67,4.76,6.17,8 " in command
    assert f"--bench-detectors {MAMBA},{CONFORMER} " in command and "xls-r-tiny" in command


def test_what_was_measured_once_is_counted_apart(results, parts):
    once = results[results["duration_s"] == 4]
    found = undecided_verdicts(groups_of(once), scale(once))
    assert found.line == "2 detectors were measured at one duration, which shows no growth."
    assert found.command is None
    without = undecided_verdicts(groups_of(once), scale(once.assign(work=None)))
    assert without == found  # FLOPs by formula, of many durations, are no measurement
    twice = pd.concat([once, once.assign(precision="bf16", status="failed")], ignore_index=True)
    assert undecided_verdicts(groups_of(twice), scale(twice)) == found
    decided = [replace(one, verdict="quadratic") for one in parts[1]]
    assert undecided_verdicts(parts[0], decided) is None


def test_a_detector_of_which_nothing_was_measured_is_named_with_the_reason(results, parts):
    lost = results["detector"] == MAMBA
    failed = results.assign(
        status=results["status"].mask(lost, "failed"),
        reason=results["reason"].mask(lost, "RuntimeError: it broke"),
    )
    last = told(failed, parts)[-1]
    assert last == f"Nothing was measured of {MAMBA} (failed: RuntimeError: it broke)."
    late = failed.assign(status=failed["status"].replace("failed", "left-out"))
    assert told(late, parts)[-1].endswith(f" of {MAMBA} (left out for want of time).")
    some = failed.assign(status=failed["status"].mask(results["part"] == "encoder", "measured"))
    assert not any("Nothing was" in one for one in told(some, parts))


def test_the_figures_are_the_table_s_and_the_machine_has_its_noise(found, parts):
    decisions = parts[3].set_index("detector")
    assert [one["line"] for one in found.figures] == [MAMBA, CONFORMER]
    assert found.figures[0]["rtf"] == decisions.loc[MAMBA, "rtf"]
    assert found.figures_title == "At 4 s behind xls-r-tiny"
    assert found.machine.startswith("CPU: Test, 2 threads; visits of a cell vary by 0.")
    assert found.machine.endswith("; 0 of 378 visits were disturbed.")
    text = found.text()
    assert "memory unknown" in text and text.splitlines()[1] == found.sentences[0]


def test_disturbed_cells_and_visits_are_counted_and_rounds_are_called_so(results, parts):
    off = results.assign(disturbed=results["duration_s"] == 4, disturbed_visits=1)
    machine = answers(off, *parts).machine
    assert machine.endswith(
        "; 42 of 378 visits were disturbed, and count only in 6 of 42 cells, for want of others."
    )
    machine = answers(off.assign(visits=0), *parts).machine
    assert "; rounds of a cell vary by 0." in machine
    assert machine.endswith("; 6 of 42 cells were disturbed.")


def test_end_to_end_is_told_of_the_largest_front_end(results):
    small = results.assign(n_parameters=1e6)
    large = results[results["duration_s"].isin([1, 2, 4])].assign(
        frontend="whole", n_parameters=3e8
    )
    both = pd.concat([small, large], ignore_index=True)
    found = answers(both, groups_of(both), scale(both), crossovers(both), decision_table(both))
    assert "near-linear up to 64 s" in found.sentences[0]
    assert found.sentences[-1].startswith("End to end behind whole ")
    assert found.figures_title == "At 4 s behind whole"


def test_nothing_measured_has_no_answer(results):
    failed = results.assign(status="failed")
    found = answers(failed, groups_of(failed), [], [], decision_table(failed))
    assert found.sentences == (
        "No detector was measured on whole utterances, so there is no answer.",
    )
    assert found.text().count("\n") == 1


def test_a_name_breaks_no_line(results):
    named = results.assign(detector=results["detector"].replace(MAMBA, "a\nEverything is fine"))
    found = answers(named, groups_of(named), scale(named), [], decision_table(named))
    assert all(not line.startswith("Everything") for line in found.text().splitlines())


def test_a_detector_whose_longest_cell_was_left_out_is_not_missing(results):
    is_lost = (results["detector"] == CONFORMER) & (results["duration_s"] == 64)
    lost = results.assign(status=results["status"].mask(is_lost, "left-out"))
    found = answers(lost, groups_of(lost), scale(lost), crossovers(lost), decision_table(lost))
    assert [one["line"] for one in found.figures] == [MAMBA, CONFORMER]
    assert any(one.startswith(f"{CONFORMER}’s encoder: ") for one in found.sentences)
