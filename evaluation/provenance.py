"""What scores are made of, as hashes: weights, and the code that turns a recording into a score."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr
import torch
import transformers

from fakemamba import __version__
from fakemamba.evaluation.manner import Manner
from fakemamba.models.loading import weights_sha256

# Rooms and files whose change may change a score: all that is between a file and it.
SCORING_CODE = (
    ("fakemamba.models", ""),
    ("fakemamba.baselines", ""),
    ("fakemamba.data.containers", ""),
    ("fakemamba.data", "audio.py"),
    ("fakemamba.data", "batches.py"),
    ("fakemamba.data", "decoding.py"),
    ("fakemamba.data", "headers.py"),
    ("fakemamba.data", "reading.py"),
    ("fakemamba.data", "recordings.py"),
    ("fakemamba.evaluation", "manner.py"),
    ("fakemamba.evaluation", "scoring.py"),
    ("fakemamba.evaluation.streams", ""),
)


def code_sha256() -> str:
    """SHA-256 of the sources in `SCORING_CODE`, as a commit says little if it is dirty."""
    digest = hashlib.sha256()
    for package, name in SCORING_CODE:
        _add(files(package) / name if name else files(package), digest)
    return digest.hexdigest()


def _add(entry: Traversable, digest: hashlib._Hash) -> None:
    if entry.is_dir():
        for one in sorted(entry.iterdir(), key=lambda one: one.name):
            _add(one, digest)
    elif entry.name.endswith(".py"):
        digest.update(entry.name.encode() + b"\0" + entry.read_bytes())


def audio_libraries() -> str:
    """Names and versions of what decodes and resamples."""
    ffmpeg = (
        f"{name} {'.'.join(map(str, av.library_versions[name]))}"
        for name in ("libavcodec", "libavformat")
    )
    versions = (
        f"soundfile {soundfile.__version__}",
        f"libsndfile {soundfile.__libsndfile_version__}",
        f"av {av.__version__}",
        *ffmpeg,
        f"soxr {soxr.__version__}",
        f"libsoxr {soxr.__libsoxr_version__}",
        f"numpy {np.__version__}",
    )
    return ", ".join(versions)


def scoring_identity(
    checkpoint: Path,
    trials_sha256: str,
    manner: Manner,
    device: torch.device,
    windowing: str | None = None,
) -> dict[str, str | int | None]:
    """All that scores depend on, but for rounding: that changes with padding and a GPU's kind.

    ``windowing`` says in words how a score is made of windows, where it is. Runs of one identity
    give the same scores, so that one may go on with another's.
    """
    return {
        "weights_sha256": weights_sha256(checkpoint),
        "detector": manner.detector,
        "trials_sha256": trials_sha256,
        "length": manner.length,
        "windowing": windowing,
        "allow_damaged": manner.allow_damaged,
        "precision": manner.precision,
        "execution": manner.execution,
        "engine": manner.engine_versions(),
        "device": device.type,
        "fakemamba": __version__,
        "code_sha256": code_sha256(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "audio_libraries": audio_libraries(),
    }
