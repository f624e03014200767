"""Ids of one list found in another, whichever of both has the endings of audio files in its ids.

ADD's label.txt has ``a.wav``, most score files ``a``. What is written alike on both sides is one
trial; of the rest, what is alike once one side has no ending, then once both have none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from fakemamba.data.trials import without_ending

Places = npt.NDArray[np.intp]


class TrialIdError(ValueError):
    """Ids cannot be told apart; the message names them and the remedy."""


def find_ids(sought: Sequence[str] | pd.Series, among: pd.Index) -> Places:
    """Where each id is in the other list (n,), or -1.

    Args:
        sought: ids, of which any may be there several times.
        among: ids, each once.

    Raises:
        TrialIdError: two ids of one side are alike without their endings, and the other side has
            that.
    """
    written = np.asarray(sought, dtype=object)
    places = among.get_indexer(pd.Index(written))
    for ends_sought, ends_among in ((True, False), (False, True), (True, True)):
        left = np.flatnonzero(places < 0)
        free = np.setdiff1d(np.arange(len(among)), places)
        if not len(left) or not len(free):
            break
        wanted, offered = _bare(written[left], ends_sought), _bare(among[free], ends_among)
        _require_once(among[free], offered, set(wanted))
        _require_once(written[left], wanted, set(offered))
        once = ~offered.duplicated()
        at = offered[once].get_indexer(wanted)
        places[left] = np.where(at < 0, -1, free[once][at])
    return places


def _bare(ids: npt.NDArray[np.object_] | pd.Index, ends: bool) -> pd.Index:
    return pd.Index([without_ending(one) for one in ids] if ends else ids, dtype=object)


def _require_once(
    written: npt.NDArray[np.object_] | pd.Index, bare: pd.Index, asked: set[str]
) -> None:
    """Refuse ids that are written differently, but alike when bare and asked for."""
    pairs = pd.DataFrame({"written": written, "bare": bare}).drop_duplicates()
    again = pairs[pairs["bare"].duplicated(keep=False) & pairs["bare"].isin(asked)]
    if len(again):
        alike = again["written"][again["bare"] == again["bare"].iloc[0]]
        raise TrialIdError(
            f"{' and '.join(alike)} differ in their endings alone, and the other list has "
            f"{again['bare'].iloc[0]}: write the ids of both lists alike"
        )
