"""Trials to padded batches: sorted by length in a bounded window, decoded by threads, in a budget.

What is held in memory is a window of trials (without their audio) and the audio of a few batches,
however long the list of trials is. libsndfile and soxr let other threads run while they work, so
threads decode in parallel without the copies that processes would need.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice

import torch
from torch import Tensor

from fakemamba.data.audio import SAMPLE_RATE_HZ, Recording, cut_or_tile
from fakemamba.data.headers import header_duration_s
from fakemamba.data.reading import recording_or_reason
from fakemamba.data.trials import Trial

WINDOW_TRIALS = 4096
BATCHES_AHEAD = 2
# Where only the file's size is known: G.722 and speech in AAC have about 64 kbit/s.
GUESSED_SAMPLES_A_BYTE = 2


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Recordings to be scored together, longest first, and those that could not be read.

    ``waveforms`` (B, L) float32 is zero beyond each row's ``lengths`` (B,) int64 samples, both on
    the CPU, a row for each of ``trials``. ``failures`` are further trials, each with the reason;
    they come without rows, in a batch of their own. ``damage`` is what is missing of the trials of
    which it is not all, by their ids.
    """

    trials: tuple[Trial, ...]
    waveforms: Tensor
    lengths: Tensor
    failures: tuple[tuple[Trial, str], ...] = ()
    damage: Mapping[str, str] = field(default_factory=dict)


def batches(
    trials: Iterable[Trial],
    *,
    budget_samples: int,
    workers: int,
    num_samples: int | None = None,
    window: int = WINDOW_TRIALS,
    pinned: bool = False,
    allow_damaged: bool = False,
) -> Iterator[Batch]:
    """Read recordings and put those of similar length together.

    Args:
        trials: read lazily, at most two windows ahead of what has been given.
        budget_samples: padded samples that a batch may have, rows times longest row; a recording
            that is longer comes alone.
        workers: threads that decode.
        num_samples: cut or tile every recording to this length; None takes whole recordings.
        window: trials that are sorted by length together.
        pinned: put waveforms where a GPU copies them from while the CPU goes on.
        allow_damaged: take what is left of damaged recordings.

    Yields:
        Batches in which every trial is once, as a row or as a failure.

    Raises:
        ValueError: a number below 1.
    """
    for name, value in (
        ("budget_samples", budget_samples),
        ("workers", workers),
        ("window", window),
        ("num_samples", 1 if num_samples is None else num_samples),
    ):
        if value < 1:
            raise ValueError(f"{name} is {value}, but must be 1 or more")
    decode = partial(_decode, num_samples=num_samples, allow_damaged=allow_damaged)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decoding")
    ahead: deque[tuple[list[Trial], list[Future[Recording | str]]]] = deque()
    try:
        for group in _planned(trials, pool, budget_samples, num_samples, window):
            ahead.append((group, [pool.submit(decode, trial) for trial in group]))
            # Batches of few recordings must not leave threads without work.
            while len(ahead) > BATCHES_AHEAD and sum(len(g) for g, _ in ahead) > 2 * workers:
                yield from _collected(*ahead.popleft(), budget_samples, pinned)
        while ahead:
            yield from _collected(*ahead.popleft(), budget_samples, pinned)
    finally:
        pool.shutdown(cancel_futures=True)


def _planned(
    trials: Iterable[Trial],
    pool: ThreadPoolExecutor,
    budget_samples: int,
    num_samples: int | None,
    window: int,
) -> Iterator[list[Trial]]:
    """Trials that will make a batch together if their headers are right."""
    remaining = iter(trials)
    while waiting := list(islice(remaining, window)):
        if num_samples is None:
            expected = list(pool.map(_expected_samples, waiting))
        else:
            expected = [num_samples] * len(waiting)
        for rows in packed(expected, budget_samples):
            yield [waiting[row] for row in rows]


def packed(lengths: Sequence[int], budget_samples: int) -> Iterator[list[int]]:
    """Rows by falling length, in groups whose count times longest is within the budget."""
    group: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        if group and (len(group) + 1) * lengths[group[0]] > budget_samples:
            yield group
            group = []
        group.append(row)
    if group:
        yield group


def _collected(
    group: Sequence[Trial],
    decoding: Sequence[Future[Recording | str]],
    budget_samples: int,
    pinned: bool,
) -> Iterator[Batch]:
    """One batch, or several where recordings are longer than their headers said."""
    results = [(trial, future.result()) for trial, future in zip(group, decoding, strict=True)]
    failures = tuple((trial, found) for trial, found in results if isinstance(found, str))
    if failures:
        nothing = torch.zeros(0, dtype=torch.int64)
        yield Batch((), torch.zeros(0, 0), nothing, failures)
    read = [(trial, found) for trial, found in results if not isinstance(found, str)]
    for rows in packed([len(found.waveform) for _, found in read], budget_samples):
        lengths = [len(read[row][1].waveform) for row in rows]
        waveforms = torch.zeros(len(rows), lengths[0], pin_memory=pinned)
        for into, row, length in zip(waveforms, rows, lengths, strict=True):
            into[:length] = torch.from_numpy(read[row][1].waveform)
        found = [read[row] for row in rows]
        trials = tuple(trial for trial, _ in found)
        damage = {trial.trial_id: one.damage for trial, one in found if one.damage is not None}
        yield Batch(trials, waveforms, torch.tensor(lengths), damage=damage)


def _decode(trial: Trial, num_samples: int | None, allow_damaged: bool) -> Recording | str:
    """The recording, or why there is none."""
    found = recording_or_reason(trial, allow_damaged=allow_damaged)
    if isinstance(found, str) or num_samples is None:
        return found
    return replace(found, waveform=cut_or_tile(found.waveform, num_samples))


def _expected_samples(trial: Trial) -> int:
    """About how long a recording is: what is wrong here costs padding, and nothing else."""
    if trial.duration_s is not None:
        return round(trial.duration_s * SAMPLE_RATE_HZ)
    if trial.path is None:
        return 0
    duration_s = header_duration_s(trial.path)
    if duration_s is not None:
        return round(duration_s * SAMPLE_RATE_HZ)
    try:
        return trial.path.stat().st_size * GUESSED_SAMPLES_A_BYTE
    except OSError:
        return 0
