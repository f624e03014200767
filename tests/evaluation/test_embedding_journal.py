"""Embeddings that were made before a kill are neither lost nor made again."""

import numpy as np
import pytest

from fakemamba.evaluation.embedding_journal import EmbeddingJournal
from fakemamba.journals import JournalError

OF = {"weights_sha256": "ab", "layer": "all"}
OWN = np.array([1.5, -2.0, 3e-9], np.float32)
STATES = np.arange(8, dtype=np.float32).reshape(2, 4)


@pytest.fixture
def path(tmp_path):
    """A journal of two trials, the second with all layers and damage."""
    path = tmp_path / "all.npz.journal"
    journal = EmbeddingJournal(path, OF)
    journal.add([("a", (OWN, None))], {})
    journal.add([("b", (OWN + 1, STATES))], {"b": "its end"})
    return path


def test_vectors_are_read_as_they_were_added(path):
    journal = EmbeddingJournal(path, OF)
    assert list(journal.known) == ["a", "b"] and journal.damage == {"b": "its end"}
    assert journal.known["a"][0].tobytes() == OWN.tobytes() and journal.known["a"][1] is None
    np.testing.assert_array_equal(journal.known["b"][1], STATES)
    journal.remove()
    assert not path.exists() and not EmbeddingJournal(path, OF).known


def test_a_line_that_a_kill_cut_short_counts_as_not_written(path):
    path.write_bytes(path.read_bytes()[:-30])
    journal = EmbeddingJournal(path, OF)
    assert list(journal.known) == ["a"]
    journal.add([("b", (OWN, None))], {})
    assert list(EmbeddingJournal(path, OF).known) == ["a", "b"]


def test_another_run_or_damage_is_refused_with_the_remedy(path):
    with pytest.raises(JournalError, match=r"layer.*remove the journal and embed all again"):
        EmbeddingJournal(path, OF | {"layer": 3})
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], lines[1].replace(b"own", b"owl"), lines[2]]))
    with pytest.raises(JournalError, match=r"line 2 is damaged.*its trial is then embedded again"):
        EmbeddingJournal(path, OF)
