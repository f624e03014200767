"""``fakemamba trace fit``: embeddings of recordings of known systems to a tracer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from fakemamba.cli.printing import say
from fakemamba.cli.trace_source import EmbeddingSource
from fakemamba.data.trials import plural
from fakemamba.evaluation.calibration import sketch
from fakemamba.evaluation.embedding_files import Embeddings
from fakemamba.evaluation.tracing.confounds import contingency
from fakemamba.evaluation.tracing.model_files import TracerModel, check_place, write_tracer
from fakemamba.evaluation.tracing.protocol import (
    Column,
    Label,
    Traced,
    check_classes,
    listed_few,
    traced,
)
from fakemamba.evaluation.tracing.tracer import Choices, fit_tracer


def trace_fit(
    source: Annotated[EmbeddingSource, tyro.conf.arg(name="")],
    choices: Annotated[Choices, tyro.conf.arg(name="")],
    *,
    out: Path,
    label: Label = "attack",
    shared_by: Column | None = None,
    with_bonafide: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    seed: int = 0,
) -> int:
    """Fit a tracer, and write it to a folder.

    Temperature and threshold are chosen on held-out folds, by speaker where these are known and
    each system has two. Bona fide recordings are left out, and so are those without a system.

    Args:
        source: What embeddings are made of.
        choices: How the tracer is made.
        out: Folder to write to.
        label: Column that names the systems.
        shared_by: Keep only systems that occur with each value of this column.
        with_bonafide: Let bona fide be one more system.
        seed: Of the folds.
    """
    check_place(out)

    def known(embeddings: Embeddings) -> Traced:
        found = traced(embeddings, label, shared_by=shared_by, with_bonafide=with_bonafide)
        check_classes(found.labels, label)
        return found

    embeddings = source.taken(check=known)
    found = known(embeddings)
    assert embeddings.origin is not None
    groups = found.groups("speaker")
    tracer = fit_tracer(found.vectors, found.labels, groups, choices, seed)
    tables = contingency(found.labels, found.table)
    width = found.vectors.shape[1]
    fitted_on = tuple(one.hex() for one in sketch(found.table["trial_id"]))
    write_tracer(out, TracerModel(tracer, embeddings.origin, width, label, tables, fitted_on))
    for reason, count in found.left_out.items():
        say(f"left out: {count:,} {reason}")
    say(
        f"{choices.classifier}, {len(tracer.classes)} {plural(label)}: {listed_few(tracer.classes)}"
    )
    say(
        f"{len(found.labels):,} recordings of {embeddings.origin}; temperature "
        f"{tracer.temperature:.3g}, and none of these under a score by {choices.open_set} of "
        f"{tracer.threshold:.4g}, both by {tracer.held_out:,} held-out ones"
    )
    say(out)
    return 1 if embeddings.failures else 0
