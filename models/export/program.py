"""A whole detector as a program of `torch.export`, for rows of any number and length."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from fakemamba.models.detector import Detector
from fakemamba.models.export.parts import ANY_ROWS, example, on_the_way, without_talk
from fakemamba.models.scan.traced import TracedScans, by_scan


class _Whole(nn.Module):
    def __init__(self, detector: Detector, *, tells: bool) -> None:
        super().__init__()
        self.detector, self._tells = detector, tells

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        detector = self.detector
        with TracedScans(by_scan):
            stages, logits = on_the_way(detector, waveforms, lengths)
        outputs = detector.scores(logits), detector.by_class(logits)
        return (*outputs, *stages.values()) if self._tells else outputs


def traced_program(detector: Detector, *, tells: bool) -> tuple[ExportedProgram, list[str]]:
    """The program, of waveforms (B, L) and lengths (B,), to scores (B,) and logits (B, 2).

    The logits have spoof in front; ``tells`` puts what `on_the_way` gives behind them, whose names
    are returned, too.
    """
    given, names = example(), []
    with without_talk():
        if tells:
            names = list(on_the_way(detector, **given)[0])
        program = torch.export.export(
            _Whole(detector, tells=tells),
            tuple(given.values()),
            dynamic_shapes=ANY_ROWS,
            strict=False,
        )
    return program, names
