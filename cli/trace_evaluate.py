"""``fakemamba trace evaluate``: how well systems are told apart, and by what else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro
from rich.console import Console

from fakemamba.cli.printing import counting, say
from fakemamba.cli.trace_source import EmbeddingSource
from fakemamba.cli.trace_tables import show, show_layers
from fakemamba.data.trials import BONA_FIDE, plural
from fakemamba.evaluation.embedding_files import EmbeddingOrigin, Embeddings
from fakemamba.evaluation.score_origin import SHOWN
from fakemamba.evaluation.tracing.evaluate import evaluate_by_folds, evaluate_tracer
from fakemamba.evaluation.tracing.figures import TracingEvaluation
from fakemamba.evaluation.tracing.folds import Folds, split
from fakemamba.evaluation.tracing.layers import LayerAccuracy, by_layer
from fakemamba.evaluation.tracing.model_files import read_tracer
from fakemamba.evaluation.tracing.protocol import Column, Label, Traced, Turn, families_of, traced
from fakemamba.evaluation.tracing.report import to_json, verdict_of
from fakemamba.evaluation.tracing.tracer import Choices
from fakemamba.evaluation.uncertainty import Resampling
from fakemamba.files import write_json

USUAL = Choices()


def trace_evaluate(
    source: Annotated[EmbeddingSource, tyro.conf.arg(name="")],
    choices: Annotated[Choices, tyro.conf.arg(name="")] = USUAL,
    *,
    model: Path | None = None,
    label: Label | None = None,
    unseen: str = "",
    shared_by: Column | None = None,
    split_by: Literal["speaker", "language", "source", "attack", "trial"] | None = None,
    leave_one_out: Turn | None = None,
    layers: Literal["all"] | None = None,
    with_bonafide: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    bootstrap: int = 1000,
    cluster: bool = True,
    seed: int = 0,
    plots: Path | None = None,
    json_out: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> int:
    """Judge tracing: systems named, unseen ones refused, pairs verified, and possible confounds.

    Without --model by folds: a tracer is fitted to all folds but one and judged by that one. With
    --model by trials that the tracer was not fitted to. If language, speaker or source tell as
    much as tracing does, the result is called confounded.

    Args:
        source: What embeddings are made of.
        choices: How tracers are made.
        model: Folder of `fakemamba trace fit`; systems that it was not fitted to are unseen.
        label: Column that names the systems; by default attack, or that of the model.
        unseen: Systems that are not fitted to; comma-separated.
        shared_by: Keep only systems that occur with each value of this column.
        split_by: Column whose values are never on both sides of a fold, or `trial`; by default the
            speaker, where each system has two, else the trial. By `attack`, the families or
            vocoders of unseen systems are told.
        leave_one_out: Leave each system, or all systems of each family, out in turn as well, as if
            they were unseen.
        layers: `all` also compares the layers of the front-end with the detector's own embedding.
        with_bonafide: Let bona fide be one more system.
        bootstrap: How often speakers or trials are drawn for the intervals; 0 gives none.
        cluster: Draw speakers where they are known, not single trials.
        seed: Of folds and draws.
        plots: Folder for the confusion matrix, and with --layers for the accuracy by layer.
        json_out: File to write everything to; shares in it are of one.
    """
    resampling = Resampling(bootstrap, cluster, seed)
    named = list(dict.fromkeys(one.strip() for one in unseen.split(",") if one.strip()))
    study: list[LayerAccuracy] = []
    if model is not None:
        folds_alone = (named, shared_by, split_by, leave_one_out, layers, with_bonafide)
        if any(folds_alone) or label is not None or choices != USUAL:
            raise ValueError(
                "the tracer of --model is fitted: classifier, label, systems and folds are its own"
            )
        embeddings, found = _by_model(source, model, resampling)
    else:

        def in_folds(embeddings: Embeddings) -> tuple[Traced, Folds]:
            known = traced(
                embeddings, label or "attack", shared_by=shared_by, with_bonafide=with_bonafide
            )
            if leave_one_out == "family":
                families_of(known)
            return split(known, split_by, named, seed)

        embeddings = source.taken(layers, in_folds)
        trials, folds = in_folds(embeddings)
        found = evaluate_by_folds(
            trials,
            folds,
            choices,
            named,
            resampling=resampling,
            in_turn=leave_one_out,
            progress=counting("tracing"),
        )
        if layers is not None:
            is_seen = ~np.isin(trials.labels, named)
            given = (embeddings, trials, folds, is_seen, choices.classifier, resampling)
            study = by_layer(*given, counting("layers"))
    console = Console()
    show(console, found)
    if study:
        show_layers(console, study)
    say(verdict_of(found))
    if plots is not None:
        _draw(found, study, embeddings.origin, plots)
    if json_out is not None:
        write_json(json_out, to_json(found, embeddings.origin, embeddings.failures, study))
        say(json_out)
    return 1 if embeddings.failures else 0


def _by_model(
    source: EmbeddingSource, folder: Path, resampling: Resampling
) -> tuple[Embeddings, TracingEvaluation]:
    model = read_tracer(folder)
    with_bonafide = BONA_FIDE in model.tracer.classes

    def unseen(embeddings: Embeddings) -> Traced:
        trials = traced(embeddings, model.label, with_bonafide=with_bonafide)
        model.check_unseen(trials.table["trial_id"])
        return trials

    embeddings = source.for_tracer(model).taken(check=unseen)
    model.check_origin(embeddings.origin)
    trials = unseen(embeddings)
    return embeddings, evaluate_tracer(trials, model.tracer, model.tables, resampling)


def _draw(
    found: TracingEvaluation,
    study: list[LayerAccuracy],
    origin: EmbeddingOrigin | None,
    folder: Path,
) -> None:
    from fakemamba.analysis.pictures.tracing import plot_layers, plot_systems

    how = f"{found.choices.classifier} on {origin}"
    say(plot_systems(found.confusion, found.classes, how, folder / "confusion.png"))
    if study:
        rows = [
            (one.layer, one.accuracy.value, one.accuracy.least, one.accuracy.most) for one in study
        ]
        weights = "" if origin is None else f", weights {origin.weights_sha256[:SHOWN]}"
        how = f"{found.choices.classifier}, {len(found.classes)} {plural(found.label)}{weights}"
        say(plot_layers(rows, how, folder / "layers.png"))
