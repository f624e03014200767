"""Partly spoofed speech: stretches of a recording replaced by another's, at its quietest places.

After the construction of PartialSpoof (Zhang et al. 2021, "An Initial Investigation for Detecting
Partially Spoofed Audio"): the level is matched, and the seams are cross-faded.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from fakemamba.data.audio import SAMPLE_RATE_HZ, Waveform, cut_or_tile
from fakemamba.data.open_speech.channel import FRAME, active_rms, frame_power

SHORTEST = int(1.5 * SAMPLE_RATE_HZ)  # of a recording with a foreign stretch
TWO_FROM = 4 * SAMPLE_RATE_HZ  # samples from which on there may be two stretches
SHARES = (0.25, 0.5)  # of the recording, in all
SEARCH = 10  # frames of 10 ms around a drawn place, of which the quietest is cut
FADE = 160  # samples, 10 ms
SHIFT = 30  # frames of 10 ms either way that a stretch of the donor may be shifted

Span = tuple[int, int]  # first sample, sample after the last


def splice(
    host: Waveform, donor: Waveform, rng: np.random.Generator, *, is_shifted: bool
) -> tuple[Waveform, list[Span]]:
    """The host (samples,) with stretches of the donor, and which samples they are.

    A stretch comes from the same place of the donor, by its share of the duration, and a donor
    that is shorter than the host is repeated. A span ends in the middle of the cross-fade.

    Args:
        host: what is cut, at its quietest places.
        donor: what is put in.
        rng: draws the places.
        is_shifted: the stretch is taken from where the donor is quiet at both its ends, within
            0.3 s. Else a donor that says something else is cut in the middle of sounds, as a
            forgery of the host is not.
    """
    donor = cut_or_tile(donor, max(len(donor), len(host)))
    made = host.copy()
    spans = _places(host, rng)
    for start, stop in spans:
        length = stop - start + FADE
        first = min(int(start / len(host) * len(donor)), len(donor) - length)
        if is_shifted:
            first = _shifted(donor, first, length)
        begin = start - FADE // 2
        own, foreign = host[begin : begin + length], donor[first : first + length]
        foreign = foreign * (active_rms(own) / max(active_rms(foreign), 1e-6))
        ramp = np.sin(np.linspace(0, np.pi / 2, FADE)) ** 2
        weight = np.ones(length)
        weight[:FADE], weight[-FADE:] = ramp, ramp[::-1]
        made[begin : begin + length] = (1 - weight) * own + weight * foreign
    return made, spans


def _places(host: Waveform, rng: np.random.Generator) -> list[Span]:
    """One or two stretches that do not touch, from a quiet place to a quiet place."""
    count = 2 if len(host) >= TWO_FROM and rng.random() < 0.5 else 1
    part = len(host) // count
    places = []
    for index in range(count):
        length = rng.uniform(*SHARES) * part
        margin = FRAME * (SEARCH + 1)
        start = index * part + rng.uniform(margin, part - length - margin)
        places.append((_quietest(host, start), _quietest(host, start + length)))
    return places


def _shifted(donor: Waveform, first: int, length: int) -> int:
    """The first sample, near one, of a stretch whose louder end is the quietest."""
    shifts = np.arange(-SHIFT, SHIFT + 1) * FADE
    firsts = first + shifts[np.argsort(np.abs(shifts), kind="stable")]  # the nearest of a tie
    firsts = firsts[(firsts >= 0) & (firsts + length <= len(donor))]
    ends = firsts[:, None] + np.array([0, length - FADE])  # (places, both ends)
    samples = donor[ends[..., None] + np.arange(FADE)].astype(np.float64)
    return int(firsts[np.argmin(np.mean(samples**2, axis=-1).max(axis=1))])


def _quietest(waveform: Waveform, around: float) -> int:
    """The sample in the middle of the quietest frame within 0.1 s."""
    first = max(0, int(around / FRAME) - SEARCH)
    power = frame_power(waveform[first * FRAME : (first + 2 * SEARCH + 1) * FRAME])
    return (first + int(np.argmin(power))) * FRAME + FRAME // 2


def segments(spans: list[Span], lead: int, samples: int) -> list[tuple[float, float, bool]]:
    """Start and duration in seconds, and whether it is a stretch; together the whole recording.

    Args:
        spans: stretches, in samples of the speech.
        lead: samples before the speech.
        samples: of the whole recording.
    """
    edges = [0, *(lead + edge for span in spans for edge in span), samples]
    return [
        (start / SAMPLE_RATE_HZ, (stop - start) / SAMPLE_RATE_HZ, index % 2 == 1)
        for index, (start, stop) in enumerate(pairwise(edges))
    ]
