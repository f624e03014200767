"""Embeddings of systems that are known: Gaussian clusters, with speakers and languages."""

import numpy as np
import pytest

from fakemamba.data.trials import Trial
from fakemamba.evaluation.embedding_files import EmbeddingOrigin, Embeddings

ORIGIN = EmbeddingOrigin("ab" * 32, None, None)


@pytest.fixture
def clusters():
    """Makes embeddings of trials whose systems are ``distance`` apart in each of 10 features.

    Speakers and languages are even among systems, unless ``languages`` says each system's. Two
    systems that follow each other are a family.
    """

    def make(systems=4, trials=40, distance=3.0, seed=0, speakers=6, languages=None, width=10):
        rng = np.random.default_rng(seed)
        codes = np.tile(np.arange(systems), trials)
        means = distance * rng.standard_normal((systems, width))
        vectors = means[codes] + rng.standard_normal((len(codes), width))
        listed = []
        for place, code in enumerate(codes):
            speaker = place // systems % speakers
            language = "enfr"[2 * (speaker % 2) :][:2] if languages is None else languages[code]
            listed.append(
                Trial(
                    f"t{place}",
                    None,
                    "spoof",
                    f"A{code}",
                    speaker=f"s{speaker}",
                    language=language,
                    family=f"F{code // 2}",
                )
            )
        return Embeddings(tuple(listed), vectors.astype(np.float32), (), {}, None, ORIGIN)

    return make
