"""RawBoost's random filters: some notches in a row, of linear phase, and what they do to a signal.

The published code designs every notch with a call, convolves them in time and filters in time, by
hundreds of taps a sample. Here all notches of all filters are designed at once, put in a row by
multiplying their spectra, and applied block by block in the frequency domain; the sum of several
filtered signals needs but one inverse transform a block.
"""
# mypy: disable-error-code="untyped-decorator"
# numba's decorators have no types; the kernels under them do.

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy.fft import irfft, rfft

from fakemamba.data.audio import SAMPLE_RATE_HZ, Waveform

NYQUIST_HZ = SAMPLE_RATE_HZ / 2
EDGE_HZ = 0.001  # how near a notch's cut-off comes to zero and to half the sample rate
GAIN_GRID = 1024  # points around the unit circle at which the largest gain is looked for
BLOCK = 2048  # samples of a transform, at least
GROUP = 16  # blocks that are transformed at once


@dataclass(frozen=True, slots=True)
class NotchFilters:
    """What some filters are made of, each of several notches in a row.

    centre_hz, width_hz: (filters, notches). taps: (filters, notches), odd. gain_db: (filters,),
    the largest gain of the whole filter.
    """

    centre_hz: np.ndarray
    width_hz: np.ndarray
    taps: np.ndarray
    gain_db: np.ndarray


def filter_taps(filters: NotchFilters) -> np.ndarray:
    """Taps of the filters (filters, length), symmetric about the middle of an odd length.

    Each notch is a band-stop of windowed sinc functions with Hamming's window and gain 1 at zero
    frequency.
    """
    half = int(filters.taps.max()) // 2
    notches = np.zeros((*filters.taps.shape, 2 * half + 1))
    _fill_notches(filters.centre_hz, filters.width_hz, filters.taps, notches)
    middle = notches.shape[1] * half
    reach = int(filters.taps.sum(axis=1).max() - notches.shape[1]) // 2
    fold = (2 * middle) // GAIN_GRID + 1
    spectra = rfft(notches, GAIN_GRID * fold).prod(axis=1)
    # Half the sample rate is not among the points, as in the published code.
    largest = np.abs(spectra[:, ::fold][:, : GAIN_GRID // 2]).max(axis=1)
    spectra *= (10 ** (filters.gain_db / 20) / largest)[:, None]
    return irfft(spectra, GAIN_GRID * fold)[:, middle - reach : middle + reach + 1]


@njit(cache=True, nogil=True)
def _fill_notches(
    centre_hz: np.ndarray, width_hz: np.ndarray, taps: np.ndarray, notches: np.ndarray
) -> None:
    """Each notch's taps in the middle of its zeros (filters, notches, places)."""
    middle = notches.shape[2] // 2
    for row in range(taps.shape[0]):
        for column in range(taps.shape[1]):
            notch = notches[row, column]
            centre, half_width = centre_hz[row, column], width_hz[row, column] / 2
            low = max(centre - half_width, EDGE_HZ) / NYQUIST_HZ
            high = min(centre + half_width, NYQUIST_HZ - EDGE_HZ) / NYQUIST_HZ
            notch[middle] = 1.0 + low - high  # all frequencies, without those between low and high
            total = notch[middle]
            span = taps[row, column] - 1
            for i in range(1, span // 2 + 1):
                window = 0.54 + 0.46 * math.cos(2 * math.pi * i / span)
                sinc = (math.sin(math.pi * low * i) - math.sin(math.pi * high * i)) / (math.pi * i)
                notch[middle - i] = notch[middle + i] = window * sinc
                total += 2 * window * sinc
            notch /= total


def filtered_powers(waveform: Waveform, taps: np.ndarray) -> Waveform:
    """The sum of a waveform's powers 1, 2, ... (samples,), each through its filter.

    The filters' delay is taken out and one sample more: the published code does that, and so
    sample i of the result has its filters' middle at sample i + 1.

    Args:
        waveform: (samples,) of any floating dtype, which is also the result's.
        taps: (powers, length), length odd.
    """
    length = taps.shape[1]
    size = max(BLOCK, 2 ** (2 * length).bit_length())
    hop = size - length + 1
    count = -(-len(waveform) // hop)
    blocks = np.zeros((count, hop), waveform.dtype)
    blocks.reshape(-1)[: len(waveform)] = waveform
    responses = rfft(taps.astype(waveform.dtype), size)  # (powers, size / 2 + 1)
    filtered = np.zeros((count + 1, hop), waveform.dtype)
    for first in range(0, count, GROUP):  # not all at once, as a group stays in the cache
        group = blocks[first : first + GROUP]
        spectra = rfft(group, size) * responses[0]  # (group, size / 2 + 1)
        power = group
        for response in responses[1:]:
            power = power * group
            spectrum = rfft(power, size)
            spectrum *= response
            spectra += spectrum
        pieces = irfft(spectra, size)
        filtered[first : first + len(group)] += pieces[:, :hop]
        filtered[first + 1 : first + len(group) + 1, : length - 1] += pieces[:, hop:]
    start = length // 2 + 1
    return filtered.reshape(-1)[start : start + len(waveform)]
