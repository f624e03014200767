"""Score files beside the key of their trials, for the commands that need both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fakemamba.data.corpora import CorpusError, open_corpus
from fakemamba.data.keys import read_key
from fakemamba.data.trials import trial_table
from fakemamba.evaluation.coverage import join
from fakemamba.evaluation.score_files import read_scores


@dataclass(frozen=True, eq=False)
class KeyedScores:
    """A key's trials with a system's scores, and how many scores of other phases there were."""

    table: pd.DataFrame
    left_out: int


def keyed_scores(
    scores: Sequence[Path],
    *,
    key: Path | None,
    key_format: str = "auto",
    corpus: str | None = None,
    root: Path | None = None,
    phase: str | None = None,
    drop_other_phases: bool = False,
    label_column: str | None = None,
    score_column: str | None = None,
    id_column: str | None = None,
) -> list[KeyedScores]:
    """The trials of a key with the scores of each file, after the check that they are the same.

    Args:
        scores: files, one a system.
        key: the file of the key; or None, and a corpus.
        key_format: of the key.
        corpus: a corpus' name.
        root: where the corpus is.
        phase: None is the eval or test phase.
        drop_other_phases: leave out scores of the key's other phases.
        label_column: of a key that is a table.
        score_column: of the score files: a name, or a number from 1.
        id_column: the same of their ids.

    Raises:
        ValueError: both or none are named, or any file cannot be used.
    """
    trials, others = keyed_trials(
        key, corpus, root, phase, key_format=key_format, label_column=label_column
    )
    found = []
    for path in scores:
        given = read_scores(path, score_column, id_column)
        table = join(
            given,
            trials,
            other_phases=others,
            drop_other_phases=drop_other_phases,
            name=str(path),
        )
        found.append(KeyedScores(table, len(given) - len(table)))
    return found


def keyed_trials(
    key: Path | None,
    corpus: str | None,
    root: Path | None,
    phase: str | None,
    *,
    key_format: str = "auto",
    label_column: str | None = None,
) -> tuple[pd.DataFrame, Callable[[], pd.DataFrame]]:
    """The trials of a phase, and what gives those of others; arguments as for `keyed_scores`.

    Raises:
        ValueError: both or none of key and corpus are named, or it cannot be used.
    """
    if (key is None) == (corpus is None):
        raise ValueError("say which trials these are: --key FILE, or --corpus NAME --root FOLDER")
    if key is not None:
        if root is not None:
            raise ValueError("--root belongs to a --corpus, but a --key is given")
        return _of_key(key, key_format, phase, label_column)
    if root is None:
        raise ValueError(f"say where {corpus} is with --root")
    if label_column is not None:
        raise ValueError("--label-column belongs to a --key, but a --corpus is given")
    return _of_corpus(str(corpus), root, phase)


def _of_key(
    key: Path, key_format: str, phase: str | None, label_column: str | None
) -> tuple[pd.DataFrame, Callable[[], pd.DataFrame]]:
    """The trials of a phase of a key, and what gives those of its other phases."""
    trials = read_key(key, key_format, phase, label_column)

    def others() -> pd.DataFrame:
        whole = read_key(key, key_format, "all", label_column)
        return whole[~whole["trial_id"].isin(trials["trial_id"])]

    return trials, others


def _of_corpus(
    name: str, root: Path, phase: str | None
) -> tuple[pd.DataFrame, Callable[[], pd.DataFrame]]:
    """The same of a corpus, whose phases may be lists of their own and need not all be there."""
    corpus = open_corpus(name, root)
    trials = trial_table(corpus.trials(phase))

    def others() -> pd.DataFrame:
        tables = [trials.iloc[:0]]
        for other in corpus.description.phases:
            if other != (phase or corpus.description.judged):
                try:
                    tables.append(trial_table(corpus.trials(other)))
                except CorpusError:
                    continue  # this list was not unpacked
        return pd.concat(tables)

    return trials, others
