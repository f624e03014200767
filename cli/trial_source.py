"""Which trials a command is about: those of a manifest, of a corpus by its name, or of files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fakemamba.data.corpora import open_corpus
from fakemamba.data.manifest import ManifestError, iterate_manifest
from fakemamba.data.trials import Trial, without_ending
from fakemamba.files import file_sha256, require_file


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


def recordings_source(
    files: Sequence[Path],
    manifest: Path | None,
    corpus: str | None,
    root: Path | None,
    phase: str | None,
) -> tuple[Callable[[], Iterable[Trial]], dict[str, Any]]:
    """What gives the trials of files, a manifest or a corpus, and what a record tells of them.

    Args:
        files: audio files, whose names without folder and ending are the trials' ids.
        manifest: see `trial_source`, and so for the others; no label is needed.
        corpus: its name.
        root: where it is, or where the manifest's paths begin.
        phase: of the corpus.

    Raises:
        ValueError: none of the three is named, or several are; or as `trial_source`.
    """
    if sum((bool(files), manifest is not None, corpus is not None)) != 1:
        raise ValueError(
            "no recordings given, or in several ways: name audio FILES, a --manifest, or a --corpus"
        )
    if phase is not None and corpus is None:
        raise ValueError("--phase belongs to a --corpus")
    if not files:
        source = trial_source(corpus, root, phase, manifest, need_label=False)
        if manifest is None:
            return source, {"corpus": corpus, "phase": phase}
        return source, {"manifest": str(manifest), "sha256": file_sha256(manifest)}
    if root is not None:
        raise ValueError("--root belongs to a --manifest or a --corpus")
    return lambda: (Trial(without_ending(path.name), path) for path in files), {"files": len(files)}
