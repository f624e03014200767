"""The recording of a trial, or why there is none: so that one bad file does not end a long run."""

from __future__ import annotations

from fakemamba.data.audio import AudioError, Recording, read_recording
from fakemamba.data.trials import Trial


def recording_or_reason(trial: Trial, *, allow_damaged: bool = False) -> Recording | str:
    """A trial's recording as `read_recording` gives it, or the reason why it cannot be."""
    if trial.path is None:
        return f"{trial.trial_id}: no audio file is known for this trial"
    try:
        return read_recording(trial.path, allow_damaged=allow_damaged)
    except AudioError as error:
        return str(error)
