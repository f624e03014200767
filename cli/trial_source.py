"""Which trials a command is about: those of a manifest, or of a corpus by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from fakemamba.data.corpora import open_corpus
from fakemamba.data.manifest import ManifestError, iterate_manifest
from fakemamba.data.trials import Trial
from fakemamba.files import require_file


def trial_source(
    corpus: str | None,
    root: Path | None,
    phase: str | None,
    manifest: Path | None,
    *,
    need_label: bool = True,
) -> Callable[[], Iterator[Trial]]:
    """What gives the trials of one of both, one by one, anew at every call.

    Args:
        corpus: a corpus' name.
        root: where the corpus is, or where the manifest's paths begin.
        phase: of the corpus; None takes its eval or test phase.
        manifest: a CSV or Parquet file with a column ``path``.
        need_label: refuse a manifest's line without a label; a corpus' trials all have one.

    Raises:
        ValueError: both or none are named, an argument belongs to the other, or the manifest is no
            file.
    """
    if (corpus is None) == (manifest is None):
        raise ValueError("name either a corpus, with --root, or a --manifest")
    if manifest is not None:
        if phase is not None:
            raise ValueError("--phase belongs to a corpus, but a --manifest is given")
        require_file(manifest, ManifestError)
        return lambda: iterate_manifest(manifest, root, need_label=need_label)
    if root is None:
        raise ValueError(f"say where {corpus} is with --root")
    opened = open_corpus(str(corpus), root)
    return lambda: opened.trials(phase)
