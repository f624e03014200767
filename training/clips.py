"""Training clips: which ones make a step, and how each becomes what a detector is given.

The order of an epoch follows from the seed and the epoch, and everything random in a clip from the
seed, the epoch and its trial's id. Nothing is remembered, so a run may begin at any step, with any
number of workers and devices, and see the same clips.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

from fakemamba.data.audio import Waveform, cut_or_tile
from fakemamba.data.augmentation import Augmentation, utterance_rng
from fakemamba.data.reading import recording_or_reason
from fakemamba.data.trials import BONA_FIDE, Trial
from fakemamba.evaluation.metrics.checks import Counts, Floats
from fakemamba.evaluation.metrics.segments import UNLABELLED
from fakemamba.interrupts import hidden_from_children

FIRST, RANDOM, WHOLE = "first", "random", "whole"


class Clips(NamedTuple):
    """Some clips to be computed together.

    ``waveforms`` (B, L) float32 at 16 kHz; ``lengths`` (B,) int64 samples, None if all rows are
    full; ``labels`` (B,) int64 what is learned of them, 1 is bona fide, or (B, T) of their frames,
    with -1 where there is none; ``reasons`` of clips that could not be read, which have no row.
    """

    waveforms: Tensor
    lengths: Tensor | None
    labels: Tensor
    reasons: list[str]


class Clip(NamedTuple):
    """What is given to a detector of a recording.

    ``waveform`` (samples,) begins at the sample ``start`` of the recording, which has ``recorded``
    samples, and goes on at its beginning where that is too short.
    """

    waveform: Waveform
    start: int
    recorded: int

    def places(self, samples: Floats) -> Floats:
        """Where in the recording the clip's samples (n,) are, in samples."""
        return (self.start + samples) % self.recorded


Target = Callable[[Trial, Clip], int | Counts]  # what is learned of a clip


@dataclass(frozen=True)
class Preparation:
    """What becomes of a recording: `augmentation`, if there is one, then the crop."""

    num_samples: int
    crop: str
    augmentation: Augmentation | None
    seed: int

    def __call__(self, waveform: Waveform, trial_id: str, epoch: int) -> Clip:
        """A recording (samples,) to its clip in an epoch; as published, it is augmented whole.

        No augmentation moves what is said, so that the places of samples are as they were.
        """
        rng = utterance_rng(self.seed, epoch, trial_id)
        if self.augmentation is not None:
            waveform = self.augmentation(waveform, rng)
        recorded, start = len(waveform), 0
        if self.crop == WHOLE:
            return Clip(waveform, start, recorded)
        surplus = recorded - self.num_samples
        if self.crop == RANDOM and surplus > 0:
            start = int(rng.integers(surplus + 1))
        return Clip(cut_or_tile(waveform[start:], self.num_samples), start, recorded)


def recording_label(trial: Trial, clip: Clip) -> int:
    """1 for bona fide, 0 for spoof: the place of its class in `Detector.by_class`."""
    return int(trial.label == BONA_FIDE)


@dataclass(frozen=True)
class ClipsOfEpoch(Dataset[tuple[Waveform, int | Counts] | str]):
    """The clips of a list of trials in one epoch; a clip that cannot be read is its reason.

    ``allow_damaged`` takes what is left of damaged recordings; ``target`` gives what is learned of
    a clip.
    """

    trials: Sequence[Trial]
    preparation: Preparation
    epoch: int
    allow_damaged: bool = False
    target: Target = recording_label

    def __len__(self) -> int:
        return len(self.trials)

    def __getitem__(self, index: int) -> tuple[Waveform, int | Counts] | str:
        trial = self.trials[index]
        found = recording_or_reason(trial, allow_damaged=self.allow_damaged)
        if isinstance(found, str):
            return found
        clip = self.preparation(found.waveform, trial.trial_id, self.epoch)
        return clip.waveform, self.target(trial, clip)


def shuffled_batches(count: int, batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """An epoch's batches of places in the list; the last few places that fill none are left out."""
    order = np.random.default_rng([seed, epoch]).permutation(count).tolist()
    return [order[start : start + batch_size] for start in range(0, count, batch_size)][
        : count // batch_size
    ]


def load(
    clips: ClipsOfEpoch, batches: Sequence[Sequence[int]], *, workers: int, pin: bool
) -> Iterator[Clips]:
    """Read and prepare batch after batch, ahead of their use.

    Args:
        clips: where from.
        batches: places of the clips that are computed together.
        workers: processes that read; 0 reads when a batch is asked for.
        pin: page-lock the memory, for a GPU.
    """
    loader = DataLoader(
        clips,
        batch_sampler=batches,  # type: ignore[arg-type]  # any iterable of lists will do
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=pin,
    )
    with hidden_from_children():
        return iter(loader)


def _collate(rows: list[tuple[Waveform, int | Counts] | str]) -> Clips:
    if reasons := [row for row in rows if isinstance(row, str)]:
        nothing = torch.empty(0)
        return Clips(nothing, None, nothing, reasons)
    read = [row for row in rows if not isinstance(row, str)]
    waveforms = [torch.from_numpy(waveform) for waveform, _ in read]
    labels = [torch.as_tensor(label) for _, label in read]
    lengths = torch.tensor([len(waveform) for waveform in waveforms])
    is_full = int(lengths.min()) == int(lengths.max())
    return Clips(
        waveforms=pad_sequence(waveforms, batch_first=True),  # (B, L), zero beyond the lengths
        lengths=None if is_full else lengths,
        labels=(
            pad_sequence(labels, batch_first=True, padding_value=UNLABELLED)  # (B, T)
            if labels[0].ndim
            else torch.stack(labels)  # (B,)
        ),
        reasons=[],
    )
