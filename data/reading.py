"""The recording of a trial, or why there is none: so that one bad file does not end a long run."""

from __future__ import annotations

from fakemamba.data.audio import AudioError, Waveform, read_audio
from fakemamba.data.trials import Trial


def waveform_or_reason(trial: Trial) -> Waveform | str:
    """A trial's recording (samples,) as `read_audio` gives it, or the reason why it cannot be."""
    if trial.path is None:
        return f"{trial.trial_id}: no audio file is known for this trial"
    try:
        return read_audio(trial.path)
    except AudioError as error:
        return str(error)
    except OSError as error:
        return f"{trial.path}: {error.strerror or error}"
