"""One look a detector, the same in every picture: a colour, a marker and a line style.

The colours were found by annealing for the largest smallest distance of any two in OKLab (Ottosson
2020), seen with all cones and, by the matrices of Machado, Oliveira and Fernandes (2009), without
red, green or blue ones, on condition that each can be seen on white. A picture without colour is
told by the markers, which are all different, and by the lines of a family.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

Dashes = tuple[float, ...]  # lengths of line and gap in turn, in line widths; () is a whole line


@dataclass(frozen=True)
class Look:
    """How a detector is drawn: ``colour`` as #rrggbb, and a ``marker`` of Matplotlib's."""

    colour: str
    marker: str
    dashes: Dashes


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
# Others, too, are drawn alike everywhere: their name decides, and no marker of the above is theirs.
OTHER_MARKERS = ("h", "d", "H", "8")
OTHER_DASHES = ((3, 1), (10, 2, 2, 2))

# Parts and figures of no detector: from dark to light, so that a printer keeps them apart.
GREYS = ("#262626", "#6e6e6e", "#a8a8a8", "#dedede")

# Backends of the selective scan are no detectors, so they have no colours: the fused ones are dark.
BACKEND_LOOKS: dict[str, Look] = {
    "cpu": Look(GREYS[0], "o", ()),
    "triton": Look(GREYS[0], "D", (8, 2)),
    "mamba-ssm": Look(GREYS[0], "X", (1.5, 1.5)),
    "torch": Look(GREYS[1], "s", (4, 2)),
    "reference": Look(GREYS[2], "^", (6, 1.5, 1.5, 1.5)),
}


def look(detector: str) -> Look:
    """The look of a detector; of a name that is not known, one drawn by the name itself."""
    if detector in LOOKS:
        return LOOKS[detector]
    number = int.from_bytes(hashlib.sha256(detector.encode()).digest()[:8], "big")
    number, place = divmod(number, len(LOOKS))
    number, marker = divmod(number, len(OTHER_MARKERS))
    known = list(LOOKS.values())
    dashes = OTHER_DASHES[number % len(OTHER_DASHES)]
    return Look(known[place].colour, OTHER_MARKERS[marker], dashes)


def system_looks(systems: Sequence[str]) -> dict[str, Look]:
    """The looks of the systems in one picture, by their names: of up to eleven, all are different.

    A system whose name begins with a detector's, as score files often do, looks like the detector;
    the others take what looks are left, in their order.
    """
    owners: dict[str, str] = {}
    for system in systems:
        begins = [detector for detector in LOOKS if system.startswith(detector)]
        if begins:
            owners.setdefault(max(begins, key=len), system)
    looks = {system: LOOKS[detector] for detector, system in owners.items()}
    left = iter([one for detector, one in LOOKS.items() if detector not in owners])
    return {
        system: looks[system] if system in looks else next(left, look(system)) for system in systems
    }


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
