"""ASVspoof's own files of trials: one line a trial, mostly parted by blanks, without names.

- 2019: ``speaker id - attack label``
- 2021 LA: ``speaker id codec transmission attack label trim phase``
- 2021 DF: ``speaker id codec source attack label trim phase vocoder`` and four more
- 5: ``speaker id gender codec quality seed adaptation attack label -``
- any: ``id label``
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from fakemamba.data.delimited import read_rows
from fakemamba.data.text_lines import SHOWN, at_line, is_ended, number_or_none
from fakemamba.data.trial_counts import PUBLISHED
from fakemamba.data.trials import BONA_FIDE, LABELS, SPOOF, Trial, TrialError, read_label

FIELDS = ("trial_id", "label", "attack", "codec", "vocoder", "speaker", "source", "phase")
# Format -> its layouts by their number of columns; a column that Trial has no field for is "".
LAYOUTS: dict[str, dict[int, tuple[str, ...]]] = {
    "asvspoof2019": {5: ("speaker", "trial_id", "", "attack", "label")},
    "asvspoof2021": {
        8: ("speaker", "trial_id", "codec", "", "attack", "label", "", "phase"),
        13: (
            *("speaker", "trial_id", "codec", "source", "attack", "label", "", "phase", "vocoder"),
            *("", "", "", ""),
        ),
    },
    "asvspoof5": {10: ("speaker", "trial_id", "", "codec", "", "", "", "attack", "label", "")},
}
SHORT: dict[int, tuple[str, ...]] = {2: ("trial_id", "label")}
CLASS_NUMBERS = ("0", "1")
MOST_SCORE_COLUMNS = 4  # of published score files that do not name their columns
PHASES = {"hidden_track": "hidden"}  # as the 2021 keys of stage 1 call it
KNOWN_PHASES = ("progress", "eval", "hidden", "hidden_track")

NumberedTrials = Iterator[tuple[str, Trial]]


class KeyFileError(ValueError):
    """A key cannot be used; the message names the file, the line and the remedy."""


def read_protocol(path: Path, key_format: str) -> NumberedTrials:
    """Yield each trial of an ASVspoof file with its place, such as ``line 3``.

    At the end, a file that has a publisher's name must have had all of its trials.

    Args:
        path: the file.
        key_format: one of `LAYOUTS`, or ``auto``.

    Raises:
        KeyFileError: a line that cannot be used, or a file that is not whole.
    """
    counted: Counter[tuple[str, str | None]] = Counter()
    width = 0
    ends_in_phase = False
    pick: Callable[[list[Any]], tuple[Any, ...]]
    layouts = _layouts(key_format)
    parts: list[Any]
    for number, parts, line in read_rows(path, KeyFileError, lambda first: _fits(first, layouts)):
        if not width:
            if not _fits(parts, layouts):
                raise KeyFileError(f"{path}, line {number}: {_misfit(parts, layouts, key_format)}")
            layout = layouts[len(parts)]
            width = len(layout)
            ends_in_phase = layout[-1] == "phase"
            pick = itemgetter(*(layout.index(name) if name in layout else width for name in FIELDS))
        if len(parts) != width:
            raise KeyFileError(
                f"{at_line(path, number, line)}: {len(parts)} columns, but the lines before have "
                f"{width}; fetch the file again, or mend the line"
            )
        if ends_in_phase and parts[-1] not in KNOWN_PHASES and not is_ended(line):
            raise KeyFileError(f"{at_line(path, number, line)}: no phase is called {parts[-1]!r}")
        parts.append(None)  # what a field that has no column picks
        try:
            trial = _trial(*pick(parts))
        except TrialError as fault:
            raise KeyFileError(f"{at_line(path, number, line)}: {fault}") from fault
        counted[trial.phase or "", trial.label] += 1
        yield f"line {number}", trial
    if not width:
        raise KeyFileError(f"{path}: nothing but blank lines; fetch the file again")
    _check_counts(path, width, counted)


def _trial(
    trial_id: str,
    label: str,
    attack: str | None,
    codec: str | None,
    vocoder: str | None,
    speaker: str | None,
    source: str | None,
    phase: str | None,
) -> Trial:
    label = read_label(label)
    spoofed = label == SPOOF  # else these two columns repeat the label
    return Trial(
        trial_id,
        None,
        label,
        _known(attack) if spoofed else None,
        "none" if codec == "-" else codec,  # ASVspoof 5's dash is 2021's none: not coded
        _known(vocoder) if spoofed else None,
        _known(speaker),
        _known(source),
        PHASES.get(phase, phase) if phase else None,
    )


def _known(text: str | None) -> str | None:
    return None if text == "-" else text


def _layouts(key_format: str) -> dict[int, tuple[str, ...]]:
    """The layouts of a format by their number of columns."""
    formats = LAYOUTS if key_format == "auto" else {key_format: LAYOUTS[key_format]}
    return SHORT | {width: one for known in formats.values() for width, one in known.items()}


def _fits(parts: Sequence[str], layouts: Mapping[int, tuple[str, ...]]) -> bool:
    """Whether a line has a label where the layout of its width has one."""
    layout = layouts.get(len(parts))
    return layout is not None and parts[layout.index("label")] in LABELS


def is_key_line(parts: Sequence[str]) -> bool:
    """Whether a line is one of a key of any format."""
    return _fits(parts, _layouts("auto"))


def _misfit(parts: Sequence[str], layouts: Mapping[int, tuple[str, ...]], key_format: str) -> str:
    """Why the first line is of no layout."""
    named = "a first line that names the columns (format csv)"
    if len(parts) == 2 and parts[1] in CLASS_NUMBERS:
        return (
            f"the label is {parts[1]!r}, and corpora do not agree which class 1 is; write bonafide "
            "and spoof"
        )
    if 1 < len(parts) <= MOST_SCORE_COLUMNS and any(is_number(part) for part in parts[1:]):
        return "this is a score file, but a key with labels is asked for"
    if len(parts) in layouts:
        label = parts[layouts[len(parts)].index("label")]
        known = ", ".join(LABELS)
        return f"the label is {label[:SHOWN]!r}, but must be one of {known}; or there is {named}"
    hint = ""
    if len(parts) == 1:
        hint = "; a list of trials without labels is no key: name the publisher's key file"
    widths = " or ".join(str(width) for width in sorted(layouts))
    return f"{len(parts)} columns, but a key of format {key_format} has {widths}, or {named}{hint}"


def _check_counts(path: Path, width: int, counted: Counter[tuple[str, str | None]]) -> None:
    expected = PUBLISHED.get((path.name.removesuffix(".gz"), width), {})
    for phase, (bona_fide, spoof) in expected.items():
        found = counted[phase, BONA_FIDE], counted[phase, SPOOF]
        if found != (bona_fide, spoof):
            raise KeyFileError(
                f"{path}: {found[0]:,} bona fide and {found[1]:,} spoof trials"
                f"{f' of phase {phase}' if phase else ''}, but the publisher's file of that name "
                f"has {bona_fide:,} and {spoof:,}; fetch it again, or give a part of it another "
                "name"
            )


def is_number(text: str) -> bool:
    """Whether a column holds a number, so no label and no name."""
    return number_or_none(text) is not None
