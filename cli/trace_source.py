"""Whose embeddings ``fakemamba trace`` takes: of a checkpoint and trials, or of a file."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro

from fakemamba.cli.printing import say
from fakemamba.cli.trial_source import trial_source
from fakemamba.data.trials import Trial
from fakemamba.evaluation.embedding_files import (
    EmbeddingOrigin,
    Embeddings,
    EmbeddingsError,
    read_embeddings,
    write_embeddings,
)
from fakemamba.evaluation.tracing.model_files import TracerModel
from fakemamba.evaluation.trial_list import survey
from fakemamba.locks import sole_writer


@dataclass(frozen=True)
class EmbeddingSource:
    """What embeddings are made of, or where they are.

    Attributes:
        embeddings: File of `fakemamba embed` or of --keep, instead of a checkpoint and trials.
        checkpoint: A folder made by `fakemamba convert`, or an official .pth with --detector.
        manifest: CSV or Parquet file with the column `path`, and one that names the systems.
        corpus: A corpus by its name, such as asvspoof2019-la.
        root: Where the corpus is, or where the manifest's paths begin if not at its folder.
        phase: Of the corpus; by default its eval or test phase.
        detector: The detector that the checkpoint must be of; needed for an official .pth.
        length: Cut or tile every clip to so many samples (the papers: 66800 or 64600).
        layer: Take the mean of a layer's frames in the front-end instead of the detector's own
            embedding; 0 is what the first layer is given.
        allow_damaged: Embed what is left of damaged recordings.
        device: auto, cpu, or cuda:0 and so on.
        keep: File to write the embeddings to, for --embeddings.
    """

    embeddings: Path | None = None
    checkpoint: Path | None = None
    manifest: Path | None = None
    corpus: str | None = None
    root: Path | None = None
    phase: str | None = None
    detector: str | None = None
    length: Annotated[int | None, tyro.conf.arg(metavar="SAMPLES")] = None
    layer: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    allow_damaged: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    device: str = "auto"
    keep: Path | None = None

    def taken(
        self,
        layers: Literal["all"] | None = None,
        check: Callable[[Embeddings], object] | None = None,
    ) -> Embeddings:
        """The embeddings; with ``layers`` those of all layers, too.

        ``check`` may refuse trials before the long work: it is given them with vectors of zeros.

        Raises:
            ValueError: options that do not go together, trials or a detector that cannot be read.
        """
        if layers is not None and self.layer is not None:
            raise ValueError("--layer takes one layer and --layers all: give one of both")
        if self.embeddings is not None:
            return self._read(self.embeddings, layers)
        if self.checkpoint is None:
            raise ValueError("name a --checkpoint and trials, or a file of --embeddings")
        source = trial_source(self.corpus, self.root, self.phase, self.manifest, need_label=False)
        # A list may have a line twice, as MLAAD's have; what differs in anything is no copy.
        trials = list(dict.fromkeys(source()))
        survey(lambda: trials)
        if check is not None:
            nothing = np.zeros((len(trials), 1), np.float32)
            check(Embeddings(tuple(trials), nothing, (), {}))
        return self.embedded(trials, layers)

    def for_tracer(self, model: TracerModel) -> EmbeddingSource:
        """This source with a tracer's layer and length, where it does not name others.

        Raises:
            EmbeddingsError: the checkpoint is not the one that the tracer was fitted with.
            CheckpointError: there is no such checkpoint.
        """
        origin = model.origin
        layer = origin.layer if self.layer is None else self.layer
        if self.embeddings is not None or self.checkpoint is None:
            return replace(self, layer=layer)
        from fakemamba.models.loading import check_named, weights_sha256  # of the extra `models`

        length = origin.length if self.length is None else self.length
        check_named(self.checkpoint, self.detector)
        model.check_origin(EmbeddingOrigin(weights_sha256(self.checkpoint), layer, length))
        return replace(self, layer=layer, length=length)

    def embedded(self, trials: list[Trial], layers: Literal["all"] | None = None) -> Embeddings:
        """The embeddings of trials by the checkpoint.

        Raises:
            ValueError: it cannot be read, or no trial can.
        """
        from fakemamba.cli.embedding import embedded_by  # of the extra `models`
        from fakemamba.evaluation.manner import Manner

        assert self.checkpoint is not None
        manner = Manner(
            self.detector, self.length, allow_damaged=self.allow_damaged, device=self.device
        )
        asked = (self.checkpoint, trials, manner, layers or self.layer)
        held = nullcontext() if self.keep is None else sole_writer(self.keep)
        with held, embedded_by(*asked, kept_at=self.keep) as found:
            if not found.trials:
                raise ValueError("no recording could be embedded, so there is nothing to trace")
            if self.keep is not None:
                write_embeddings(self.keep, found)
                say(self.keep)
            return found

    def _read(self, path: Path, layers: Literal["all"] | None) -> Embeddings:
        others = (self.checkpoint, self.manifest, self.corpus, self.root, self.phase)
        if any(one is not None for one in (*others, self.detector, self.length, self.keep)):
            raise ValueError(
                "--embeddings are read as they are: no --checkpoint, trials, --length or --keep"
            )
        found = read_embeddings(path)
        if layers is not None and found.layers is None:
            raise EmbeddingsError(
                f"{path} is of {found.origin} alone; write all layers, by --layers all, to study "
                "them"
            )
        if self.layer is None and (layers is not None or found.layers is None):
            return found
        return found.at(self.layer)
