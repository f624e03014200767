"""A fitted tracer on a disk: a folder of a sealed ``tracer.json`` and the arrays in ``tracer.npz``.

Nothing in it is run when it is read: arrays are read without objects, and the JSON says their hash.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from fakemamba import __version__
from fakemamba.evaluation.calibration import sketch
from fakemamba.evaluation.embedding_files import EmbeddingOrigin, EmbeddingsError, read_arrays
from fakemamba.evaluation.tracing.classifiers import CLASSIFIERS
from fakemamba.evaluation.tracing.protocol import Label
from fakemamba.evaluation.tracing.tracer import Choices, Tracer
from fakemamba.files import appearing_folder, file_sha256, kind_of
from fakemamba.records import read_record, write_sealed

STAMP: dict[str, str | int] = {"kind": "fakemamba-tracer", "schema": 1}
RECORD, ARRAYS = "tracer.json", "tracer.npz"
REMEDY = "it is no tracer, or damaged: make one with: fakemamba trace fit"
Tables = dict[str, dict[str, dict[str, int]]]


class TracerError(ValueError):
    """A tracer cannot be read or used; the message says why and what to do."""


@dataclass(frozen=True, eq=False)
class TracerModel:
    """A tracer, of what embeddings it is, and by which trials.

    Attributes:
        tracer: the tracer.
        origin: of the embeddings that it was fitted to.
        width: of a vector.
        label: the column that names its systems.
        tables: how many trials of each system had each language, speaker and so on, as
            `contingency` has it.
        fitted_on: the least hashes of the trials' ids, as `sketch` makes them, in hex.
    """

    tracer: Tracer
    origin: EmbeddingOrigin
    width: int
    label: Label
    tables: Tables
    fitted_on: tuple[str, ...]

    def check_unseen(self, trial_ids: Iterable[str]) -> None:
        """Refuse to be judged by the trials of the fit.

        Raises:
            TracerError: some of these trials are among them.
        """
        kept = frozenset(self.fitted_on)
        if shared := sum(one.hex() in kept for one in sketch(trial_ids)):
            raise TracerError(
                f"the tracer was fitted to trials that it is judged by here: {shared:,} of those "
                "that it remembers are; judge it by others, or by folds, without --model. If only "
                "the names are the same, a column trial_id in one of the manifests can tell them "
                "apart"
            )

    def check_origin(self, origin: EmbeddingOrigin | None) -> None:
        """Refuse embeddings of other weights, another layer or another length.

        Raises:
            EmbeddingsError: both are named.
        """
        if origin != self.origin:
            raise EmbeddingsError(
                f"the tracer was fitted to {self.origin}, but these are {origin}; give the "
                "checkpoint that it was fitted with, or fit another one"
            )


@dataclass(frozen=True)
class _Record:
    """What `RECORD` holds."""

    classes: Annotated[tuple[str, ...], Field(min_length=2)]
    label: Label
    choices: Choices
    temperature: Annotated[float, Field(gt=0)]
    threshold: float
    held_out: Annotated[int, Field(ge=1)]
    origin: EmbeddingOrigin
    width: Annotated[int, Field(ge=1)]
    tables: Tables
    fitted_on: tuple[str, ...]
    arrays_sha256: str
    fakemamba: str


def write_tracer(folder: Path, model: TracerModel) -> None:
    """Write a tracer's folder, whole or not at all.

    Raises:
        TracerError: something else is there already.
        OSError: it cannot be written.
    """
    check_place(folder)
    tracer = model.tracer
    with appearing_folder(folder) as partial:
        with (partial / ARRAYS).open("wb") as file:
            np.savez_compressed(file, **vars(tracer.classifier))
        record = _Record(
            tracer.classes,
            model.label,
            tracer.choices,
            tracer.temperature,
            tracer.threshold,
            tracer.held_out,
            model.origin,
            model.width,
            model.tables,
            model.fitted_on,
            file_sha256(partial / ARRAYS),
            __version__,
        )
        write_sealed(partial / RECORD, STAMP | asdict(record))


def check_place(folder: Path) -> None:
    """Refuse a place that holds something else than a tracer, which would be removed.

    Raises:
        TracerError: it does.
    """
    kind = kind_of(folder)
    if kind is None:
        return
    names = {one.name for one in folder.iterdir()} if kind == "a folder" else {""}
    if names - {RECORD, ARRAYS}:
        raise TracerError(f"{folder} is there and is no tracer; name a new folder")


def read_tracer(folder: str | Path) -> TracerModel:
    """Read what `write_tracer` wrote.

    Raises:
        TracerError: it is not there, damaged, or of another version.
    """
    folder = Path(folder)
    told = read_record(folder / RECORD, _Record, TracerError, REMEDY, is_sealed=True, stamp=STAMP)
    path = folder / ARRAYS
    if kind_of(path) != "a file" or file_sha256(path) != told.arrays_sha256:
        raise TracerError(f"{path} is not that which {RECORD} is about; {REMEDY}")
    arrays = read_arrays(path, TracerError, REMEDY)
    kind: Any = CLASSIFIERS[told.choices.classifier]
    if set(arrays) != {one.name for one in fields(kind)}:
        raise TracerError(f"{path} has not the arrays of {told.choices.classifier}; {REMEDY}")
    classifier = kind(**arrays)
    tracer = Tracer(
        told.classes, classifier, told.choices, told.temperature, told.threshold, told.held_out
    )
    return TracerModel(tracer, told.origin, told.width, told.label, told.tables, told.fitted_on)
