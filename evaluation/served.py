"""A detector as it is served: made once, in the process that holds it, and then asked for scores.

The waveforms are there from the start and are asked for by their places, so that no time goes into
sending or decoding them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from fakemamba.data.recordings import real_speech
from fakemamba.evaluation.manner import Manner
from fakemamba.evaluation.scoring import Scores, scores_or_fault, scoring_function
from fakemamba.models.device import resolve_device
from fakemamba.models.loading import detector_by_any_name
from fakemamba.names import one_line

Answers = list[float | str]  # a score each, or why there is none


@dataclass(frozen=True)
class Served:
    """What makes a served detector: it is pickled, and called where the detector is to be.

    Attributes:
        name: of the detector, any that `detector_by_any_name` takes.
        manner: its execution, precision and device count.
        threads: that it computes with; None for as many as torch chooses.
        samples: of each waveform, speech at 16 kHz.
        max_batch: waveforms that are asked for together, at the most.
    """

    name: str
    manner: Manner
    threads: int | None
    samples: tuple[int, ...]
    max_batch: int = 1

    def __call__(self) -> Callable[[Sequence[int]], Answers]:
        """Make it, call it once for each kind of batch that costs more at first, and give it.

        Raises:
            ValueError: there is no such detector, or none in this manner.
        """
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        device = resolve_device(self.manner.device)
        scores = scoring_function(detector_by_any_name(self.name).to(device), self.manner)
        waveforms = [
            torch.from_numpy(real_speech(count, place)) for place, count in enumerate(self.samples)
        ]

        def answers(places: Sequence[int]) -> Answers:
            return _answers(scores, [waveforms[place] for place in places])

        places = range(len(self.samples))
        shortest, longest = (of(places, key=self.samples.__getitem__) for of in (min, max))
        for batch in ([shortest], [longest], [shortest, longest]):  # kernels may be compiled
            answers(batch)
        if self.manner.execution == "graph":  # of which there is one a shape
            for count in range(2, self.max_batch + 1):
                answers([shortest] * count)
                answers([longest] * count)
        return answers


def _answers(scores: Scores, waveforms: list[Tensor]) -> Answers:
    """Scores of waveforms (samples,) in one batch; each alone where they cannot be in one."""
    lengths = torch.tensor([len(one) for one in waveforms])
    found = scores_or_fault(scores, pad_sequence(waveforms, batch_first=True), lengths)
    if isinstance(found, Tensor):
        return [
            one if math.isfinite(one) else f"the detector gives {one}, which is no score"
            for one in found.tolist()
        ]
    if len(waveforms) > 1:
        return [answer for one in waveforms for answer in _answers(scores, [one])]
    return [one_line(str(found)) or "out of memory"]
