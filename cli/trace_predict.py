"""``fakemamba trace predict``: the system of recordings by a tracer, with a probability."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console

from fakemamba.cli.printing import TextTable, right, say
from fakemamba.cli.trace_source import EmbeddingSource
from fakemamba.data.trials import Trial
from fakemamba.evaluation.embedding_files import Embeddings
from fakemamba.evaluation.tracing.model_files import TracerModel, read_tracer
from fakemamba.evaluation.tracing.tracer import NONE_OF_THESE
from fakemamba.files import write_csv, write_whole

COLUMNS = ("path", "trial_id", "system", "likeliest", "probability", "score")


def trace_predict(
    model: tyro.conf.Positional[Path],
    files: tyro.conf.Positional[tuple[Path, ...]] = (),
    /,
    checkpoint: Path | None = None,
    embeddings: Path | None = None,
    out: Path | None = None,
    detector: str | None = None,
    allow_damaged: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    device: str = "auto",
) -> int:
    """Say of each recording which system made it, or that it is none of those that are known.

    The probability is that of the likeliest system if it is one of them. The detector has to be
    the one that the tracer was fitted with; layer and length are the tracer's.

    Args:
        model: Folder of `fakemamba trace fit`.
        files: Audio files; or give --embeddings.
        checkpoint: The detector that the tracer was fitted with.
        embeddings: File of embeddings instead.
        out: CSV to write, or lines of JSON with all probabilities if it ends in .jsonl.
        detector: The detector that the checkpoint must be of; needed for an official .pth.
        allow_damaged: Take what is left of damaged recordings.
        device: auto, cpu, or cuda:0 and so on.
    """
    if out is not None and out.suffix not in (".csv", ".jsonl"):
        raise ValueError(f"{out}: predictions are written as .csv or .jsonl")
    if bool(files) == (embeddings is not None):
        raise ValueError("give either audio files, with their --checkpoint, or --embeddings")
    tracer = read_tracer(model)
    if files and checkpoint is None:
        raise ValueError("name the --checkpoint that the tracer was fitted with")
    source = EmbeddingSource(
        embeddings=embeddings,
        checkpoint=checkpoint,
        detector=detector,
        allow_damaged=allow_damaged,
        device=device,
    ).for_tracer(tracer)
    listed = [Trial(str(path), path) for path in dict.fromkeys(files)]
    found = source.taken() if embeddings is not None else source.embedded(listed)
    tracer.check_origin(found.origin)
    rows = _rows(tracer, found)
    if out is None:
        table = TextTable("recording", "system", "likeliest", right("probability"))
        for row in rows:
            name = row["path"] or row["trial_id"]
            table.add_row(name, row["system"], row["likeliest"], f"{row['probability']:.3f}")
        Console().print(table)
    elif out.suffix == ".csv":
        write_csv(out, COLUMNS, ([row[name] for name in COLUMNS] for row in rows))
        say(out)
    else:
        write_whole(out, "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows))
        say(out)
    return 1 if found.failures else 0


def _rows(model: TracerModel, found: Embeddings) -> list[dict[str, Any]]:
    """What is said of each recording."""
    tracer = model.tracer
    said = tracer.trace(found.vectors.astype("float64"))
    rows = []
    for place, trial in enumerate(found.trials):
        code, chances = said.codes[place], said.probabilities[place]
        likeliest = tracer.classes[code]
        rows.append(
            {
                "path": str(trial.path or ""),
                "trial_id": trial.trial_id,
                "system": NONE_OF_THESE if said.is_none[place] else likeliest,
                "likeliest": likeliest,
                "probability": float(chances[code]),
                "score": float(said.scores[tracer.choices.open_set][place]),
                "probabilities": dict(zip(tracer.classes, chances.tolist(), strict=True)),
            }
        )
    return rows
