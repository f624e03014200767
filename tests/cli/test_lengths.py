"""``fakemamba lengths``: a corpus' lengths, printed and written."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from fakemamba.cli.main import main
from fakemamba.data.lengths import list_lengths, read_lengths


@pytest.fixture
def manifest(tmp_path):
    """Four recordings of 1, 2, 4 and 8 s, and their manifest in another folder."""
    (tmp_path / "audio").mkdir()
    for seconds in (1, 2, 4, 8):
        soundfile.write(tmp_path / "audio" / f"{seconds}.wav", np.zeros(seconds * 16_000), 16_000)
    path = tmp_path / "mine.csv"
    path.write_text("path\n1.wav\n2.wav\n4.wav\n8.wav\n")
    return path


def rows_of(printed):
    """The printed table as names and numbers."""
    cells = [line.split("│") for line in printed.splitlines() if line.count("│") == 3]
    return {name.strip(): figure.strip() for _, name, figure, _ in cells}


def test_a_corpus_is_printed_and_written(manifest, tmp_path, capsys):
    out = tmp_path / "new" / "mine.json"
    arguments = ["lengths", str(manifest), "--root", str(tmp_path / "audio")]
    arguments += ["--source", "tones", "--licence", "CC0-1.0", "--json", str(out)]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "mine: tones; licence: CC0-1.0" in printed and str(out) in printed
    rows = rows_of(printed)
    assert (rows["recordings"], rows["hours"]) == ("4", "0.004")
    assert (rows["shortest (s)"], rows["p50 (s)"], rows["longest (s)"]) == (
        "1.000",
        "3.000",
        "8.000",
    )
    assert rows["under 64,600 samples"] == "75.0%"
    assert sum("25.0% █" in line for line in printed.splitlines()) == 4
    assert read_lengths(out).durations_s == (1.0, 2.0, 4.0, 8.0)
    assert main(["lengths", str(out)]) == 0
    assert rows_of(capsys.readouterr().out) == rows


@pytest.mark.parametrize("column", ["duration_s", "duration"])
@pytest.mark.parametrize("others", [{}, {"call": ["a", "b, c", "d"]}], ids=["alone", "a log"])
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_durations_alone_are_taken_as_they_are(tmp_path, capsys, column, others, ending):
    log = pd.DataFrame(others | {column: [8.25, 1.5, 4.0]})
    path = tmp_path / f"calls{ending}"
    log.to_csv(path, index=False) if ending == ".csv" else log.to_parquet(path, index=False)
    assert main(["lengths", str(path), "--json", str(tmp_path / "lengths.json")]) == 0
    assert "calls: calls" in capsys.readouterr().out
    assert read_lengths(tmp_path / "lengths.json").durations_s == (1.5, 4.0, 8.25)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("call,duration_s\na,1.5\nb,0\n", "line 3: the duration is 0; leave out what has no audio"),
        ("duration_s\n1.5\n-2\n", "line 3: the duration is '-2', but must be seconds"),
        ("call,duration_s\na,\n", "line 2: the duration is '', but must be seconds"),
        ("duration_s\nnan\n", "line 2: the duration is 'nan'"),
        ("duration_s,duration\n1,2\n", "line 1: there are two columns of durations"),
        ("duration_s\n", "no recordings"),
        ("seconds\n1.5\n", "no column 'path' among seconds"),
    ],
    ids=repr,
)
def test_durations_that_are_none_are_named(tmp_path, capsys, text, message):
    path = tmp_path / "calls.csv"
    path.write_text(text)
    assert main(["lengths", str(path)]) == 1
    printed = capsys.readouterr().err
    assert message in printed and "Traceback" not in printed


def test_durations_alone_have_no_root(tmp_path, capsys):
    (tmp_path / "calls.csv").write_text("duration_s\n1.5\n")
    assert main(["lengths", str(tmp_path / "calls.csv"), "--root", str(tmp_path)]) == 1
    assert "no paths that could have a root" in capsys.readouterr().err


def test_without_a_corpus_the_tables_are_listed(capsys):
    assert main(["lengths"]) == 0
    printed = capsys.readouterr().out
    assert all(f" {name} " in printed for name in list_lengths())
    assert "2,760" in printed


def test_a_table_is_shown_by_its_name(capsys):
    assert main(["lengths", "asterisk-prompts-es"]) == 0
    assert rows_of(capsys.readouterr().out)["recordings"] == "513"


def test_recordings_of_one_length_have_no_steps(manifest, tmp_path, capsys):
    manifest.write_text("path,trial_id\n2.wav,one\n2.wav,two\n")
    assert main(["lengths", str(manifest), "--root", str(tmp_path / "audio")]) == 0
    assert "█" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.csv"], "absent.csv: no such file"),
        (
            ["absent.json"],
            "absent.json: no such file; it is no table of lengths, and none of the tables",
        ),
        (["--json", "x.json"], "no corpus given"),
        (["asterisk-prompts", "--root", "x"], "--root belong to a CSV"),
    ],
    ids=str,
)
def test_wrong_arguments_are_one_line(arguments, message, capsys):
    assert main(["lengths", *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("fakemamba: error: ") and message in error
