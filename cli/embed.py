"""``fakemamba embed``: embeddings, a map of them, and how separable the classes are in them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from fakemamba.analysis.pictures.embeddings import plot_embeddings
from fakemamba.cli.embedding import embedded_by
from fakemamba.cli.printing import say
from fakemamba.cli.trial_source import trial_source
from fakemamba.data.sampling import draw_per_class
from fakemamba.data.trials import trial_table
from fakemamba.evaluation.embedding_files import write_embeddings
from fakemamba.evaluation.manner import Manner
from fakemamba.evaluation.separability import METHOD_NAMES, project, separability
from fakemamba.files import write_json, write_whole
from fakemamba.locks import sole_writer
from fakemamba.names import in_spreadsheet


def embed(
    checkpoint: Path,
    out: Path,
    manifest: Path | None = None,
    corpus: str | None = None,
    root: Path | None = None,
    phase: str | None = None,
    method: Literal["tsne", "umap"] = "tsne",
    limit: Annotated[int, tyro.conf.arg(metavar="N")] = 1000,
    seed: int = 0,
    detector: str | None = None,
    length: Annotated[int | None, tyro.conf.arg(metavar="SAMPLES")] = None,
    layer: Annotated[int | None, tyro.conf.arg(metavar="N")] = None,
    layers: Literal["all"] | None = None,
    allow_damaged: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    device: str = "auto",
) -> int:
    """Write embeddings.npz, map.csv, embeddings.png and separability.json to a folder.

    Args:
        checkpoint: A folder made by `fakemamba convert`, or an official .pth with --detector.
        out: Folder to write to.
        manifest: CSV or Parquet file with the columns `path` and `label`; or give a --corpus.
        corpus: A corpus by its name, such as asvspoof2019-la.
        root: Where the corpus is, or where the manifest's paths begin if not at its folder.
        phase: Of the corpus; by default its eval or test phase.
        method: How the map is made.
        limit: Take so many recordings of each class, drawn by lot.
        seed: Of that lot, of the map, and of the folds of the linear probe.
        detector: The detector that the checkpoint must be of; needed for an official .pth.
        length: Cut or tile every clip to so many samples (the papers: 66800 or 64600).
        layer: Take the mean of a layer's frames in the front-end instead of the detector's own
            embedding; 0 is what the first layer is given.
        layers: `all` writes all of them into embeddings.npz, too; map and figures are of the
            detector's own.
        allow_damaged: Embed what is left of damaged recordings; separability.json says which
            these are.
        device: auto, cpu, or cuda:0 and so on.
    """
    if None not in (layer, layers):
        raise ValueError("--layer takes one layer and --layers all: give one of both")
    manner = Manner(detector, length, allow_damaged=allow_damaged, device=device)
    with sole_writer(out, is_folder=True):
        trials = draw_per_class(trial_source(corpus, root, phase, manifest)(), limit, seed)
        kept_at, taken = out / "embeddings.npz", layer if layers is None else layers
        with embedded_by(checkpoint, trials, manner, taken, kept_at=kept_at) as embeddings:
            write_embeddings(kept_at, embeddings)
        table = trial_table(embeddings.trials)
        found = separability(embeddings.vectors, table, seed)
        places = project(embeddings.vectors, method, seed)
        points = table.assign(x=places[:, 0], y=places[:, 1])
        unseen = {"failures": list(embeddings.failures), "damaged": embeddings.damaged}
        write_json(out / "separability.json", found.to_json() | unseen)
        columns = ["trial_id", "x", "y", "label", "attack", "speaker"]
        drawn = points[columns].map(in_spreadsheet)
        write_whole(out / "map.csv", drawn.to_csv(index=False))
        system = f"{checkpoint.name}, {METHOD_NAMES[method]} of {len(points):,} recordings"
        plot_embeddings(points, system, found.in_words, out / "embeddings.png")
        say(
            f"{out}: {len(points)} embeddings of {found.width} figures; {'; '.join(found.in_words)}"
        )
        return 1 if embeddings.failures else 0
