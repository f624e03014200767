"""Score files: every form that is read, exact float32, and lines that cannot be used."""

import gzip
import re

import numpy as np
import pandas as pd
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
        "\ufeffA\t1.5\nB\t-2\r",
        "A - bonafide 1.5\nB A07 spoof -2\n",
        "S1 A 1.5 bonafide\nS1 B -2 spoof\n",
        "filename\tcm-score\nA\t1.5\nB\t-2\n",
        "spk filename cm-score asv-score cm-label\nS1 A 1.5 3 bonafide\nS1 B -2 4 spoof\n",
        "trial_id,score\nA,1.5\nB,-2\n",
        "\n\nA 1.5\nB -2\n\n",
        "A 1.5 bonafide\nB -2 spoof",
        "A bonafide 1.5\nB spoof -2\n",
        "A,1.5\nB,-2\n",
        "A, 1.5\nB, -2\n",
        "A;1.5\nB;-2\n",
        "utt_id\tlabel\tscore\nA\tbonafide\t1.5\nB\tspoof\t-2\n",
        "utt_id,score\nA,1.5\nB,-2\n",
        '"filename","cm-score"\n"A",1.5\n"B",-2\n',
        '"","trial_id","score"\r\n"1","A","1.5"\r\n"2","B","-2"\r\n',
        '"trial_id";"score"\n"A";1.5\n"B";-2\n',
        '"trial_id" "score"\n"A" 1.5\n"B" -2\n',
        gzip.compress(b"A 1.5\nB -2\n", mtime=0),
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
    ending = ".wav" if score_format == "arena" else ""
    ids = [f"clips/{i}{ending}" for i in range(len(values))]
    write_scores(tmp_path / "s", zip(ids, values, strict=True), score_format)
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
        ("A 1\nB 1_0\n", "line 2: '1_0' is not a number"),
        ("A 1\nB ١٢\n", "line 2: '١٢' is not a number"),
        ("A 1\nB 0x10\n", "line 2: '0x10' is not a number"),
        ("A 1\nB 1e400\n", "line 2: '1e400' is not a number"),
        ('a,1\nb," nan"\n', "line 2: ' nan' is not a number"),
        ("A 1.25\nB 1.", r"line 2 \(the file ends in the middle.*it may have lost digits of '1\.'"),
        ("trial_id,score\nA,1\n,2\n", "line 3: the id is empty"),
        ('trial_id,score\n"A\nB",1\nC,x\n', "line 4: 'x' is not a number"),
        ("A 1\nB", r"line 2 \(the file ends in the middle of it; fetch it again\): 1 columns"),
        ("trial_id,score\nA,\n", "line 2: '' is not a number"),
        ("A bonafide\nB spoof\n", "line 1: this is a key"),
        ("trial_id,label\nA,spoof\n", "line 1: this is a key"),
        ("LA_0009 LA_E_9332881 alaw ita_tx A07 spoof notrim eval\n", "line 1: this is a key"),
        (b"A 1\nB \x002\n", "line 2: not text but binary"),
        (b"A 1\n\xff\xfe\n", "not UTF-8 text"),
        (gzip.compress(b"A 1\n" * 999, mtime=0)[:-12], "the gzip file is broken"),
        (b"\x1f\x8bnonsense", "the gzip file is broken"),
    ],
    ids=str,
)
def test_a_line_that_cannot_be_used_is_named(tmp_path, text, message):
    with pytest.raises(ScoreFileError, match=message):
        read_scores(write(tmp_path, text))


IDS = st.text(st.characters(codec="utf-8"), max_size=12) | st.text(
    st.sampled_from(' ,;\t"\r\n#a1.\ufeff\0'), max_size=6
)
SCORES = st.lists(st.tuples(IDS, st.floats(width=32)), min_size=1, max_size=8)
FORMATS = st.sampled_from(["asvspoof", "csv", "arena"])
ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@ONE_FOLDER
@given(SCORES, FORMATS)
def test_an_id_is_refused_or_comes_back_as_it_was(tmp_path, scores, score_format):
    """Whatever is in it: commas, quotes, line ends, blanks, marks of remarks and of byte order."""
    try:
        write_scores(tmp_path / "s", scores, score_format)
    except ScoreFileError as error:
        assert re.search("cannot stand in a", str(error))
        if score_format == "csv":
            assert any(not one or "\0" in one for one, _ in scores)
        return
    table = read_scores(tmp_path / "s")
    assert table["trial_id"].tolist() == [one for one, _ in scores]
    values = np.array([score for _, score in scores], np.float32)
    np.testing.assert_array_equal(table["score"].to_numpy(np.float32), values)


