"""``fakemamba score``: audio files to a score file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import tyro


def score(
    files: tyro.conf.Positional[tuple[Path, ...]],
    /,
    checkpoint: Path,
    out: Path,
    detector: str | None = None,
    length: Annotated[int | None, tyro.conf.arg(metavar="SAMPLES")] = None,
    device: str = "auto",
) -> int:
    """Score recordings: one line `stem score` a file, the raw logit of bona fide.

    Args:
        files: Audio files.
        checkpoint: A folder made by `fakemamba convert`, or an official .pth with --detector.
        out: Score file to write; it appears when all files are done.
        detector: The detector that the checkpoint must be of; needed for an official .pth.
        length: Cut or tile every clip to so many samples (the papers: 66800 or 64600).
        device: auto, cpu, or cuda:0 and so on.
    """
    from rich.console import Console
    from rich.progress import track

    from fakemamba.evaluation.scoring import check_stems, score_files, write_scores
    from fakemamba.models.checkpoints import from_pretrained
    from fakemamba.models.device import resolve_device
    from fakemamba.models.official import convert_official

    if not files:
        raise ValueError("no recordings given: fakemamba score ... FILE ...")
    if length is not None and length < 1:
        raise ValueError(f"--length {length}: a clip cannot be cut to that")
    check_stems(files)
    place = resolve_device(device)
    if checkpoint.is_dir():
        model = from_pretrained(checkpoint, expected=detector)
    elif detector is not None:
        model = convert_official([checkpoint], detector)
    else:
        raise ValueError(
            f"{checkpoint} is not a folder; for an official checkpoint say which one it is with "
            "--detector"
        )
    scores, failures = {}, []
    results = score_files(model.to(place), files, num_samples=length)
    for path, result in track(results, "scoring", total=len(files), console=Console(stderr=True)):
        if isinstance(result, float):
            scores[path.stem] = result
        else:
            failures.append(result)
    write_scores(out, scores)
    for failure in failures:
        print(f"not scored: {failure}", file=sys.stderr)
    print(f"{out}: {len(scores)} scores, {len(failures)} files not scored")
    return 1 if failures else 0
