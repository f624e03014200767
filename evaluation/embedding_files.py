"""Embeddings on a disk: vectors with their trials, and of which weights and layer they are.

The file is NumPy's npz without objects, so that reading one runs nothing. It is read where neither
torch nor the detector is.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from fakemamba.data.trials import Trial, TrialError, plural
from fakemamba.evaluation.score_origin import SHOWN
from fakemamba.files import atomic_write, require_file

TOLD = ("label", "attack", "family", "vocoder", "speaker", "language", "source", "text_id")
# Trial's fields, and the arrays that they are in.
TEXTS = {name: plural(name) for name in ("trial_id", "path", *TOLD)}
NONE = ""  # a text that is not known
REMEDY = "write it again: fakemamba embed, or fakemamba trace with --checkpoint and --keep"

Vectors = npt.NDArray[np.float32]


class EmbeddingsError(ValueError):
    """Embeddings cannot be read or used; the message says why and what to do."""


@dataclass(frozen=True)
class EmbeddingOrigin:
    """What has to be equal for two embeddings to be of one space.

    Attributes:
        weights_sha256: of the checkpoint.
        layer: of the front-end whose frames were averaged: 0 is what its first layer is given, 1
            the first layer's output; None is the detector's own embedding.
        length: samples that every recording was cut or tiled to; None is whole recordings.
    """

    weights_sha256: str
    layer: Annotated[int, Field(ge=0)] | None
    length: Annotated[int, Field(ge=1)] | None

    def __str__(self) -> str:
        """All of it in words."""
        what = "the detector's own embedding" if self.layer is None else f"layer {self.layer}"
        cut = "whole recordings" if self.length is None else f"--length {self.length}"
        return f"{what} of weights {self.weights_sha256[:SHOWN]} and {cut}"


@dataclass(frozen=True, eq=False)
class Embeddings:
    """A vector a trial, and why others have none.

    Attributes:
        trials: n of them, in the order that they were given in.
        vectors: (n, width), the detector's pooled features before its classifier, or a layer's
            frames, their mean.
        failures: what kept the others from having one.
        damaged: what is missing of the recordings that are not all there, by their trials' ids.
        layers: (n, 1 + layers, hidden), the means of all states of the front-end, if these were
            asked for; ``vectors`` are the detector's own then.
        origin: whose they are, where that is said.
    """

    trials: tuple[Trial, ...]
    vectors: Vectors
    failures: tuple[str, ...]
    damaged: dict[str, str]
    layers: Vectors | None = None
    origin: EmbeddingOrigin | None = None

    def at(self, layer: int | None) -> Embeddings:
        """Those of one layer alone, or the detector's own; none is computed anew.

        Raises:
            EmbeddingsError: it is not among these.
        """
        if self.layers is None or layer is None:
            there = None if self.origin is None else self.origin.layer
            if layer != there:
                wanted = "the detector's own" if layer is None else f"those of layer {layer}"
                raise EmbeddingsError(f"these are {self.origin}, not {wanted}; {REMEDY}")
            return replace(self, layers=None)
        if not 0 <= layer < self.layers.shape[1]:
            raise EmbeddingsError(
                f"there is no layer {layer}: the front-end has 0 to {self.layers.shape[1] - 1}, "
                "where 0 is what the first one is given"
            )
        origin = None if self.origin is None else replace(self.origin, layer=layer)
        return replace(self, vectors=self.layers[:, layer], layers=None, origin=origin)


def write_embeddings(path: str | Path, embeddings: Embeddings) -> None:
    """Write vectors with their trials as NumPy's npz, which is read with ``allow_pickle=False``.

    The arrays are ``trial_ids`` (n,), ``paths`` (n,), ``vectors`` (n, width) float32, and the texts
    ``labels``, ``attacks``, ``families``, ``vocoders``, ``speakers``, ``languages``, ``sources``
    and ``text_ids`` (n,), which are empty where a corpus does not know them. If all layers were
    asked for, ``layers`` is (n, 1 + layers, hidden). ``weights_sha256``, ``layer`` and ``length``
    (), each a text, are those of the origin.
    """
    texts: dict[str, Any] = {
        array: np.array([str(getattr(one, name) or NONE) for one in embeddings.trials], np.str_)
        for name, array in TEXTS.items()
    }
    if embeddings.origin is not None:
        values = vars(embeddings.origin).items()
        texts |= {name: np.array(NONE if one is None else str(one)) for name, one in values}
    if embeddings.layers is not None:
        texts["layers"] = embeddings.layers
    with atomic_write(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, vectors=embeddings.vectors, **texts)


def read_embeddings(path: str | Path) -> Embeddings:
    """Read what `write_embeddings` wrote; failures and damage are not in it.

    Raises:
        EmbeddingsError: no such file, another kind of file, damaged, or not saying whose they are.
    """
    require_file(path, EmbeddingsError, REMEDY)
    arrays = read_arrays(path, EmbeddingsError, REMEDY)
    needed = {"vectors", "weights_sha256", "layer", "length", *TEXTS.values()}
    if lacking := sorted(needed - arrays.keys()):
        raise EmbeddingsError(f"{path} has no {', '.join(lacking)}; {REMEDY}")
    vectors, layers = arrays["vectors"], arrays.get("layers")
    texts = [arrays[name] for name in TEXTS.values()]
    count = len(vectors) if vectors.ndim == 2 else -1
    is_whole = all(one.shape == (count,) and one.dtype.kind == "U" for one in texts)
    if not is_whole or (layers is not None and (layers.ndim != 3 or len(layers) != count)):
        raise EmbeddingsError(f"{path}: not one vector and one text a trial; {REMEDY}")
    for one in (vectors, layers):
        if one is not None and (one.dtype.kind != "f" or not np.isfinite(one).all()):
            raise EmbeddingsError(f"{path}: vectors that are no finite numbers; {REMEDY}")
    try:
        told = {name: str(arrays[name]) for name in ("layer", "length")}
        layer, length = (int(one) if one else None for one in told.values())
        rows = zip(*(one.tolist() for one in texts), strict=True)
        trials = tuple(_trial(dict(zip(TEXTS, row, strict=True))) for row in rows)
    except (ValueError, TrialError) as fault:
        raise EmbeddingsError(f"{path}: {fault}; {REMEDY}") from fault
    origin = EmbeddingOrigin(str(arrays["weights_sha256"]), layer, length)
    return Embeddings(trials, vectors, (), {}, layers, origin)


def _trial(texts: dict[str, str]) -> Trial:
    known: dict[str, Any] = {name: text or None for name, text in texts.items()}
    known |= {"trial_id": texts["trial_id"], "path": Path(texts["path"]) if texts["path"] else None}
    return Trial(**known)


def read_arrays(
    path: str | Path, error: type[ValueError], remedy: str
) -> dict[str, npt.NDArray[Any]]:
    """All arrays of an npz by their names; one that holds objects is refused.

    Raises:
        error: it cannot be read.
    """
    if not zipfile.is_zipfile(path):
        raise error(f"{path} is no npz of NumPy's, or is cut short; {remedy}")
    try:
        with np.load(path, allow_pickle=False) as content:
            return {name: content[name] for name in content.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, NotImplementedError) as fault:
        reason = str(fault).partition("\n")[0]
        raise error(f"{path} cannot be read ({reason}); {remedy}") from fault
