"""The comment on GitHub: the verdict first, foreign names as text, and never too long."""

import html
import re
from dataclasses import replace

import pytest

from fakemamba.analysis.compare.markdown import MARKER, to_markdown
from fakemamba.analysis.compare.verdict import CellVerdict, Comparison, Problem, Rules
from fakemamba.analysis.compare.wording import figure, headline

SLOW = CellVerdict(
    "slow", "latency", "regressed", "above-effect", "why", 1.1, 1.05, 1.15, 0.1, 0.11, 6
)
FINE = CellVerdict("fine", "latency", "fine", "below-effect", "why", 1.0, 0.99, 1.01, 0.1, 0.1, 6)
DOUBT = CellVerdict("doubt", "latency", "undecided", "across-effect", "why", 1.03, 1.0, 1.06)
LOST = CellVerdict("lost", "status", "unanswerable", "missing", "why")
PASSED = CellVerdict("passed", "latency", "accepted", "accepted", "why", 1.05, 1.04, 1.06)


def comparison(*cells, **changes):
    facts = {"device": "Test GPU", "torch": "2.13.0"}
    found = Comparison(cells, (), (), Rules(), 6, facts, facts | {"torch": "2.14.0"})
    return replace(found, **changes)


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        ((SLOW, LOST, DOUBT, FINE), "Regression in 1 of 4 cells"),
        ((LOST, DOUBT, FINE), "No answer for 1 of 3 cells"),
        ((DOUBT, FINE), "No regression is shown, but 1 of 2 cells are undecided"),
        ((FINE,), "No regression in 1 cells"),
        ((PASSED, FINE), "No regression in 2 cells, slow-downs of 1 accepted"),
    ],
)
def test_the_headline_is_the_verdict(cells, wanted):
    assert headline(comparison(*cells)) == wanted
    lines = to_markdown(comparison(*cells)).splitlines()
    assert lines[0] == MARKER == "<!-- fakemamba-gate -->"
    assert lines[2] == f"## {wanted}"


def test_the_headline_says_when_doubt_fails_and_when_nothing_can_be_compared():
    assert headline(comparison(DOUBT, rules=Rules(strict=True))).endswith("which fails by --strict")
    problem = Problem("too-few-launches", "one pair has no spread")
    unanswered = comparison(problems=(problem,))
    assert headline(unanswered) == "No answer: these launches cannot be compared"
    assert "one pair has no spread" in to_markdown(unanswered)


def test_what_needs_attention_is_a_table_and_the_rest_is_folded():
    text = to_markdown(comparison(SLOW, LOST, DOUBT, PASSED, FINE, notes=("a note",)))
    shown, folded = text.split("<details>", 1)
    assert [name for name in ("slow", "lost", "doubt") if f"<code>{name}</code>" in shown]
    assert "<code>fine</code>" in folded and "<code>passed</code>" in folded
    row = "| regressed | <code>slow</code> | latency | 100 ms | 110 ms | +10.0% | +5.0% to +15.0% |"
    assert row in shown
    assert "| 90% interval |" in shown and "the noise floor was not measured" in shown
    assert "<code>a note</code>" in text
    assert (
        "| <code>torch</code> | <code>2&#46;13&#46;0</code> | <code>2&#46;14&#46;0</code> |" in text
    )


def test_the_noise_floor_is_told():
    assert "the noise floor is 0.8%" in to_markdown(
        comparison(FINE, rules=Rules(noise_floor=0.008))
    )


HOSTILE = [
    "a|b|c",
    "`a` ``b``",
    "<script>alert(1)</script>",
    "</code></details><img src=x onerror=alert(1)>",
    "<!-- fakemamba-gate -->",
    "line\nbreak\r\n## heading",
    "@maintainer please",
    "[click](https://example.org) ![x](y) https://example.org www.example.org",
    "_a_ *b* ~~c~~ \\| #12 GH-12 :tada:",
    "\u202egnorw\u0000\x1b[31m\ud800",
    "&lt;b&gt; &#64;x",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text(name):
    cells = [replace(SLOW, cell_id=name, reason=name), replace(FINE, cell_id=name)]
    problem = Problem("other-machine", name)
    text = to_markdown(
        comparison(*cells, notes=(name,), problems=(problem,), base={name: name}, head={name: name})
    )
    text.encode()
    assert text.count(MARKER) == 1
    codes = re.findall(r"<code>(.*?)</code>", text)
    assert len(codes) == 3 + 1 + 1 + 1 + 3
    for code in codes:
        assert not re.search(r"[<>|`*_~\[\]\\@:.!\n\r#&](?<!&#)(?<!&)", re.sub(r"&#\d+;", "", code))
    assert not re.search(r"@\w", html.unescape(text)), "nobody is notified"
    tags = {*re.findall(r"</?[a-z]+", text)}
    assert tags == {"<code", "</code", "<details", "</details", "<summary", "</summary"}
    (row,) = (line for line in text.splitlines() if line.startswith("| regressed"))
    assert row.count("|") == 9


def test_a_name_is_what_it_was_where_it_is_harmless():
    text = to_markdown(comparison(replace(SLOW, cell_id="fake-mamba-l-encoder-4s-b1")))
    assert "<code>fake-mamba-l-encoder-4s-b1</code>" in text


def test_it_is_never_too_long():
    name = "<|`@" * 5_000
    cells = [replace(cell, cell_id=name, reason=name) for cell in (SLOW, FINE) for _ in range(500)]
    facts = {f"{i}{name}": name for i in range(100)}
    problems = (Problem("other-machine", name),) * 500
    text = to_markdown(comparison(*cells, base=facts, notes=(name,) * 500, problems=problems))
    assert len(text) < 60_000
    assert text.count("more, which are in the JSON") == 5
    assert text.count("<details>") == text.count("</details>") == 2


@pytest.mark.parametrize(
    ("quantity", "value", "wanted"),
    [
        ("latency", 1.5, "1.5 s"),
        ("latency", 0.0123456, "12.35 ms"),
        ("latency", 50e-6, "50 µs"),
        ("peak-memory", 3 * 2**20, "3 MiB"),
        ("peak-memory", 0, "0 B"),
        ("energy", -0.5, "-500 mJ"),
        ("error", 2e-5, "2e-05"),
        ("latency", None, "–"),
    ],
)
def test_figures_have_units(quantity, value, wanted):
    assert figure(quantity, value) == wanted
