"""Which trials are traced, by the names of which systems, and which are left out and why.

Bona fide recordings have no system. Classes that occur with one value of a column alone, as a
synthesizer with one language, can be told by that value: ``shared_by`` leaves them out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from fakemamba.data.trials import BONA_FIDE, plural, trial_table
from fakemamba.evaluation.embedding_files import Embeddings
from fakemamba.names import one_line

Label = Literal["attack", "family", "vocoder", "speaker", "language"]
Column = Literal["speaker", "language", "source"]
Turn = Literal["system", "family"]  # what is left out in turn
LABELS: tuple[str, ...] = get_args(Label)
Mask = npt.NDArray[np.bool_]
Names = npt.NDArray[np.object_]
SHOWN = 5


class TracingError(ValueError):
    """Trials cannot be traced as asked; the message says why and what can be."""


@dataclass(frozen=True, eq=False)
class Traced:
    """Trials of known systems.

    Attributes:
        vectors: (n, width) float64.
        labels: (n,), the names of their systems.
        table: n rows of `trial_table`.
        left_out: how many trials are not among them, by the reason.
        label: which column the names are of.
    """

    vectors: npt.NDArray[np.float64]
    labels: Names
    table: pd.DataFrame
    left_out: dict[str, int] = field(default_factory=dict)
    label: str = "attack"

    def only(self, chosen: Mask, reason: str) -> Traced:
        """Those that are chosen (n,); the others are counted as left out for a reason."""
        dropped = int((~chosen).sum())
        left_out = self.left_out | ({reason: dropped} if dropped else {})
        table = self.table[chosen].reset_index(drop=True)
        return Traced(self.vectors[chosen], self.labels[chosen], table, left_out, self.label)

    def groups(self, column: str) -> Names | None:
        """The values of a column (n,); None unless every trial has one."""
        values = self.table[column]
        return values.to_numpy(object) if values.notna().all() else None


def traced(
    embeddings: Embeddings,
    label: Label = "attack",
    *,
    shared_by: Column | None = None,
    with_bonafide: bool = False,
) -> Traced:
    """The trials that have a system, with its name.

    Args:
        embeddings: of any trials. What has a system and no label is taken for spoofed.
        label: the column that names the system.
        shared_by: keep only systems that occur with each value of this column, such as language.
        with_bonafide: let bona fide be one more class, instead of leaving it out.

    Raises:
        TracingError: no trial is left, or two with one id are there.
    """
    table = trial_table(embeddings.trials)
    twice = table["trial_id"][table["trial_id"].duplicated()]
    if len(twice):
        raise TracingError(
            f"{len(twice):,} trials stand among these twice ({listed_few(twice.unique())}); give "
            "each once"
        )
    is_bonafide = (table["label"] == BONA_FIDE).to_numpy()
    labels = table[label].to_numpy(object)
    if with_bonafide:
        labels = np.where(is_bonafide, BONA_FIDE, labels)
    found = Traced(embeddings.vectors.astype(np.float64), labels, table, {}, label)
    if not with_bonafide:
        found = found.only(~is_bonafide, "bona fide")
        if not len(found.labels):
            raise TracingError(
                f"none of {len(table):,} trials is spoofed: bona fide recordings have no system; "
                "give spoofed ones"
            )
    is_named = np.array([one is not None for one in found.labels], bool)
    if not is_named.any():
        known = [one for one in LABELS if found.table[one].notna().any()]
        remedy = f"--label {known[0]}" if known else f"a manifest with a column {label!r}"
        raise TracingError(f"no trial says its {label}; give {remedy}")
    found = found.only(is_named, f"without {label}")
    if shared_by is not None:
        found = _shared(found, shared_by)
    return found


def apart(found: Traced, column: str, unseen: Collection[str] = ()) -> Traced:
    """Those whose column can be held apart: systems that have one value of it alone are left out.

    Systems that are not fitted to, ``unseen``, may have one value.

    Raises:
        TracingError: trials without a value, or fewer than two systems are left.
    """
    groups = found.groups(column)
    if groups is None:
        count = int(found.table[column].isna().sum())
        raise TracingError(
            f"{count:,} of {len(found.labels):,} trials do not say their {column}, so it cannot be "
            "held apart; add the column, or split by trial"
        )
    values = _values_of(found, groups)
    single = [name for name, count in values.items() if count < 2 and name not in unseen]
    kept = found.only(~np.isin(found.labels, single), f"with one {column} for their {found.label}")
    _require_two(kept, unseen, f"two or more values of {column} each")
    return kept


def families_of(found: Traced) -> Names:
    """The families of the trials' systems (n,); bona fide is one of its own.

    Raises:
        TracingError: a trial does not say its own.
    """
    is_bonafide = found.labels == BONA_FIDE
    families = np.where(is_bonafide, BONA_FIDE, found.table["family"].to_numpy(object))
    if names := sorted(set(found.labels[pd.isna(families)])):
        raise TracingError(
            f"the family of {listed_few(names)} is not known; add a column 'family', or leave each "
            "system out in turn"
        )
    return families


def listed_few(names: Collection[str]) -> str:
    """A few names, and how many more there are."""
    first = ", ".join(one_line(str(one), 60) for one in list(names)[:SHOWN])
    return first + (f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else "")


def check_classes(labels: Names, what: str) -> None:
    """Refuse trials that nothing can be fitted to.

    Raises:
        TracingError: fewer than two systems, or one with a single trial.
    """
    counts = Counter(labels.tolist())
    if len(counts) < 2:
        there = f"only {listed_few(counts)}" if counts else "none"
        raise TracingError(f"tracing needs two {plural(what)} or more, but there is {there}")
    if lonely := sorted(name for name, count in counts.items() if count < 2):
        raise TracingError(
            f"one trial alone is of the {what} {listed_few(lonely)}, but some have to be held out; "
            "give two or more, or take it out"
        )


def _shared(found: Traced, column: Column) -> Traced:
    groups = found.groups(column)
    if groups is None:
        raise TracingError(
            f"trials without a {column}: which {plural(found.label)} are shared by all of its "
            "values is not known; add the column, or do without --shared-by"
        )
    every = len(set(groups))
    values = _values_of(found, groups)
    kept = found.only(
        np.isin(found.labels, [name for name, count in values.items() if count == every]),
        f"whose {found.label} not every {column} has",
    )
    _require_two(kept, (), f"all {every} values of {column}")
    return kept


def _values_of(found: Traced, groups: Names) -> dict[str, int]:
    """How many groups there are of each system."""
    pairs = set(zip(found.labels.tolist(), groups.tolist(), strict=True))
    return Counter(name for name, _ in pairs)


def _require_two(found: Traced, unseen: Collection[str], what: str) -> None:
    if len(set(found.labels) - {*unseen}) < 2:
        raise TracingError(
            f"fewer than two {plural(found.label)} have {what}, so nothing is left to tell apart"
        )
