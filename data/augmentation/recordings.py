"""Recordings of noise, talkers or rooms that an augmentation draws from, read as they are used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fakemamba.data.audio import Waveform, cut_or_tile, read_audio
from fakemamba.data.augmentation.augmentation import AugmentationError
from fakemamba.data.trials import AUDIO_ENDING


@dataclass(frozen=True, slots=True)
class Recordings:
    """Some audio files.

    Raises:
        AugmentationError: there are none.
    """

    paths: tuple[Path, ...]

    def __post_init__(self) -> None:
        if not self.paths:
            raise AugmentationError("there are no recordings to draw from")

    @classmethod
    def in_folder(cls, folder: str | Path) -> Recordings:
        """All audio files in a folder and those below it, in the same order on every machine.

        Raises:
            AugmentationError: no such folder, or no audio in it.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise AugmentationError(f"{folder}: no such folder; name one that has recordings")
        found = [path for path in folder.rglob("*") if AUDIO_ENDING.search(path.name)]
        if not found:
            raise AugmentationError(f"{folder}: no audio files in it, nor in the folders below it")
        return cls(tuple(sorted(found, key=lambda path: path.relative_to(folder).parts)))

    def draw(self, rng: np.random.Generator) -> tuple[Path, Waveform]:
        """One of the files, and all of it (samples,).

        Raises:
            AudioError: it cannot be read; the message names it.
        """
        path = self.paths[rng.integers(len(self.paths))]
        return path, read_audio(path)

    def excerpt(self, samples: int, rng: np.random.Generator) -> Waveform:
        """From anywhere in one of them (samples,); one that is too short is repeated.

        Raises:
            AudioError: see `draw`.
        """
        _, recording = self.draw(rng)
        start = rng.integers(max(1, len(recording) - samples + 1))
        return cut_or_tile(recording[start : start + samples], samples)
