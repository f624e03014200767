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
from itertools import chain
from pathlib import Path
from typing import Any

from fakemamba.data.delimited import Block, Words, read_blocks
from fakemamba.data.text_lines import SHOWN, at_line, is_ended, number_or_none
from fakemamba.data.trial_counts import PUBLISHED
from fakemamba.data.trials import (
    BONA_FIDE,
    COLUMNS,
    LABELS,
    SPOOF,
    TrialBlock,
    TrialError,
    read_label,
)

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

UNEVEN = "the lines before have {width}; fetch the file again, or mend the line"


class KeyFileError(ValueError):
    """A key cannot be used; the message names the file, the line and the remedy."""


def read_protocol(path: Path, key_format: str) -> Iterator[TrialBlock]:
    """Yield the trials of an ASVspoof file.

    At the end, a file that has a publisher's name must have had all of its trials.

    Args:
        path: the file.
        key_format: one of `LAYOUTS`, or ``auto``.

    Raises:
        KeyFileError: a line that cannot be used, or a file that is not whole.
    """
    layouts = _layouts(key_format)
    blocks = read_blocks(path, KeyFileError, UNEVEN, lambda first: _fits(first, layouts))
    first = next(blocks, None)
    if first is None:
        raise KeyFileError(f"{path}: nothing but blank lines; fetch the file again")
    parts = [field for (field,) in first.columns]
    if not _fits(parts, layouts):
        fault = _misfit(parts, layouts, key_format)
        raise KeyFileError(f"{path}, line {first.numbers[0]}: {fault}")
    to_columns = _reader(layouts[len(parts)])
    counted: Counter[tuple[str | None, str]] = Counter()

    def told(row: Block, fault: ValueError) -> ValueError:
        return KeyFileError(f"{at_line(path, row.numbers[0], row.line)}: {fault}")

    for block in chain([first], blocks):
        columns = block.converted(to_columns, TrialError, told)
        counted.update(zip(columns["phase"], columns["label"], strict=True))
        yield TrialBlock(columns, block.numbers)
    _check_counts(path, len(parts), counted)


def _reader(layout: Sequence[str]) -> Callable[[Block], dict[str, Sequence[Any]]]:
    """What makes trials, by column, of a block of rows of this layout."""
    meanings: dict[str, Words[str, str | None]] = {
        name: Words(meaning) for name, meaning in MEANINGS.items()
    }

    def to_columns(block: Block) -> dict[str, Sequence[Any]]:
        last = block.columns[-1][0]
        if layout[-1] == "phase" and not is_ended(block.line) and last not in KNOWN_PHASES:
            raise TrialError(f"no phase is called {last[:SHOWN]!r}")
        nothing = [None] * len(block.numbers)
        columns: dict[str, Sequence[Any]] = dict.fromkeys(COLUMNS, nothing)
        for name, values in zip(layout, block.columns, strict=True):
            if name:
                columns[name] = meanings[name].of(values) if name in meanings else values
        for name in OF_SPOOF & {*layout}:
            pairs = zip(columns[name], columns["label"], strict=True)
            columns[name] = [one if label == SPOOF else None for one, label in pairs]
        return columns

    return to_columns


def _known(text: str) -> str | None:
    return None if text == "-" else text


MEANINGS: dict[str, Callable[[str], str | None]] = {
    "label": read_label,
    "attack": _known,
    "codec": lambda text: "none" if text == "-" else text,  # 5's dash is 2021's none: not coded
    "vocoder": _known,
    "speaker": _known,
    "source": _known,
    "phase": lambda text: PHASES.get(text, text) or None,
}
OF_SPOOF = {"attack", "vocoder"}  # of bona fide trials these repeat the label


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


def _check_counts(path: Path, width: int, counted: Counter[tuple[str | None, str]]) -> None:
    expected = PUBLISHED.get((path.name.removesuffix(".gz"), width), {})
    for phase, (bona_fide, spoof) in expected.items():
        found = counted[phase or None, BONA_FIDE], counted[phase or None, SPOOF]
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
