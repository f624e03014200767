"""Speech that ranges of activations are taken from, for int8 that is calibrated."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from fakemamba.cli.trial_source import trial_source
from fakemamba.data.audio import cut_or_tile
from fakemamba.data.reading import recording_or_reason
from fakemamba.data.recordings import EXAMPLE_SAMPLES, speech_examples
from fakemamba.data.trials import Trial
from fakemamba.models.export.errors import ExportError

MOST_EXAMPLES = 64


def example_speech(manifest: Path | None, root: Path | None) -> Tensor:
    """Speech (n, samples) of the first recordings in a manifest, or of those of the package."""
    if manifest is None:
        return speech_examples()
    trials = trial_source(None, root, None, manifest, need_label=False)()
    return speech_of_trials(islice(trials, MOST_EXAMPLES), f"--examples {manifest}")


def speech_of_trials(trials: Iterable[Trial], where: str) -> Tensor:
    """Speech (n, samples) of recordings; ``where`` they are, for people.

    Raises:
        ExportError: one cannot be read, or there is none.
    """
    rows = []
    for trial in trials:
        recording = recording_or_reason(trial)
        if isinstance(recording, str):
            raise ExportError(f"{where}: {recording}")
        rows.append(torch.from_numpy(cut_or_tile(recording.waveform, EXAMPLE_SAMPLES)))
    if not rows:
        raise ExportError(f"{where}: there is no recording in it")
    return torch.stack(rows)
