"""How long a recording is by its header, without decoding it."""

from __future__ import annotations

from pathlib import Path

import soundfile

from fakemamba.data.containers import RAW_STREAMS
from fakemamba.files import kind_of

UNKNOWN_FRAMES = 2**63 - 1  # libsndfile's answer where a header has no count


def header_duration_s(path: Path) -> float | None:
    """Seconds that the header states; None where there is no file, no header, or no count in it."""
    if path.suffix.lower() in RAW_STREAMS:
        return None
    # ValueError: a header without the number of samples; TypeError: headerless by its name.
    try:
        if kind_of(path) != "a file":  # a pipe would be waited for
            return None
        header = soundfile.info(path)
    except (soundfile.LibsndfileError, OSError, TypeError, ValueError):
        return None
    return None if header.frames == UNKNOWN_FRAMES else header.frames / header.samplerate
