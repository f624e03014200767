"""A waveform through a telephone's, a meeting's or a music player's codec and back, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soxr

from fakemamba.data.audio import SAMPLE_RATE_HZ, Waveform
from fakemamba.data.augmentation.augmentation import AugmentationError
from fakemamba.data.coding import coded

TELEPHONE_HZ = 8_000


@dataclass(frozen=True, slots=True)
class Coding:
    """How a codec is called and what it does apart from its noise.

    encoder, container: FFmpeg's names. usual_bits_per_s, bits_per_s: a rate, and all that it has.
    narrowband: at 8 kHz, as telephones have it. delay: samples at 16 kHz.
    """

    encoder: str
    container: str
    usual_bits_per_s: int
    bits_per_s: Sequence[int]
    narrowband: bool = False
    delay: int = 0


MP3_BITS_PER_S = (
    *range(8_000, 65_000, 8_000),
    80_000,
    *range(96_000, 161_000, 16_000),
)  # at 16 kHz
CODECS = {
    "alaw": Coding("pcm_alaw", "wav", 64_000, (64_000,), narrowband=True),
    "mulaw": Coding("pcm_mulaw", "wav", 64_000, (64_000,), narrowband=True),
    "g722": Coding("g722", "g722", 64_000, (64_000,), delay=22),  # of its mirror filters
    "opus": Coding("libopus", "ogg", 16_000, range(6_000, 256_001)),
    "mp3": Coding("libmp3lame", "mp3", 32_000, MP3_BITS_PER_S),
}


@dataclass(frozen=True, slots=True)
class Codec:
    """One pass through a codec, without its delay. An augmentation that draws nothing by lot.

    Digital silence is left as it is, though G.722 and A-law make an offset of it.

    Attributes:
        name: ``alaw`` or ``mulaw`` (G.711 at 8 kHz), ``g722``, ``opus`` or ``mp3``.
        bits_per_s: None: 64,000 for G.711 and G.722, 16,000 for Opus, 32,000 for MP3.

    Raises:
        AugmentationError: no such codec, or it has not this rate.
    """

    name: str
    bits_per_s: int | None = None

    def __post_init__(self) -> None:
        if self.name not in CODECS:
            known = ", ".join(CODECS)
            raise AugmentationError(f"no codec is called {self.name!r}, but {known} are")
        rates = CODECS[self.name].bits_per_s
        if self.bits_per_s is not None and self.bits_per_s not in rates:
            few = len(rates) < 20
            known = ", ".join(map(str, rates)) if few else f"{rates[0]} to {rates[-1]}"
            raise AugmentationError(
                f"{self.name} at 16 kHz has no {self.bits_per_s} bit/s, but {known}"
            )

    def __call__(self, waveform: Waveform, rng: np.random.Generator) -> Waveform:
        """See `Augmentation`."""
        if not waveform.any():
            return waveform
        codec = CODECS[self.name]
        sent = np.pad(waveform, (0, codec.delay))
        if codec.narrowband:
            # What is at 8 kHz is coded as if it were at 16 kHz: G.711 goes sample by sample.
            sent = soxr.resample(sent, SAMPLE_RATE_HZ, TELEPHONE_HZ)
        bits_per_s = self.bits_per_s or codec.usual_bits_per_s
        received = coded(sent, codec.encoder, codec.container, bits_per_s)
        if codec.narrowband:
            received = soxr.resample(received, TELEPHONE_HZ, SAMPLE_RATE_HZ)
            received = np.pad(received, (0, max(0, len(waveform) - len(received))))
        return received[codec.delay :][: len(waveform)]
