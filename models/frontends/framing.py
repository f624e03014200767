"""How samples become frames: how many a frame needs, and how many frames an utterance has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

SAMPLE_RATE_HZ = 16_000  # of all front-ends
Frames = Literal["network", "s3prl"]  # as many as the network makes, or as `s3prl` has


class UnsupportedInputError(ValueError):
    """An utterance is too short or too long for this detector or front-end."""


@dataclass(frozen=True)
class Framing:
    """A frame begins every ``hop_samples``, and the first needs ``first_samples``.

    A row of convolutions without padding is exactly that: rounding down step by step is rounding
    down once. ``most_samples`` is the longest utterance that is taken, None if any is. With
    ``rounds_up`` an utterance has a frame for every hop that it begins, whatever that is made of.
    """

    first_samples: int
    hop_samples: int = 320
    most_samples: int | None = None
    rounds_up: bool = False

    @property
    def frames_per_s(self) -> int:
        """Frames a second."""
        return SAMPLE_RATE_HZ // self.hop_samples

    def samples_for(self, num_frames: int) -> int:
        """The shortest utterance, in samples, that has so many frames."""
        return self._least_samples + self.hop_samples * (num_frames - 1)

    def frame_count(self, num_samples: int) -> int:
        """Frames of an utterance of ``num_samples`` samples."""
        return max((num_samples - self._least_samples) // self.hop_samples + 1, 0)

    def frame_counts(self, num_samples: Tensor) -> Tensor:
        """`frame_count` of a tensor of lengths in samples, on its device."""
        steps = num_samples - self._least_samples
        return (torch.div(steps, self.hop_samples, rounding_mode="floor") + 1).clamp(min=0)

    def check(self, shortest: int, longest: int, num_frames: int, who: str) -> None:
        """Refuse utterances of which there are no ``num_frames`` frames, or that are too long.

        Raises:
            UnsupportedInputError: in the name of ``who``.
        """
        if shortest < self.samples_for(num_frames):
            raise UnsupportedInputError(
                f"an utterance of {shortest} samples is too short: {who} needs "
                f"{self.samples_for(num_frames)} samples at 16 kHz"
            )
        if self.most_samples is not None and longest > self.most_samples:
            raise UnsupportedInputError(
                f"an utterance of {longest} samples is too long: {who} takes {self.most_samples} "
                f"at the most, {self.most_samples / SAMPLE_RATE_HZ:g} s; cut it, as by --length"
            )

    @property
    def _least_samples(self) -> int:
        """Of an utterance with a frame."""
        return 1 if self.rounds_up else self.first_samples