@ONE_FOLDER
@given(SCORES, FORMATS, st.data())
def test_a_file_that_is_cut_anywhere_is_refused_or_is_its_first_rows(
    tmp_path, scores, score_format, data
):
    """A cut after a whole line cannot be seen in it; the key will tell what is missing."""
    scores = [(f"{number}{one}", score) for number, (one, score) in enumerate(scores)]
    try:
        write_scores(tmp_path / "s", scores, score_format)
    except ScoreFileError:
        return
    whole = read_scores(tmp_path / "s")
    content = (tmp_path / "s").read_bytes()
    (tmp_path / "s").write_bytes(content[: data.draw(st.integers(0, len(content) - 2))])
    try:
        found = read_scores(tmp_path / "s")
    except ScoreFileError:
        return
    pd.testing.assert_frame_equal(found, whole.iloc[: len(found)])


def test_an_id_that_is_no_text_is_refused(tmp_path):
    with pytest.raises(ScoreFileError, match=r"'a\\udcff' is not UTF-8 and cannot stand in"):
        write_scores(tmp_path / "s", [("a\udcff", 1.0)], "csv")


LOGITS = "a -3 3\nb 2 -2\n"
NAMED = "key,spoof_logit,bonafide_logit\na,-3,3\nb,2,-2\n"


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        (LOGITS, {"score_column": "3"}),
        (NAMED, {"score_column": "bonafide_logit", "id_column": "key"}),
        (NAMED, {"score_column": "3", "id_column": "key"}),
        (NAMED.replace("key", "utt_id"), {"score_column": "bonafide_logit"}),
        ("x a 1 3 bonafide\nx b 1 -2 spoof\n", {"score_column": "4", "id_column": "2"}),
        ("3 a\n-2 b\n", {"score_column": "1", "id_column": "2"}),
        ("trial_id,score,cm-score\na,9,3\nb,9,-2\n", {"score_column": "cm-score"}),
    ],
)
def test_columns_can_be_chosen_by_name_or_number(tmp_path, text, chosen):
    table = read_scores(write(tmp_path, text), **chosen)
    assert table["trial_id"].tolist() == ["a", "b"] and table["score"].tolist() == [3.0, -2.0]


@pytest.mark.parametrize(
    ("text", "chosen", "message"),
    [
        (LOGITS, {}, "line 1: no column is called score, but 2, 3 hold numbers: choose by --sco"),
        (NAMED.replace("key", "utt_id"), {}, "spoof_logit, bonafide_logit hold numbers: choose by"),
        (NAMED, {"score_column": "spoof_logit"}, "no column of ids among key, .* by --id-column"),
        ("trial_id,score,cm-score\na,1,2\n", {}, "several columns of scores, score, cm-score: "),
        ("trial_id,score\na,1\n", {"score_column": "llr"}, "no column 'llr', .*trial_id, score"),
        (LOGITS, {"score_column": "4"}, "no column '4', or several, among 1 to 3, which have no n"),
        (LOGITS, {"score_column": "1"}, "the same column would be the ids and the scores"),
        # A key is called one only where it is.
        ("utt_id,label\na,bonafide\nb,spoof\n", {}, "line 1: this is a key: it has labels"),
        ("utt_id,label,llr\na,bonafide,1\nb,spoof,2\n", {}, "but llr hold numbers: choose by"),
        ("x a 1 bonafide 3\nx b 2 spoof 4\n", {}, "but 3, 5 hold numbers: choose by --score-col"),
        ("a bonafide x\nb high y\n", {}, "3 columns, but a score file has lines `id score`"),
        ("E_1 E_2 F C05 3 E_9 AC1 A17 spoof -\n", {}, "line 1: this is a key"),
        ("a 0,5 x\n", {}, "columns, but a score file has lines `id score`"),
    ],
)
def test_a_file_whose_columns_are_not_known_says_what_is_there(tmp_path, text, chosen, message):
    with pytest.raises(ScoreFileError, match=message):
        read_scores(write(tmp_path, text), **chosen)


def test_a_folder_and_a_missing_file_are_named(tmp_path):
    with pytest.raises(ScoreFileError, match="is a folder"):
        read_scores(tmp_path)
    with pytest.raises(ScoreFileError, match="no such file"):
        read_scores(tmp_path / "absent")
