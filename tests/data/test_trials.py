"""Trials: their table, the words for the two classes, names without endings."""

import os
from pathlib import Path

import numpy as np
import pytest

from fakemamba.data.trials import (
    COLUMNS,
    Trial,
    TrialError,
    plural,
    read_label,
    trial_table,
    without_ending,
)


def test_a_table_has_none_for_unknown_text_and_nan_for_unknown_durations():
    table = trial_table(
        [Trial("a", Path("a.wav"), "spoof", attack="A01", duration_s=1.5), Trial("b")]
    )
    assert tuple(table.columns) == COLUMNS
    assert table["attack"].tolist() == ["A01", None]
    assert table["path"].tolist() == [Path("a.wav"), None]
    assert table["duration_s"].dtype == np.float64
    assert table["duration_s"][0] == 1.5
    assert np.isnan(table["duration_s"][1])
    assert {str(table[name].dtype) for name in COLUMNS if name != "duration_s"} == {"object"}


def test_a_table_of_no_trials_has_all_columns():
    table = trial_table([])
    assert tuple(table.columns) == COLUMNS
    assert len(table) == 0


@pytest.mark.parametrize("field", ["trial_id", "path"])
def test_names_that_are_not_utf_8_are_refused_in_a_form_that_can_be_printed(field):
    named = {"trial_id": "a", "path": Path("a.wav"), field: os.fsdecode(b"caf\xe9")}
    with pytest.raises(TrialError, match=r"^caf\\xe9: the name is not UTF-8") as caught:
        Trial(**named)
    assert str(caught.value).isprintable()
    assert Trial("café", Path("café.wav")).trial_id == "café"


@pytest.mark.parametrize("word", ["bonafide", "bona-fide", "genuine", "real"])
def test_publishers_words_for_bona_fide(word):
    assert read_label(word) == "bonafide"


@pytest.mark.parametrize("word", ["1", "0", "", "Spoof", "bona", "target"])
def test_other_words_are_refused_with_those_that_are_known(word):
    with pytest.raises(TrialError, match="bonafide, bona-fide, genuine, real, spoof, fake"):
        read_label(word)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("LA_E_1234567.flac", "LA_E_1234567"),
        ("a/b.c.WAV", "a/b.c"),
        ("file1044.wav_16k.wav_mono.wav", "file1044.wav_16k.wav_mono"),
        ("LA_E_1.5", "LA_E_1.5"),
        ("folder.wav/clip", "folder.wav/clip"),
        ("a/.wav", "a/.wav"),
        ("prompts/yes.g722", "prompts/yes"),
    ],
)
def test_only_the_ending_of_an_audio_file_goes(written, name):
    assert without_ending(written) == name


def test_columns_have_a_word_for_several_values():
    assert [plural(one) for one in ("attack", "family", "text_id")] == [
        "attacks",
        "families",
        "text_ids",
    ]
