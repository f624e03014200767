"""A detector in the parts that are traced, and what goes from one part to the next.

Inputs are waveforms (B, L) and the valid samples of each row (B,), of any B and L.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from fakemamba.models.detector import Detector
from fakemamba.models.frontends.normalising import normalised
from fakemamba.models.frontends.outputs import states_of
from fakemamba.models.frontends.s3prl import filled_up, fitted
from fakemamba.models.scan.traced import TracedScans, as_node

ROWS, SAMPLES = 2, 32_000  # of an example; sizes of 1 would be taken for fixed
TALKING = ("torch.onnx", "onnxscript", "onnx_ir")
ANY = torch.export.Dim.DYNAMIC
ENCODER = "the encoder"
ANY_ROWS: dict[str, dict[int, Any]] = {"waveforms": {0: ANY, 1: ANY}, "lengths": {0: ANY}}


def example() -> dict[str, Tensor]:
    """Inputs that a detector is traced with."""
    lengths = torch.tensor([SAMPLES, SAMPLES * 3 // 4])
    return {"waveforms": torch.zeros(ROWS, SAMPLES), "lengths": lengths}


def on_the_way(
    detector: Detector, waveforms: Tensor, lengths: Tensor
) -> tuple[dict[str, Tensor], Tensor]:
    """What a detector makes on the way to its logits, by names for people, in order; the logits."""
    with states_of(detector.frontend.layers) as states:
        features, counts = detector.frontend(*detector.prepared(waveforms, lengths))
    encoded = detector.encoder(features, counts)
    named = dict(zip(names_of_states(len(states)), states, strict=True))
    if isinstance(encoded, Tensor):
        named[ENCODER] = encoded
    return named, detector.head(encoded, counts)


def names_of_states(count: int) -> list[str]:
    """Names of the front-end's states: what its layer 0 is given, and what each layer makes."""
    return ["the front-end's convolutions", *(f"its layer {n}" for n in range(count - 1))]


class BeforeNetwork(nn.Module):
    """Waveforms and lengths to those that the front-end's network is given."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    @property
    def is_identity(self) -> bool:
        """Whether it changes nothing."""
        config = self.detector.config.frontend
        is_whole = self.detector.fixed_samples is None
        return is_whole and config.waveform == "none" and config.frames == "network"

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Waveforms (B, L') and lengths (B,)."""
        config = self.detector.config.frontend
        own: Tensor | None
        waveforms, own = self.detector.prepared(waveforms, lengths)
        given, valid = filled_up(waveforms, own, config)
        given = normalised(given, valid, config.waveform)
        return given, torch.full_like(lengths, given.shape[1]) if valid is None else valid


class AfterNetwork(nn.Module):
    """The network's features (B, ..., T, width) to scores (B,) and logits (B, 2)."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, features: Tensor, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """Scores, logits with spoof in front, and what the encoder made, where that is a tensor.

        ``waveforms`` and ``lengths`` are the detector's own inputs.
        """
        detector, config = self.detector, self.detector.config.frontend
        own: Tensor | None = lengths
        num_samples = waveforms.shape[1]
        if detector.fixed_samples is not None:
            own, num_samples = None, detector.fixed_samples
        if config.frames == "s3prl":
            features = fitted(features, num_samples, own, config)
        counts = None if own is None else config.framing.frame_counts(own)
        with TracedScans(as_node):
            encoded = detector.encoder(features, counts)
            logits = detector.head(encoded, counts)
        told = (encoded,) if isinstance(encoded, Tensor) else ()
        return detector.scores(logits), detector.by_class(logits), *told


@contextmanager
def without_talk() -> Iterator[None]:
    """Without gradients, and without what torch's exporters tell of their own steps."""
    before = {name: logging.getLogger(name).level for name in TALKING}
    for name in TALKING:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
