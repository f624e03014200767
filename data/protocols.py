"""ASVspoof's own files of trials: one line a trial, columns parted by blanks, without names.

- 2019: ``speaker id - attack label``
- 2021 LA: ``speaker id codec transmission attack label trim phase``
- 2021 DF: ``speaker id codec source attack label trim phase vocoder`` and four more
- 5: ``speaker id gender codec quality seed adaptation attack label -``
- any: ``id label``
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

from fakemamba.data.text_lines import at_line, read_lines
from fakemamba.data.trial_counts import PUBLISHED
from fakemamba.data.trials import BONA_FIDE, SPOOF, Trial, TrialError, read_label

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
PHASES = {"hidden_track": "hidden"}  # as the 2021 keys of stage 1 call it

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
    pick: Callable[[list[Any]], tuple[Any, ...]]
    for number, line in enumerate(read_lines(path, KeyFileError), 1):
        parts: list[Any] = line.split()
        if not parts:
            continue
        if not width:
            layout = _layout(parts, key_format, f"{path}, line {number}")
            width = len(layout)
            pick = itemgetter(*(layout.index(name) if name in layout else width for name in FIELDS))
        if len(parts) != width:
            raise KeyFileError(
                f"{at_line(path, number, line)}: {len(parts)} columns, but the lines before have "
                f"{width}; fetch the file again, or mend the line"
            )
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


def _layout(parts: list[str], key_format: str, place: str) -> tuple[str, ...]:
    """The layout that has as many columns as the first line has."""
    formats = LAYOUTS if key_format == "auto" else {key_format: LAYOUTS[key_format]}
    layouts = SHORT | {width: one for known in formats.values() for width, one in known.items()}
    if len(parts) in layouts:
        layout = layouts[len(parts)]
        if not is_number(parts[layout.index("label")]):
            return layout
    if len(parts) > 1 and any(is_number(part) for part in parts[1:]):
        raise KeyFileError(f"{place}: this is a score file, but a key with labels is asked for")
    hint = ""
    if len(parts) == 1:
        hint = "; a list of trials without labels is no key: name the publisher's key file"
    widths = " or ".join(str(width) for width in sorted(layouts))
    raise KeyFileError(
        f"{place}: {len(parts)} columns, but a key of format {key_format} has {widths}, or a first "
        f"line that names the columns (format csv){hint}"
    )


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
    try:
        float(text)
    except ValueError:
        return False
    return True
