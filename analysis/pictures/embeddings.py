"""A map of embeddings in two dimensions, by class and attack, with numbers that are of no map."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.lines import Line2D

from fakemamba.analysis.pictures.classes import BONA_FIDE_COLOUR, SPOOF_COLOUR
from fakemamba.analysis.pictures.figures import Caption, Style, house_style, save_figure, shortened
from fakemamba.data.trials import BONA_FIDE

PICTURE = "Embeddings"
BONA_FIDE_MARKER = "o"
ATTACK_MARKERS = ("^", "s", "v", "D", "P", "X", "<", ">", "*", "p")
OTHER_MARKER = "."
NOTE = (
    "A map keeps neighbours; distances and sizes of groups in it mean little. The numbers in the "
    "title are of the embeddings themselves, before the map."
)


def plot_embeddings(points: pd.DataFrame, system: str, numbers: Sequence[str], path: Path) -> Path:
    """Draw a map with a colour a class and a marker an attack.

    Args:
        points: a row a trial with its place ``x`` and ``y``, its ``label``, ``bonafide`` or
            ``spoof``, and ``attack`` (None where it is not known).
        system: whose embeddings they are, and how the map was made.
        numbers: how separable the classes are, in words; in the title.
        path: the PNG to write.

    Returns:
        The file that was written.

    Raises:
        ValueError: no trials.
    """
    if points.empty:
        raise ValueError("there are no embeddings to draw")
    is_bonafide = points["label"] == BONA_FIDE
    attacks = points["attack"].fillna("spoof").where(~is_bonafide)
    common = list(attacks.value_counts().index[: len(ATTACK_MARKERS)])
    rare = attacks.notna() & ~attacks.isin(common)
    groups = [("bona fide", is_bonafide, BONA_FIDE_MARKER, BONA_FIDE_COLOUR)]
    for attack, marker in zip(sorted(common), ATTACK_MARKERS, strict=False):
        groups.append((shortened(attack), attacks == attack, marker, SPOOF_COLOUR))
    if rare.any():
        name = f"{attacks[rare].nunique()} other attacks"
        groups.append((name, rare, OTHER_MARKER, SPOOF_COLOUR))
    with house_style():
        figure, axes = plt.subplots(figsize=(7.2, 5.6))
        handles: list[Artist] = []
        for name, belongs, marker, colour in groups:
            style: Style = {"marker": marker, "markersize": 5, "color": colour, "linestyle": ""}
            style |= {"markeredgecolor": "white", "markeredgewidth": 0.3}
            chosen = points[belongs]
            axes.plot(chosen["x"], chosen["y"], **style, alpha=0.7)
            label = f"{name} ({len(chosen):,})"
            handles.append(Line2D([], [], **style | {"markersize": 7}, label=label))
        axes.set(xticks=[], yticks=[])
        axes.set_aspect("equal", adjustable="datalim")
        caption = Caption("; ".join([system, *numbers]), "")
        return save_figure(figure, path.parent, path.stem, caption, PICTURE, handles, [NOTE])
