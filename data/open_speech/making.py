"""One quartet of the open corpus made: its recordings written, and what the manifest says of them.

A quartet is made whole or not at all, so that its classes stay in balance.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from fakemamba.data.audio import SAMPLE_RATE_HZ, AudioError, Waveform
from fakemamba.data.open_speech.attacks import ATTACKS
from fakemamba.data.open_speech.attacks.attack import ForgeryError, Original
from fakemamba.data.open_speech.channel import (
    Conditions,
    SilenceError,
    active_rms,
    cut_to_speech,
    draw_conditions,
    g722,
    transmit,
    with_spectrum_of,
)
from fakemamba.data.open_speech.plan import LATER, PARTIAL, Forgery, Quartet
from fakemamba.data.open_speech.splicing import SHORTEST, Span, segments, splice
from fakemamba.data.trials import BONA_FIDE, SPOOF
from fakemamba.files import atomic_write

SHORTEST_SPEECH = int(0.6 * SAMPLE_RATE_HZ)
PEAK = 0.99


Segment = tuple[str, float, float, str]  # trial id, start and duration in seconds, label


@dataclass(frozen=True)
class Made:
    """What became of a quartet: its manifest's rows and its segments, or why there are none."""

    rows: tuple[dict[str, Any], ...] = ()
    segments: tuple[Segment, ...] = ()
    left_out: str | None = None


def make_quartet(quartet: Quartet, out: Path, seed: int) -> Made:
    """Make and write all recordings of a quartet below ``out``/audio."""
    try:
        speech = cut_to_speech(quartet.prompt.read())
    except SilenceError:
        return Made(left_out="silence")
    if len(speech) < SHORTEST_SPEECH:
        return Made(left_out="less than 0.6 s of speech")
    original = Original(speech, quartet.prompt.text, quartet.prompt.language)
    forged = []
    for forgery in quartet.forgeries:
        try:
            forged.append(_forge(original, forgery, seed))
        except (ForgeryError, SilenceError, AudioError):
            return Made(left_out=f"{forgery.attack} did not say the text")
    rows = [_record(quartet, quartet.trial_id, speech, out, seed)]
    rows += [
        _record(quartet, forgery.trial_id, made, out, seed, forgery)
        for forgery, made in zip(quartet.forgeries, forged, strict=True)
    ]
    labelled: list[Segment] = []
    if len(speech) >= SHORTEST:
        place = quartet.splice.forgery
        sources: tuple[tuple[str, Waveform, Forgery | None], ...] = (
            (quartet.splice.trial_id, forged[place], quartet.forgeries[place]),
            (quartet.splice.control_id, cut_to_speech(quartet.splice.donor.read()), None),
        )
        for trial_id, donor, spoofed in sources:
            whole, spans = splice(
                speech,
                donor,
                rng_of(seed, trial_id, "splice"),
                is_shifted=PARTIAL[quartet.phase] in LATER,
            )
            row = _record(quartet, trial_id, whole, out, seed, spoofed, PARTIAL[quartet.phase])
            rows.append(row)
            labelled += _segments(row, spans, _conditions(quartet, seed))
    return Made(tuple(rows), tuple(labelled))


def rng_of(seed: int, trial_id: str, purpose: str) -> np.random.Generator:
    """Random numbers of one recording for one purpose, whatever else is made and in what order."""
    return np.random.default_rng([seed, zlib.crc32(f"{trial_id} {purpose}".encode())])


def _forge(original: Original, forgery: Forgery, seed: int) -> Waveform:
    """A forgery (samples,) with the original's spectrum, after a G.722 pass as that had one."""
    attack = ATTACKS[forgery.attack]
    voice = None
    if attack.voices is not None and forgery.voice is not None:
        voice = attack.voices[original.language][forgery.voice]
    made = attack.forge(original, voice, rng_of(seed, forgery.trial_id, "forgery"))
    made = with_spectrum_of(made, original.speech)
    gain = min(active_rms(original.speech) / active_rms(made), PEAK / float(np.abs(made).max()))
    return g722(gain * made)


def _record(
    quartet: Quartet,
    trial_id: str,
    speech: Waveform,
    out: Path,
    seed: int,
    forgery: Forgery | None = None,
    phase: str | None = None,
) -> dict[str, Any]:
    """Send speech through the channel, write it, and give its row of the manifest."""
    phase = phase or quartet.phase
    trimmed = speech if phase in PARTIAL.values() else cut_to_speech(speech)
    noise = rng_of(seed, trial_id, "noise")
    waveform = transmit(trimmed, _conditions(quartet, seed), noise)
    place = Path("audio") / phase / f"{trial_id}.flac"
    with atomic_write(out / place) as partial:
        soundfile.write(partial, waveform, SAMPLE_RATE_HZ, subtype="PCM_16", format="FLAC")
    return {
        "path": place.as_posix(),
        "trial_id": trial_id,
        "label": BONA_FIDE if forgery is None else SPOOF,
        "codec": "g722",
        "phase": phase,
        "duration": round(len(waveform) / SAMPLE_RATE_HZ, 7),
        "language": quartet.prompt.language,
        "text_id": quartet.prompt.text_id,
        "text": quartet.prompt.text,
        **_origin(quartet, forgery, phase),
    }


def _origin(quartet: Quartet, forgery: Forgery | None, phase: str) -> dict[str, str]:
    """Whose the speech is, what made it and under which licence it is; what is unknown is empty."""
    reader = quartet.prompt.reader
    origin = {"speaker": reader.speaker, "source": reader.package, "licence": reader.licence}
    if forgery is None:
        return origin
    attack = ATTACKS[forgery.attack]
    origin |= {"attack": attack.name, "vocoder": attack.vocoder}
    if attack.voices is not None and forgery.voice is not None:
        voice = attack.voices[reader.language][forgery.voice]
        if phase not in PARTIAL.values():
            origin |= {"speaker": voice.speaker, "source": voice.package}
        if voice.licence is not None:
            origin["licence"] += f" AND {voice.licence}"
    return origin


def _conditions(quartet: Quartet, seed: int) -> Conditions:
    """The same for all recordings of a quartet."""
    return draw_conditions(rng_of(seed, quartet.trial_id, "channel"))


def _segments(row: dict[str, Any], spans: list[Span], conditions: Conditions) -> list[Segment]:
    """The labels of a spliced recording, from its first to its last sample.

    A control's are all bona fide; where one ends and the next begins it is cut all the same.
    """
    samples = round(row["duration"] * SAMPLE_RATE_HZ)
    return [
        (row["trial_id"], start_s, duration_s, row["label"] if foreign else BONA_FIDE)
        for start_s, duration_s, foreign in segments(spans, conditions.lead, samples)
    ]
