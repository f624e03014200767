"""The corpora that are read as their publishers' archives unpack, by name."""

from __future__ import annotations

from pathlib import Path

from fakemamba.data.corpora.asvspoof5 import ASVSPOOF5
from fakemamba.data.corpora.asvspoof2019 import ASVSPOOF2019_LA
from fakemamba.data.corpora.asvspoof2021 import ASVSPOOF2021_DF, ASVSPOOF2021_LA
from fakemamba.data.corpora.corpus import Corpus, CorpusError
from fakemamba.data.corpora.in_the_wild import IN_THE_WILD
from fakemamba.data.corpora.open_speech import OPEN_SPEECH

__all__ = ["CORPORA", "Corpus", "CorpusError", "open_corpus"]

CORPORA = {
    corpus.name: corpus
    for corpus in (
        ASVSPOOF2019_LA,
        ASVSPOOF2021_LA,
        ASVSPOOF2021_DF,
        ASVSPOOF5,
        IN_THE_WILD,
        OPEN_SPEECH,
    )
}


def open_corpus(name: str, root: str | Path) -> Corpus:
    """A corpus that has been unpacked below ``root``.

    Raises:
        CorpusError: no such corpus, or no such folder.
    """
    if name not in CORPORA:
        raise CorpusError(f"no corpus is called {name!r}, but {', '.join(CORPORA)} are")
    if not Path(root).is_dir():
        raise CorpusError(f"{root}: no such folder; unpack {CORPORA[name].title} there")
    return Corpus(CORPORA[name], Path(root))
