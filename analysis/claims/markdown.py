"""Claims as Markdown: a table a front-end, the verdict first.

Names and reasons come from result files, which anybody may have written: they are shown as text.
"""

from __future__ import annotations

from collections.abc import Sequence

from fakemamba.analysis.claims.claim import Claim, by_frontend, counts
from fakemamba.names import in_markdown

LONGEST_TEXT = 1000


def to_markdown(claims: Sequence[Claim]) -> str:
    """A page with every claim, what was found, and why the verdict is what it is."""
    blocks = [f"# Claims on {_plain(claims[0].device_name)}", f"{counts(claims)}."]
    for heading, group in by_frontend(claims).items():
        rows = ["| verdict | by | claim | cells | found | why |", "|---|---|---|---|---|---|"]
        for claim in group:
            found = "<br>".join(_plain(str(figure)) for figure in claim.figures)
            why = claim.reason if claim.interval is None else f"{claim.reason}; {claim.interval}"
            texts = (claim.by, claim.statement, claim.cells_in_words)
            told = " | ".join(map(_plain, texts))
            rows.append(f"| **{claim.verdict}** | {told} | {found} | {_plain(why)} |")
        blocks += [f"## {_plain(heading)}", "\n".join(rows)]
    blocks.append("Intervals are of 95 %; docs/claims.md says what they are made of.")
    return "\n\n".join(blocks) + "\n"


def _plain(text: str) -> str:
    return in_markdown(text, LONGEST_TEXT)
