"""Coverage: whatever keeps scores from being those of the key's trials stops, with ids."""

import numpy as np
import pandas as pd
import pytest

from fakemamba.data.trials import Trial, trial_table
from fakemamba.evaluation.coverage import CoverageError, check_orientation, join, require_judged


def key(count=10, prefix="LA_E_", phase=None, label=None):
    return trial_table(
        Trial(f"{prefix}{number}", label=label or ("bonafide", "spoof")[number % 2], phase=phase)
        for number in range(count)
    )


def scores(trial_ids, values=None):
    values = np.arange(len(trial_ids), dtype=float) if values is None else values
    return pd.DataFrame({"trial_id": list(trial_ids), "score": values})


def test_scores_are_put_to_their_trials_in_the_order_of_the_key():
    wanted = key()
    given = scores(wanted["trial_id"]).sample(frac=1, random_state=0)
    table = join(given, wanted)
    assert list(table["trial_id"]) == list(wanted["trial_id"])
    assert table["score"].tolist() == list(range(10)) and table["score"].dtype == np.float64
    assert list(table.columns) == [*wanted.columns, "score"]


def test_missing_trials_are_counted_and_named():
    with pytest.raises(CoverageError, match=r"missing: 3 of 10 trials have no score \(LA_E_7, "):
        join(scores(key()["trial_id"][:7]), key())


def test_scores_without_a_trial_are_counted_and_named():
    with pytest.raises(CoverageError, match=r"surplus: 2 of 12 scores have no trial .*LA_E_10, "):
        join(scores(key(12)["trial_id"]), key())


def test_scores_of_another_phase_are_said_to_be_that_and_can_be_left_out():
    others = key(5, "LA_P_", "progress")
    given = scores([*key()["trial_id"], *others["trial_id"]])
    with pytest.raises(CoverageError, match=r"5 of 15 .* 5 of progress .*--drop-other-phases"):
        join(given, key(), other_phases=lambda: others)
    kept = join(given, key(), other_phases=lambda: others, drop_other_phases=True)
    assert kept["score"].tolist() == list(range(10))
    stranger = pd.concat([given, scores(["stranger"])])
    with pytest.raises(CoverageError, match=r"1 of 11 scores have no trial in the key \(stranger"):
        join(stranger, key(), other_phases=lambda: others, drop_other_phases=True)


def test_scores_of_one_other_phase_alone_name_the_phase_to_give():
    others = key(5, "LA_P_", "progress")
    with pytest.raises(CoverageError, match=r"cover 5 of progress, .*: say --phase progress"):
        join(scores(others["trial_id"]), key(), other_phases=lambda: others)


def test_other_phases_are_not_read_if_all_scores_have_a_trial():
    join(scores(key()["trial_id"]), key(), other_phases=lambda: pytest.fail("read"))


def test_scores_of_another_corpus_show_ids_of_both():
    with pytest.raises(CoverageError, match=r"f.txt: .* 0 of its 4 ids .*DF_0, .*LA_E_0"):
        join(scores(key(4, "DF_")["trial_id"]), key(), name="f.txt")


def test_duplicates_are_counted_with_those_that_disagree():
    given = scores([*key()["trial_id"], "LA_E_3", "LA_E_4"], [*range(10), 3.0, 77.0])
    with pytest.raises(
        CoverageError, match=r"2 trials have several .*, 1 scores differ \(LA_E_3, "
    ):
        join(given, key())


def test_scores_that_are_not_finite_are_counted_by_kind():
    values = np.arange(10.0)
    values[[2, 5, 6]] = np.nan, np.inf, -np.inf
    with pytest.raises(CoverageError, match=r"1 scores are NaN and 2 infinite \(LA_E_2, LA_E_5, "):
        join(scores(key()["trial_id"], values), key())


def test_all_that_is_wrong_is_said_at_once():
    given = scores([*key()["trial_id"][1:], "LA_E_5", "stranger"], [np.nan, *range(10)])
    with pytest.raises(CoverageError) as caught:
        join(given, key())
    for word in ("missing: 1 of 10", "surplus: 1 of 11", "duplicate: 1", "not finite: 1"):
        assert word in str(caught.value)


def test_a_key_without_labels_or_with_a_trial_twice_is_refused():
    wanted = key()
    wanted.loc[4, "label"] = None
    with pytest.raises(CoverageError, match=r"1 trials of the key have no label \(LA_E_4\)"):
        join(scores(wanted["trial_id"]), wanted)
    with pytest.raises(CoverageError, match=r"1 trials stand in the key more than once \(LA_E_0\)"):
        join(scores(key()["trial_id"]), pd.concat([key(), key(1)]))


def test_an_eer_over_a_half_is_questioned_and_equal_scores_are_told():
    check_orientation(0.5, pd.Series([1.0, 2.0]))
    with pytest.raises(CoverageError, match=r"EER is 60.00%.*negate them.*--allow-inverted") as one:
        check_orientation(0.6, pd.Series([1.0, 2.0]))
    assert "equal" not in str(one.value)
    with pytest.raises(CoverageError, match="9 of 10 scores are equal"):
        check_orientation(0.98, pd.Series([0.0] * 9 + [1.0]))


@pytest.mark.parametrize("side", ["scores", "key"])
def test_the_ending_of_an_audio_file_on_one_side_is_told_once(caplog, side):
    wanted, given = key(), scores(key()["trial_id"])
    changed = given if side == "scores" else wanted
    changed["trial_id"] += ".wav"
    caplog.set_level("INFO")
    table = join(given, wanted, name="f.txt")
    assert table["score"].tolist() == list(range(10))
    assert table["trial_id"].tolist() == wanted["trial_id"].tolist()
    (told,) = caplog.messages
    assert told.startswith(
        "f.txt: 10 ids are the key's but for the ending of an audio file (LA_E_0"
    )


def test_ids_with_an_ending_on_both_sides_are_the_same_without_a_word(caplog):
    wanted = key()
    wanted["trial_id"] += ".wav"
    caplog.set_level("INFO")
    assert join(scores(wanted["trial_id"]), wanted)["score"].tolist() == list(range(10))
    assert not caplog.messages


def test_scores_that_differ_in_their_endings_alone_are_named():
    given = scores(["LA_E_0.wav", "LA_E_0.flac", *key()["trial_id"][1:]])
    with pytest.raises(CoverageError, match=r"f: LA_E_0\.wav and LA_E_0\.flac differ in their end"):
        join(given, key(), name="f")


def test_scores_of_another_phase_are_known_by_their_ids_without_ending():
    others = key(5, "LA_P_", "progress")
    given = scores([*key()["trial_id"], *(others["trial_id"] + ".flac")])
    with pytest.raises(CoverageError, match=r"5 of 15 .* 5 of progress .*--drop-other-phases"):
        join(given, key(), other_phases=lambda: others)
    assert len(join(given, key(), other_phases=lambda: others, drop_other_phases=True)) == 10


def test_speaker_verification_of_other_recordings_is_counted_and_named():
    wanted = key()
    require_judged(wanted["trial_id"][:4] + ".wav", wanted, "asv.tsv")
    require_judged([], wanted, "asv.tsv")
    with pytest.raises(
        CoverageError, match=r"asv\.tsv: 2 of 4 recordings .*\(E_1, E_2\): is it of"
    ):
        require_judged(["LA_E_1", "E_2", "E_1", "LA_E_4"], wanted, "asv.tsv")
