"""Ids of one list found in another, whichever of both has the endings of audio files in its ids.

ADD's label.txt has ``a.wav``, most score files ``a``. What is written alike on both sides is one
trial; of the rest, what is alike once one side has no ending, then once neither has.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from fakemamba.data.text_lines import listed
from fakemamba.data.trials import without_ending

Places = npt.NDArray[np.intp]


class TrialIdError(ValueError):
    """Ids cannot be told apart; the message names them and the remedy."""


def find_ids(sought: Sequence[str] | pd.Series, among: pd.Index) -> Places:
    """Where each id is in the other list (n,), or -1. It does not matter which list is sought.

    Args:
        sought: ids, of which any may be there several times.
        among: ids, each once.

    Raises:
        TrialIdError: ids of one side differ in their endings alone, and the other side has that.
    """
    written = pd.Index(np.asarray(sought, dtype=object), dtype=object)
    places = among.get_indexer(written)
    for near in (_one_without_ending, _both_without_ending):
        left = np.flatnonzero(places < 0)
        is_free = np.ones(len(among), bool)
        is_free[places[places >= 0]] = False
        free = np.flatnonzero(is_free)
        if not len(left) or not len(free):
            break
        pairs = near(_named(written[left].unique()), _named(among[free]))
        if pairs.empty:
            continue
        for side, other in (("sought", "among"), ("among", "sought")):
            _require_one_each(pairs, side, other)
        at = pd.Index(pairs["sought"], dtype=object).get_indexer(written[left])
        of_pairs = among.get_indexer(pd.Index(pairs["among"], dtype=object))
        places[left] = np.where(at < 0, -1, of_pairs[at])
    return places


def _named(ids: pd.Index) -> pd.Series:
    """The ids by themselves."""
    return pd.Series(ids, index=ids, dtype=object)


def _bare(ids: pd.Series) -> pd.Series:
    """Those that have an ending, by what they are without it."""
    bare = pd.Index([without_ending(one) for one in ids], dtype=object)
    ended = bare != ids.to_numpy()
    return pd.Series(ids.to_numpy()[ended], index=bare[ended], dtype=object)


def _one_without_ending(sought: pd.Series, among: pd.Series) -> pd.DataFrame:
    """Pairs of ids that are alike once one of both has no ending."""
    pairs = [_pairs(_bare(sought), among), _pairs(sought, _bare(among))]
    return pd.concat(pairs).drop_duplicates()


def _both_without_ending(sought: pd.Series, among: pd.Series) -> pd.DataFrame:
    return _pairs(_bare(sought), _bare(among))


def _pairs(sought: pd.Series, among: pd.Series) -> pd.DataFrame:
    """Ids of both sides that are called alike."""
    if sought.empty or among.empty:
        return pd.DataFrame({"sought": [], "among": []}, dtype=object)
    return sought.rename("sought").to_frame().join(among.rename("among"), how="inner")


def _require_one_each(pairs: pd.DataFrame, side: str, other: str) -> None:
    again = pairs[pairs[side].duplicated(keep=False)]
    if len(again):
        one = again[side].iloc[0]
        alike = listed([" and ".join(again[other][again[side] == one])])
        raise TrialIdError(
            f"{alike} differ in their endings alone, and the other list has {listed([one])}: write "
            "the ids of both lists alike"
        )
