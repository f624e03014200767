"""Speech of four people that comes with the package, to compare what detectors make of it."""

from __future__ import annotations

from functools import cache

import numpy as np
import soundfile
import torch
from torch import Tensor

from fakemamba.data.audio import SAMPLE_RATE_HZ, Waveform, cut_or_tile
from fakemamba.files import packaged

EXAMPLE_SAMPLES = 32_000  # 2 s


def real_speech(num_samples: int, row: int) -> Waveform:
    """Human speech (num_samples,) float32 at 16 kHz; another speaker in each of four ``row``s.

    Long inputs go on with the next speakers, and then repeat. Licences: data/recordings/README.md.
    """
    speakers = _recordings()
    start = row % len(speakers)
    return cut_or_tile(np.concatenate(speakers[start:] + speakers[:start]), num_samples)


def speech_of(duration_s: float) -> Tensor:
    """Human speech (samples,) of so many seconds; see `real_speech`."""
    return torch.from_numpy(real_speech(round(duration_s * SAMPLE_RATE_HZ), 0))


def speech_examples() -> Tensor:
    """Speech (people, samples) of all of them, to take ranges of activations from."""
    rows = [real_speech(EXAMPLE_SAMPLES, row) for row in range(len(_recordings()))]
    return torch.from_numpy(np.stack(rows))


@cache
def _recordings() -> tuple[Waveform, ...]:
    paths = packaged("fakemamba.data", "recordings", ".flac").values()
    return tuple(soundfile.read(path, dtype="float32")[0] for path in paths)
