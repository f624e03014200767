"""RawBoost's random filters: some notches in a row, of linear phase, and what they do to a signal.

The published code designs every notch with a call and filters in time, by hundreds of taps a
sample. Here all notches of all filters are designed at once, and filters are applied block by block
in the frequency domain, where the sum of several signals needs but one inverse transform a block.
"""
# mypy: disable-error-code="untyped-decorator"
# numba's decorators have no types; the kernels under them do.

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numba import njit
from scipy.fft import rfft

from fakemamba.data.audio import SAMPLE_RATE_HZ, Waveform

NYQUIST_HZ = SAMPLE_RATE_HZ / 2
EDGE_HZ = 0.001  # how near a notch's cut-off comes to zero and to half the sample rate
GAIN_GRID = 1024  # points around the unit circle at which the largest gain is looked for
BLOCK = 2048  # samples of a transform, at least
GROUP = 64  # blocks that are transformed at once, at most


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
    frequency; the largest gain of a whole filter is ``gain_db``.
    """
    taps = unscaled_taps(filters)
    fold = -(-taps.shape[1] // GAIN_GRID)
    spectra = rfft(taps, GAIN_GRID * fold)
    # Half the sample rate is not among the points, as in the published code.
    largest = np.abs(spectra[:, ::fold][:, : GAIN_GRID // 2]).max(axis=1)
    return taps * (10 ** (filters.gain_db / 20) / largest)[:, None]


def unscaled_taps(filters: NotchFilters) -> np.ndarray:
    """What `filter_taps` returns but for a factor, where that makes no difference."""
    taps = np.zeros((len(filters.taps), int((filters.taps - 1).sum(axis=1).max()) + 1))
    _fill_filters(filters.centre_hz, filters.width_hz, filters.taps, taps)
    return taps


@njit(cache=True, nogil=True, fastmath={"contract"})
def _fill_filters(
    centre_hz: np.ndarray, width_hz: np.ndarray, notch_taps: np.ndarray, taps: np.ndarray
) -> None:
    """Each filter's notches, convolved one after the other, in the middle of its zeros."""
    middle = taps.shape[1] // 2
    notch = np.empty(notch_taps.max())
    for row in range(len(taps)):
        whole, reach = taps[row], 0
        whole[middle] = 1.0
        for column in range(notch_taps.shape[1]):
            centre, half_width = centre_hz[row, column], width_hz[row, column] / 2
            low = max(centre - half_width, EDGE_HZ) / NYQUIST_HZ
            high = min(centre + half_width, NYQUIST_HZ - EDGE_HZ) / NYQUIST_HZ
            span = notch_taps[row, column] - 1
            half = span // 2
            total = 1.0 + low - high  # all frequencies, without those between low and high
            notch[half] = total
            for i in range(1, half + 1):
                window = 0.54 + 0.46 * math.cos(2 * math.pi * i / span)
                sinc = (math.sin(math.pi * low * i) - math.sin(math.pi * high * i)) / (math.pi * i)
                notch[half - i] = notch[half + i] = window * sinc
                total += 2 * window * sinc
            before = whole[middle - reach : middle + reach + 1] / total
            reach += half
            whole[middle - reach : middle + reach + 1] = 0.0
            for i in range(span + 1):
                shifted = whole[middle - reach + i :]
                for j in range(len(before)):
                    shifted[j] += notch[i] * before[j]


def filtered_powers(waveform: Waveform, taps: np.ndarray) -> Waveform:
    """The sum of a waveform's powers 1, 2, ... (samples,), each through its filter.

    The filters' delay is taken out and one sample more: the published code does that, and so
    sample i of the result has its filters' middle at sample i + 1.

    Args:
        waveform: (samples,) float32.
        taps: (powers, length), length odd and more than one.
    """
    length = taps.shape[1]
    size = max(BLOCK, 2 ** (2 * length).bit_length())
    hop = size - length + 1  # samples of a block's end that are not wrapped around
    count = -(-len(waveform) // hop)
    before = length // 2 - 1  # so the filters' middle is at sample 1 for the first that is kept
    padded = torch.zeros(count * hop + length - 1)
    padded.numpy()[before : before + len(waveform)] = waveform
    blocks = padded.unfold(0, size, hop)  # (count, size), overlapping, not copied
    responses = torch.from_numpy(rfft(taps, size).astype(np.complex64))
    filtered = np.empty((count, hop), np.float32)
    for first in range(0, count, GROUP):  # a long recording's spectra would take gigabytes
        group = power = blocks[first : first + GROUP]
        spectra = torch.fft.rfft(group).mul_(responses[0])  # (group, size / 2 + 1)
        for response in responses[1:]:
            power = power * group
            spectra.addcmul_(torch.fft.rfft(power), response)
        pieces = torch.fft.irfft(spectra, size).numpy()
        filtered[first : first + len(pieces)] = pieces[:, length - 1 :]
    return filtered.reshape(-1)[: len(waveform)]
