"""Score files: every form that is read, exact float32, and lines that cannot be used."""

import gzip

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakemamba.evaluation.score_files import ScoreFileError, read_scores, write_scores


def write(folder, text, name="scores.txt"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        "A 1.5\nB -2\n",
        "A 1.5\r\nB -2\r\n",
        "\ufeffA\t1.5\nB\t-2",
        "A - bonafide 1.5\nB A07 spoof -2\n",
        "S1 A 1.5 bonafide\nS1 B -2 spoof\n",
        "filename\tcm-score\nA\t1.5\nB\t-2\n",
        "spk filename cm-score asv-score cm-label\nS1 A 1.5 3 bonafide\nS1 B -2 4 spoof\n",
        "trial_id,score\nA,1.5\nB,-2\n",
        "\n\nA.flac 1.5\nB.wav -2\n\n",
        gzip.compress(b"A 1.5\nB -2\n"),
    ],
    ids=str,
)
def test_every_form_gives_the_same_table(tmp_path, text):
    table = read_scores(write(tmp_path, text))
    assert table["trial_id"].tolist() == ["A", "B"]
    assert table["score"].tolist() == [1.5, -2.0]


def test_duplicates_and_nan_are_left_to_the_reader(tmp_path):
    table = read_scores(write(tmp_path, "A 1\nA 2\nB nan\n"))
    assert table["trial_id"].tolist() == ["A", "A", "B"]
    assert np.isnan(table["score"][2])


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=20),
    score_format=st.sampled_from(["asvspoof", "csv", "arena"]),
)
def test_float32_comes_back_exactly(tmp_path, values, score_format):
    ids = [f"clips/{i}" for i in range(len(values))]
    ending = ".wav" if score_format == "arena" else ""
    scores = zip((one + ending for one in ids), values, strict=True)
    write_scores(tmp_path / "s", scores, score_format)
    table = read_scores(tmp_path / "s")
    assert table["trial_id"].tolist() == ids
    np.testing.assert_array_equal(table["score"].to_numpy(np.float32), np.float32(values))


def test_arena_is_path_blank_score_without_names(tmp_path):
    """As pandas reads it in the arena's toolkit: two columns, one blank between them."""
    write_scores(tmp_path / "s", [("/data/ITW/0.wav", 0.25)], "arena")
    assert (tmp_path / "s").read_text() == "/data/ITW/0.wav 0.25\n"


def test_csv_holds_what_text_cannot(tmp_path):
    with pytest.raises(ScoreFileError, match="'a b' cannot stand in a line"):
        write_scores(tmp_path / "s", [("a", 1.0), ("a b", 2.0)])
    assert not (tmp_path / "s").exists()
    write_scores(tmp_path / "s", [("a, b", 1.0)], "csv")
    assert read_scores(tmp_path / "s")["trial_id"].tolist() == ["a, b"]


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(ScoreFileError, match="'json', but asvspoof, csv, arena are"):
        write_scores(tmp_path / "s", [], "json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("\n\n", "no scores in it"),
        ("trial_id,score\n", "no scores in it"),
        ("A 1\nB\n", "line 2: 1 columns, but the lines before have 2"),
        ("A 1\nB 2 3\n", "line 2: 3 columns, but the lines before have 2"),
        ("A 1\nB x\n", "line 2: 'x' is not a number"),
        ("A 1\nB", r"line 2 \(the file ends in the middle of it; fetch it again\): 1 columns"),
        ("trial_id,score\nA,\n", "line 2: '' is not a number"),
        ("A bonafide\nB spoof\n", "line 1: this is a key"),
        ("trial_id,label\nA,spoof\n", "line 1: this is a key"),
        ("LA_0009 LA_E_9332881 alaw ita_tx A07 spoof notrim eval\n", "line 1: this is a key"),
        (b"A 1\nB \x002\n", "line 2: not text but binary"),
        (b"A 1\n\xff\xfe\n", "not UTF-8 text"),
        (gzip.compress(b"A 1\n" * 999)[:-12], "the gzip file is broken"),
        (b"\x1f\x8bnonsense", "the gzip file is broken"),
    ],
    ids=str,
)
def test_a_line_that_cannot_be_used_is_named(tmp_path, text, message):
    with pytest.raises(ScoreFileError, match=message):
        read_scores(write(tmp_path, text))


def test_a_folder_and_a_missing_file_are_named(tmp_path):
    with pytest.raises(ScoreFileError, match="is a folder"):
        read_scores(tmp_path)
    with pytest.raises(ScoreFileError, match="no such file"):
        read_scores(tmp_path / "absent")
