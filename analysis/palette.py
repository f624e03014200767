"""One look a detector, the same in every picture: a colour, a marker and a line style.

The colours were found by annealing for the largest smallest distance of any two in OKLab (Ottosson
2020), seen with all cones and, by the matrices of Machado, Oliveira and Fernandes (2009), without
red, green or blue ones, on condition that each can be seen on white. A picture without colour is
told by the markers, which are all different, and by the lines of a family.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from itertools import product

log = logging.getLogger(__name__)

Dashes = tuple[float, ...]  # lengths of line and gap in turn, in line widths; () is a whole line


@dataclass(frozen=True)
class Look:
    """How a detector is drawn: ``colour`` as #rrggbb, and a ``marker`` of Matplotlib's."""

    colour: str
    marker: str
    dashes: Dashes


Looks = Mapping[str, Look]  # by the names of detectors


LOOKS: dict[str, Look] = {
    "fake-mamba-l": Look("#2d6cab", "o", ()),
    "fake-mamba-s": Look("#c7adff", "v", ()),
    "fake-mamba-released": Look("#4002a2", "D", ()),
    "fake-mamba": Look("#85959c", "p", ()),
    "trans-bimamba": Look("#6d0555", "<", (8, 2)),
    "con-bimamba": Look("#c410fd", ">", (8, 2)),
    "xlsr-conformer": Look("#eb5d26", "s", (4, 2)),
    "xlsr-conformer-tcm": Look("#f0a901", "X", (4, 2)),
    "xlsr-mamba": Look("#2ed7a2", "^", (6, 1.5, 1.5, 1.5)),
    "xlsr-aasist": Look("#b82467", "*", (1.5, 1.5)),
    "xlsr-transformer": Look("#565000", "P", (6, 1.5, 1.5, 1.5, 1.5, 1.5)),
}
# Others have dashes that no detector above has, so that they look like none of these.
OTHER_DASHES = ((3, 1), (10, 2, 2, 2))
COLOURS = tuple(one.colour for one in LOOKS.values())
KNOWN_MARKERS = tuple(one.marker for one in LOOKS.values())
MARKERS = ("h", "d", "H", "8", *KNOWN_MARKERS)
MOST_OTHERS = len(COLOURS) * len(MARKERS) * len(OTHER_DASHES)  # that can all look different

# Parts and figures of no detector: from dark to light, so that a printer keeps them apart.
GREYS = ("#262626", "#6e6e6e", "#a8a8a8", "#dedede")

# Backends of the scans are no detectors, so they have no colours: the fused ones are dark.
BACKEND_LOOKS: dict[str, Look] = {
    "cpu": Look(GREYS[0], "o", ()),
    "triton": Look(GREYS[0], "D", (8, 2)),
    "mamba-ssm": Look(GREYS[0], "X", (1.5, 1.5)),
    "torch": Look(GREYS[1], "s", (4, 2)),
    "reference": Look(GREYS[2], "^", (6, 1.5, 1.5, 1.5)),
}


def looks_of(detectors: Iterable[str]) -> dict[str, Look]:
    """The looks of the detectors of one set of results, by their names.

    Those above have theirs. Another's is drawn by its name, from those that are most unlike all
    others here: of up to eleven detectors every colour is different, of up to fifteen every marker.
    More than `MOST_OTHERS` cannot all be told apart, which is logged. Their order does not matter.
    """
    names = list(dict.fromkeys(detectors))
    return _apart(names, {name: LOOKS[name] for name in names if name in LOOKS})


def look(detector: str) -> Look:
    """The look of a detector that stands alone."""
    return looks_of([detector])[detector]


def system_looks(systems: Sequence[str]) -> dict[str, Look]:
    """The looks of the systems in one picture, by their names; see `looks_of`.

    A system whose name begins with a detector's, as score files often do, looks like the detector.
    """
    owners: dict[str, str] = {}
    for system in systems:
        begins = [detector for detector in LOOKS if system.startswith(detector)]
        if begins:
            owners.setdefault(max(begins, key=len), system)
    return _apart(systems, {system: LOOKS[detector] for detector, system in owners.items()})


def _apart(names: Sequence[str], known: Looks) -> dict[str, Look]:
    """Looks that go with the known ones, in the order of the names."""
    looks = dict(known)
    unknown = sorted(set(names) - set(known))
    if len(unknown) > MOST_OTHERS:
        log.warning("of %d other detectors only %d can look different", len(unknown), MOST_OTHERS)
    for name in unknown:
        looks[name] = _most_unlike(name, list(looks.values()))
    return {name: looks[name] for name in names}


def _most_unlike(name: str, others: Sequence[Look]) -> Look:
    """What others have least often, and of several such the one that the name draws."""
    colours, markers, dashes = (
        Counter(getattr(one, what) for one in others) for what in ("colour", "marker", "dashes")
    )
    ranks: dict[object, tuple[int, int]] = {
        **{one: (colours[one], _drawn(name, one)) for one in COLOURS},
        **{one: (2 * markers[one] + (one in KNOWN_MARKERS), _drawn(name, one)) for one in MARKERS},
        **{one: (dashes[one], _drawn(name, one)) for one in OTHER_DASHES},
    }
    every = [Look(*one) for one in product(COLOURS, MARKERS, OTHER_DASHES)]
    taken = set(others)
    free = [one for one in every if one not in taken] or every
    return min(free, key=lambda one: [ranks[part] for part in astuple(one)])


def _drawn(name: str, what: object) -> int:
    """The same number in every process, and no order among names."""
    return int.from_bytes(hashlib.sha256(f"{name}\0{what}".encode(errors="surrogatepass")).digest())


def colour(detector: str) -> str:
    """The colour of a detector, as #rrggbb."""
    return look(detector).colour


def marker(detector: str) -> str:
    """The marker of a detector, as Matplotlib names it."""
    return look(detector).marker


def dashes(detector: str) -> Dashes:
    """Lengths of line and gap in turn of a detector's lines; empty for a whole line."""
    return look(detector).dashes


def backend_look(backend: str) -> Look:
    """The look of a scan backend."""
    return BACKEND_LOOKS.get(backend, Look(GREYS[1], look(backend).marker, look(backend).dashes))
