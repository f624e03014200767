"""Files to scores: the raw logit of bona fide, one line ``stem score`` a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from fakemamba.data.audio import AudioError, cut_or_tile, read_audio
from fakemamba.files import appearing_whole
from fakemamba.models.detector import BONA_FIDE, Detector


def check_stems(paths: Sequence[Path]) -> None:
    """Refuse files that would share a line's name.

    Raises:
        ValueError: two files have the same stem.
    """
    twice = [stem for stem, count in Counter(path.stem for path in paths).items() if count > 1]
    if twice:
        raise ValueError(
            f"several files are called {', '.join(twice[:5])}: their scores could not be told "
            "apart; score them in separate runs"
        )


@torch.inference_mode()
def score_files(
    detector: Detector, paths: Sequence[Path], *, num_samples: int | None = None
) -> Iterator[tuple[Path, float | AudioError]]:
    """Score recordings one by one, on the detector's device.

    Args:
        detector: in eval mode.
        paths: audio files.
        num_samples: cut or tile every clip to this length, as the papers do; None takes whole
            files.

    Yields:
        Each path with its score, or with the error that kept it from having one.
    """
    device = next(detector.parameters()).device
    for path in paths:
        try:
            waveform = read_audio(path)
            if num_samples is not None:
                waveform = cut_or_tile(waveform, num_samples)
            if len(waveform) < detector.min_samples:
                raise AudioError(
                    f"{path}: {len(waveform)} samples, but {type(detector).__name__} needs "
                    f"{detector.min_samples}; score with a fixed length"
                )
        except AudioError as error:
            yield path, error
            continue
        logits = detector(torch.from_numpy(waveform)[None].to(device))
        yield path, float(logits[0, BONA_FIDE])


def write_scores(path: str | Path, scores: dict[str, float]) -> None:
    """Write ``stem score`` lines with nine significant digits, all at once or not at all."""
    with appearing_whole(path) as partial:
        partial.write_text("".join(f"{stem} {score:.9g}\n" for stem, score in scores.items()))
