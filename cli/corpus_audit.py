"""``fakemamba corpus audit``: whether length, level or silence give a corpus' classes away."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Column
from rich.text import Text

from fakemamba.cli.printing import TextTable, counting, say
from fakemamba.cli.trial_source import trial_source
from fakemamba.data.sampling import draw_per_class
from fakemamba.evaluation.audit import RULE, Shortcut, audit
from fakemamba.evaluation.seam_audit import audit_seams
from fakemamba.evaluation.segment_files import read_segments
from fakemamba.files import write_json

# Words for the long table, and for the head of the one with a line an attack.
CUE_WORDS = {
    "duration_s": ("duration (s)", "length"),
    "level_dbfs": ("level (dBFS)", "level"),
    "peak_dbfs": ("peak (dBFS)", "peak"),
    "leading_silence_s": ("silence before (s)", "before"),
    "trailing_silence_s": ("silence after (s)", "after"),
    "bandwidth_hz": ("bandwidth (Hz)", "band"),
    "digital_silence_share": ("digital silence", "zeros"),
    "dc_offset": ("DC offset", "DC"),
    "all_together": ("all together", "all"),
}
SEAM_WORDS = {
    "level_step_db": ("step of the level (dB)",),
    "spectral_flux_db": ("spectral flux (dB)",),
}
WIDTH = 80
HOW_TO_READ = (
    "EER (%) of telling bona fide from spoof by one figure alone, in the direction that is better, "
    "its 95 % interval, and the figure's median in each class. All together: a linear probe on "
    "trials that it was not fit to. A frame of 10 ms is active if it is at most 40 dB below the "
    "loudest one; silence is before the first and after the last of these, and the level is "
    "theirs. 99 % of the power of the first difference is below the bandwidth. Digital silence is "
    "the share of frames that do not change."
)
HOW_TO_READ_SEAMS = (
    "The same of telling cuts of spoofs from cuts of controls, recordings without spoof that are "
    "spliced, too: by how the 20 ms before a cut and after it differ. Recordings are drawn for the "
    "intervals."
)


def corpus_audit(
    name: tyro.conf.Positional[str | None] = None,
    /,
    root: Path | None = None,
    phase: str | None = None,
    manifest: Path | None = None,
    segments: Path | None = None,
    per_attack: bool = False,
    limit: Annotated[int | None, tyro.conf.arg(metavar="N")] = None,
    seed: int = 0,
    allow_damaged: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    json_out: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> int:
    """Measure how well single figures of the recordings tell bona fide from spoof: 50 % is chance.

    Args:
        name: A corpus, such as asvspoof2019-la; or give a --manifest.
        root: Where the corpus is, or where the manifest's paths begin if not at its folder.
        phase: Of the corpus; by default its eval or test phase.
        manifest: CSV or Parquet file with the columns `path` and `label`.
        segments: Labels of spliced recordings, such as the open corpus' segments.rttm: measure how
            well cuts of spoofs are told from cuts of controls, too.
        per_attack: Compare each attack by itself with all bona fide recordings, too.
        limit: Listen to so many recordings of each class, drawn by lot.
        seed: Of that lot, and of the intervals.
        allow_damaged: Listen to what is left of damaged recordings; --json says which these are.
        json_out: File to write the figures to.
    """
    labels = None if segments is None else read_segments(segments)
    source = trial_source(name, root, phase, manifest)
    drawn = None if limit is None else draw_per_class(source(), limit, seed)
    result = audit(
        source() if drawn is None else drawn,
        per_attack=per_attack,
        seed=seed,
        allow_damaged=allow_damaged,
        progress=counting("listening", total=None if drawn is None else len(drawn)),
    )
    seams: tuple[Shortcut, ...] = ()
    if labels is not None:
        seams = audit_seams(
            source() if drawn is None else drawn,
            labels,
            seed=seed,
            allow_damaged=allow_damaged,
            progress=counting("listening to cuts", total=None if drawn is None else len(drawn)),
        )
    console = Console()
    overall = [one for one in result.shortcuts if one.attack is None]
    say(f"{overall[0].bonafide:,} bona fide and {overall[0].spoof:,} spoofed recordings")
    console.print(_table(overall, CUE_WORDS))
    say(textwrap.fill(f"{HOW_TO_READ} {RULE}", WIDTH))
    if per_attack:
        console.print(_attack_table([one for one in result.shortcuts if one.attack is not None]))
        say("EER (%) of one attack's recordings against all bona fide ones; *: gives it away.")
    for one in overall:
        if one.reason is not None:
            say(f"no figure for {CUE_WORDS[one.cue][0]}: {one.reason}")
    if seams:
        say(f"{seams[0].bonafide:,} cuts of controls and {seams[0].spoof:,} of spoofs")
        console.print(_table(seams, SEAM_WORDS))
        say(textwrap.fill(HOW_TO_READ_SEAMS, WIDTH))
        for one in seams:
            if one.reason is not None:
                say(f"{SEAM_WORDS[one.cue][0]}: {one.reason}")
    if json_out is not None:
        of_cuts = {} if labels is None else {"cuts": [one.to_json() for one in seams]}
        write_json(json_out, result.to_json() | of_cuts)
        say(json_out)
    for failure in result.failures:
        say(f"not read: {failure}", file=sys.stderr)
    return 1 if result.failures else 0


def _table(shortcuts: Sequence[Shortcut], words: Mapping[str, tuple[str, ...]]) -> TextTable:
    figures = (Column(head, justify="right") for head in ("EER", "95 %", "bona fide", "spoof"))
    table = TextTable("cue", *figures, "")
    for one in shortcuts:
        interval = "–"
        if one.low is not None and one.high is not None:
            interval = f"{100 * one.low:.1f}–{100 * one.high:.1f}"
        medians = (
            "" if median is None else f"{median:.4g}"
            for median in (one.bonafide_median, one.spoof_median)
        )
        mark = Text("gives away", "bold red") if one.gives_away else ""
        table.add_row(words[one.cue][0], _percent(one), interval, *medians, mark)
    return table


def _attack_table(shortcuts: Sequence[Shortcut]) -> TextTable:
    heads = (Column(short, justify="right") for _, short in CUE_WORDS.values())
    # There are many columns.
    table = TextTable(Column("attack", overflow="fold"), *heads, padding=0)
    for attack in dict.fromkeys(one.attack for one in shortcuts):
        of_it = (one for one in shortcuts if one.attack == attack)
        table.add_row(attack, *(_percent(one) + "*" * one.gives_away for one in of_it))
    return table


def _percent(one: Shortcut) -> str:
    return "–" if one.eer is None else f"{100 * one.eer:.1f}"
