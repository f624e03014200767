"""``fakemamba weights``, and the table of docs/weights.md."""

from pathlib import Path

from fakemamba.analysis.published import read_published
from fakemamba.cli.main import main
from fakemamba.cli.weight_tables import markdown
from fakemamba.models.weight_sources import weight_sources

PAGE = Path(__file__).resolve().parents[2] / "docs" / "weights.md"


def test_all_are_listed_with_licence_and_rates(capsys):
    assert main(["weights"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in weight_sources())
    assert "df-arena: Hugging Face. Licence: the authors' own: NOT FOR COMMERCIAL USE" in printed
    assert "21DF 1.65" in printed and "ITW 5.83?" in printed
    assert "xlsr-conformer: none: ErosRos/" in printed


def test_one_is_told_with_everything(capsys):
    assert main(["weights", "df-arena-1b", "fake-mamba-released"]) == 0
    printed = capsys.readouterr().out
    assert "https://huggingface.co/Speech-Arena-2025/DF_Arena_1B_V_1" in printed
    assert "licence: the authors' own: NOT FOR COMMERCIAL USE" in printed
    assert "EER 0.91 % on In-the-Wild: Hugging Face card of Speech-Arena-2025" in printed
    assert "fakemamba fetch df-arena-1b" in printed
    assert "best_4.pth --detector fake-mamba --average as-released --out" in printed


def test_a_name_that_is_none_is_refused(capsys):
    assert main(["weights", "df-arena-1c"]) == 1
    assert "did you mean df-arena-1b" in capsys.readouterr().err


def test_the_page_has_the_table_as_it_is():
    table = markdown(weight_sources(), read_published())
    begin = PAGE.read_text().partition("<!-- the table of published weights -->\n\n")[2]
    assert begin.startswith(table), f"put this into {PAGE.name}:\n\n{table}"
