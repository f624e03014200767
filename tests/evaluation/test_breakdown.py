"""Parts of a corpus: whose trials are in which, and what is accepted where."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from fakemamba.data.trials import BONA_FIDE, SPOOF, Trial, trial_table
from fakemamba.evaluation.breakdown import (
    BreakdownError,
    confusion,
    duration_buckets,
    durations_s,
    parts,
)

TRIALS = [
    (Trial("b1", label="bonafide", codec="alaw", speaker="s1", duration_s=2.0), 5.0),
    (Trial("b2", label="bonafide", codec="gsm", speaker="s2", duration_s=7.0), 1.0),
    (Trial("x1", label="spoof", attack="A08", codec="alaw", duration_s=2.5), 0.0),
    (Trial("x2", label="spoof", attack="A07", codec="alaw", duration_s=4.5), 2.0),
    (Trial("x3", label="spoof", attack="A07", codec="gsm", duration_s=2.9), 3.0),
    (Trial("x4", label="spoof", codec="gsm"), -1.0),
]


@pytest.fixture
def table():
    trials, scores = zip(*TRIALS, strict=True)
    return trial_table(trials).assign(score=scores)


def scores_of(table, column):
    return {
        value: tuple(part["score"][part["label"] == one].tolist() for one in (BONA_FIDE, SPOOF))
        for value, part in parts(table, column)
    }


def test_attacks_keep_all_bona_fide_and_the_unknown_come_last(table):
    found = scores_of(table, "attack")
    assert found == {
        "A07": ([5.0, 1.0], [2.0, 3.0]),
        "A08": ([5.0, 1.0], [0.0]),
        "unknown": ([5.0, 1.0], [-1.0]),
    }
    assert list(found) == ["A07", "A08", "unknown"]


def test_other_columns_take_what_shares_the_value_even_if_that_is_one_class(table):
    assert scores_of(table, "codec") == {
        "alaw": ([5.0], [0.0, 2.0]),
        "gsm": ([1.0], [3.0, -1.0]),
    }
    found = scores_of(table, "duration")
    assert list(found) == ["< 3", "4-5", "> 6", "unknown"]
    assert found["4-5"] == ([], [2.0]) and found["> 6"] == ([1.0], [])
    assert found["unknown"] == ([], [-1.0])


def test_the_edges_of_duration_buckets():
    durations_s = pd.Series([0.1, 2.999, 3.0, 3.999, 4.0, 5.0, 6.0, 6.0001, np.nan])
    assert duration_buckets(durations_s).tolist() == [
        *("< 3", "< 3", "3-4", "3-4", "4-5", "5-6", "5-6", "> 6"),
        None,
    ]


def test_what_is_unknown_of_all_trials_is_an_error(table):
    with pytest.raises(BreakdownError, match="no vocoder of any trial"):
        list(parts(table, "vocoder"))
    with pytest.raises(BreakdownError, match=r"no duration of any trial.*--corpus"):
        list(parts(table.assign(duration_s=np.nan), "duration"))
    with pytest.raises(BreakdownError, match="--by colour: there is attack, codec, "):
        list(parts(table, "colour"))


def test_the_confusion_table_counts_every_trial_once(table):
    found = confusion(table, 2.0)
    rows = [tuple(row) for row in found.itertuples(index=False)]
    assert rows == [
        ("< 3", "bonafide", "bonafide", 1, 0, 1.0),
        ("< 3", "A07", "spoof", 1, 0, 1.0),
        ("< 3", "A08", "spoof", 0, 1, 0.0),
        ("4-5", "A07", "spoof", 1, 0, 1.0),  # at the threshold is accepted
        ("> 6", "bonafide", "bonafide", 0, 1, 0.0),
        ("unknown", "unknown", "spoof", 0, 1, 0.0),
    ]
    assert found["accepted"].sum() + found["rejected"].sum() == len(table)


def test_durations_that_the_key_has_not_come_from_the_headers(table, tmp_path):
    soundfile.write(tmp_path / "x4.wav", np.zeros(24_000), 16_000)
    (tmp_path / "x1.wav").write_text("no audio")
    paths = [tmp_path / f"{trial_id}.wav" for trial_id in table["trial_id"]]
    known = table["duration_s"].where(table["trial_id"] != "x1")
    found = durations_s(table.assign(path=paths, duration_s=known))
    assert found.tolist()[:2] == [2.0, 7.0] and found.iloc[5] == 1.5 and np.isnan(found.iloc[2])
    assert durations_s(table).equals(table["duration_s"])
