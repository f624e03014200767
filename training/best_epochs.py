"""Which epochs are the best so far, when to stop, and the detector and head that their average is.

As in the published code: an epoch goes before the first one whose value is strictly larger, and the
run ends when so many epochs in a row were no better than the best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from fakemamba.models.checkpoints import from_pretrained
from fakemamba.models.detector import Detector
from fakemamba.models.official import average_states


@dataclass(frozen=True)
class BestEpoch:
    """An epoch (from 1) and its validation's value, of which less is better."""

    epoch: int
    value: float


def with_epoch(best: Sequence[BestEpoch], new: BestEpoch, kept: int) -> tuple[BestEpoch, ...]:
    """The best epochs with another one among them, if it is good enough; the best is first."""
    place = next((i for i, one in enumerate(best) if one.value > new.value), len(best))
    return (*best[:place], new, *best[place:])[:kept]


def epochs_without_gain(values: Sequence[float]) -> int:
    """How many of the last epochs were no better than the best before them."""
    best = min(values)
    return len(values) - 1 - values.index(best)


def averaged(folders: Sequence[Path], how: str, name: str | None = None) -> Detector:
    """The detector whose weights are the average of these, the best first, in eval mode.

    Args:
        folders: of `save_pretrained`.
        how: ``true`` or ``as-released``, see `average_states`.
        name: of the detector, without which code of others is not run.
    """
    detector = from_pretrained(folders[0], expected=name)
    if len(folders) > 1:
        states = [from_pretrained(folder, expected=name).state_dict() for folder in folders]
        detector.load_state_dict(average_states(states, how))
    return detector


def averaged_head(paths: Sequence[Path], how: str) -> dict[str, Tensor]:
    """The same average of what was trained beside the detectors, the best first."""
    return average_states([load_file(path) for path in paths], how)
