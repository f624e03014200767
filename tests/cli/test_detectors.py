"""``fakemamba detectors``: what other packages declare stands beside ours, broken ones with why."""

import sys

import pytest

from fakemamba.cli.main import main
from fakemamba.models.registry import DETECTORS

CODE = {
    "well_made": "def make(frontend): 'One on any.'\ndef wav(wav): '''Its own.\n\nMore.'''\n",
    "broken_import": "import not_there_at_all\n",
    "leaving": "raise SystemExit(3)\n",
}


@pytest.fixture
def declare(tmp_path, monkeypatch):
    """Install a package of some version that declares detectors, name by target."""
    for module, code in CODE.items():
        (tmp_path / f"{module}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")

    def declare(package, **points):
        folder = tmp_path / f"{package}-1.5.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.5\n")
        lines = [f"{name} = {target}\n" for name, target in points.items()]
        (folder / "entry_points.txt").write_text("".join(("[fakemamba.detectors]\n", *lines)))

    yield declare
    for module in CODE:
        sys.modules.pop(module, None)


@pytest.fixture
def row(capsys, monkeypatch):
    """The row of a detector in the table that the command prints, as text."""
    two = {name: DETECTORS[name] for name in ("fake-mamba-s", "wavlm-mhfa")}
    monkeypatch.setattr("fakemamba.cli.detectors.DETECTORS", two)

    def row(name):
        assert main(["detectors"]) == 0
        lines = capsys.readouterr().out.splitlines()
        found = [line for line in lines if line.startswith(f"│ {name} ")]
        return [cell.strip() for cell in found[-1].strip("│").split("│")]

    return row


def test_what_a_package_declares_has_its_front_end_and_where_it_is_from(declare, row):
    declare("mine", one="well_made:make", other="well_made:wav")
    assert row("one") == ["one", "One on any.", "any", "mine 1.5"]
    assert row("other") == ["other", "Its own.", "its own", "mine 1.5"]


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        ("broken_import:make", "cannot be imported: ModuleNotFoundError: No module named"),
        ("leaving:make", "cannot be imported: SystemExit: 3"),
        ("not_there:make", "there is no module not_there"),
        ("well_made:nothing", "well_made has no nothing"),
    ],
)
def test_a_broken_one_says_why_and_others_still_work(target, wanted, declare, row):
    declare("bad", broken=target)
    declare("good", one="well_made:make")
    assert wanted in row("broken")[1] and row("broken")[3] == "bad 1.5"
    assert row("one")[2] == "any"
    assert row("fake-mamba-s")[2:] == ["316,836,229", "1,398,533"]
    assert row("wavlm-mhfa")[1].endswith("; behind wavlm-base-plus")


def test_a_name_of_two_packages_names_both(declare, row):
    declare("mine", same="well_made:make")
    declare("theirs", same="well_made:wav")
    _, told, _, packages = row("same")
    assert {*packages.split(" and ")} == {"mine 1.5", "theirs 1.5"}
    assert "name the code itself" in told and "well_made:wav" in told


def test_one_that_is_called_as_ours_is_told_to_be_hidden(declare, row):
    declare("mine", **{"fake-mamba-s": "well_made:make"})
    told = row("fake-mamba-s")[1]
    assert told == "hidden by this package's own; name the code itself, well_made:make"


def test_front_ends_are_named(declare, row, capsys):
    assert main(["detectors"]) == 0
    assert "xls-r-300m" in capsys.readouterr().out
