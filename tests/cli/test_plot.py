"""``fakemamba plot``: what it prints, and what its status says."""

from pathlib import Path

import pytest

from fakemamba.analysis.published import PUBLISHED
from fakemamba.cli.plot import plot

RESULTS = PUBLISHED.parent / "cpu-epyc-2t"


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Files of few points are written faster."""
    monkeypatch.setattr("fakemamba.analysis.pictures.figures.DPI", 20)


def test_files_are_printed_and_reasons_told_a_line_each(tmp_path, capsys):
    status = plot(
        (RESULTS / "low-precision.json",),
        out=tmp_path,
        lengths=("asterisk-prompts",),
        kernels=RESULTS / "kernels.json",
    )
    printed, told = capsys.readouterr()
    assert status == 0
    written = {Path(line).name for line in printed.splitlines()}
    assert {"cells.csv", "lengths.png", "kernels-fake-mamba-l-cpu.png"} <= written
    assert written == {path.name for path in tmp_path.iterdir()}
    assert all(line.startswith("not drawn: ") for line in told.splitlines())
    assert "not drawn: energy over duration" in told


def test_nothing_drawn_is_status_1_but_the_table_is_there(tmp_path, capsys):
    assert plot((RESULTS / "low-precision.json",), out=tmp_path, against="typo") in (0, 1)
    told = capsys.readouterr().err
    assert "no other detector than typo" in told
    assert (tmp_path / "cells.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"results": ()}, "no results given"),
        ({"eer": Path("x.csv"), "published_eer": "In-the-Wild"}, "both name error rates"),
        ({"eer": Path("x.csv")}, r"x\.csv: no such file"),
        ({"published_eer": "Nowhere"}, "no error rate is known on 'Nowhere'"),
        ({"lengths": ("nowhere",)}, "nowhere: no such file"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_written(tmp_path, arguments, message):
    given = {"results": (RESULTS / "low-precision.json",)} | arguments
    with pytest.raises(ValueError, match=message):
        plot(given.pop("results"), out=tmp_path, **given)
    assert not list(tmp_path.iterdir())
