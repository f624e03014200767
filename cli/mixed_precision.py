"""What stays in fp32 in int8: as the user gives it, and what to give where int8 costs too much."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import Tensor

from fakemamba.cli.eer_limit import EerLimit, in_points
from fakemamba.cli.printing import say
from fakemamba.files import bytes_in
from fakemamba.lists import words
from fakemamba.models.detector import Detector
from fakemamba.models.export.drafts import Draft
from fakemamba.models.export.errors import ExportError
from fakemamba.models.export.harm import most_harmed

OPTION = "--keep-fp32"
INT8 = "int8"


def kept_groups(text: str, draft: Draft, precision: str) -> tuple[str, ...]:
    """The groups of a draft that ``text`` names, in their order.

    Raises:
        ExportError: it names something else, one twice, or all of them; or nothing is in int8.
    """
    given = words(text)
    if not given:
        return ()
    if precision != INT8:
        raise ExportError(f"{OPTION} belongs to --precision int8: all is in {precision}")
    first, *layers = draft.groups
    if len(set(given)) < len(given) or not set(given) <= set(draft.groups):
        raise ExportError(
            f"{OPTION} {text}: give some of {first} and the front-end's layers from 0 to "
            f"{layers[-1]}, comma-separated, each once; the encoder is in fp32 as it is"
        )
    if len(given) == len(draft.groups):
        raise ExportError(f"{OPTION} {text}: nothing is left for int8; give --precision fp32")
    return _in_order(given, draft)


def advice(
    detector: Detector,
    draft: Draft,
    folder: Path,
    examples: Tensor | None,
    kept: Sequence[str],
    speech: Tensor,
    limit: EerLimit,
) -> str:
    """What else to keep in fp32 so that the EER rises by no more than is allowed, in words.

    The groups that int8 harms most are kept, 1, 2, 4, ... of them, until it does not.

    Args:
        detector: in evaluation mode, on the CPU.
        draft: of it, that int8 was refused of.
        folder: in which models are written for a while.
        examples: speech (n, samples) for ranges of activations.
        kept: groups that were in fp32 in what was refused.
        speech: (rows, samples) that harm is measured on.
        limit: of the rise of EER.
    """
    say("int8 costs too much: what to keep in fp32 is looked for", sys.stderr)
    harmed = most_harmed(detector, draft, folder, examples, kept, speech)
    told, count = "", 1
    while count < len(harmed):
        mixture = _in_order([*kept, *harmed[:count]], draft)
        option = f"{OPTION} {','.join(mixture)}"
        with TemporaryDirectory(dir=folder) as place:
            draft.write(Path(place), INT8, examples, kept=mixture)
            rise = limit.rise(option, Path(place) / draft.model_name)
            size_mb = bytes_in(Path(place)) / 1e6
        told = f"with {option} it rises by {in_points(rise)}, in {size_mb:,.1f} MB"
        say(told, sys.stderr)
        if limit.allows(rise):
            return told
        count *= 2
    return "no mixture passes that was tried" + (f": {told}" if told else "")


def _in_order(groups: Sequence[str], draft: Draft) -> tuple[str, ...]:
    return tuple(one for one in draft.groups if one in groups)
