"""Whether what was written gives the detector's logits, and if not, from where on it does not."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from fakemamba.models.detector import Detector
from fakemamba.models.execution.engines.engine import Run
from fakemamba.models.export.drafts import Draft
from fakemamba.models.export.errors import ExportError
from fakemamba.models.export.parts import on_the_way

MOST_DIFFERENCE = 1e-3  # of a logit, in fp32
DURATIONS_S = (0.5, 1.0, 4.0, 10.0, 30.0)
LONGEST_IN_BATCH_S = 4.0  # what is longer is not padded to the longest, which would take memory
SHARE = 1e-3  # of a stage's own scale, from which on it counts as another


def logit_errors(
    detector: Detector, run: Run, waveforms: Mapping[float, Tensor]
) -> dict[float, float]:
    """The largest |Δ logit| at each duration, of a row alone and of one in a padded batch.

    Args:
        detector: in evaluation mode, on the CPU.
        run: what was written.
        waveforms: (samples,) each, by duration in seconds.
    """
    errors = {}
    with torch.no_grad():
        wanted = {key: detector.by_class(detector(one[None]))[0] for key, one in waveforms.items()}
    for duration_s, one in waveforms.items():
        found = run(one[None], torch.tensor([len(one)]))[1][0]
        errors[duration_s] = float((found - wanted[duration_s]).abs().max())
    together = [key for key in waveforms if key <= LONGEST_IN_BATCH_S]
    if len(together) > 1:
        rows = [waveforms[key] for key in together]
        lengths = torch.tensor([len(row) for row in rows])
        found_rows = run(pad_sequence(rows, batch_first=True), lengths)[1]
        for key, row in zip(together, found_rows, strict=True):
            errors[key] = max(errors[key], float((row - wanted[key]).abs().max()))
    return errors


def require_parity(
    detector: Detector, draft: Draft, run: Run, waveforms: Mapping[float, Tensor]
) -> dict[float, float]:
    """Errors as `logit_errors` gives them, of what was written in fp32.

    Raises:
        ExportError: one is above `MOST_DIFFERENCE`, or is no number; it says where it begins.
    """
    errors = logit_errors(detector, run, waveforms)
    for duration_s, error in errors.items():
        if not error <= MOST_DIFFERENCE:
            where = first_difference(detector, draft, waveforms[duration_s])
            raise ExportError(
                f"nothing is written: at {duration_s:g} s a logit of {draft.versions('fp32')} is "
                f"{error:.2g} from the detector's, and {MOST_DIFFERENCE:g} is allowed; "
                f"it begins at {where}"
            )
    return errors


def least_samples(detector: Detector, run: Run, waveform: Tensor) -> int:
    """The fewest samples that what was written takes, from the detector's own fewest on.

    A program of torch.export is of sizes over 1 alone, which the shortest recordings may not give.

    Args:
        detector: in evaluation mode, on the CPU.
        run: what was written, in fp32.
        waveform: (samples,) that it takes.
    """

    def takes(count: int) -> bool:
        one = waveform[None, :count]
        try:
            found = run(one, torch.tensor([count]))[1]
        except AssertionError:  # a guard of the program
            return False
        with torch.no_grad():
            wanted = detector.by_class(detector(one))
        return float((found - wanted).abs().max()) <= MOST_DIFFERENCE

    counts = range(detector.min_samples, len(waveform))
    return detector.min_samples + bisect_left(counts, True, key=takes)


def first_difference(detector: Detector, draft: Draft, waveform: Tensor) -> str:
    """The first stage whose output is another than the detector's, by its name for people."""
    lengths = torch.tensor([len(waveform)])
    with TemporaryDirectory() as folder, torch.no_grad():
        names = draft.write(Path(folder), "fp32", None, tells=True)
        _, _, *found = draft.open(Path(folder), "fp32")(waveform[None], lengths)
        wanted, _ = on_the_way(detector, waveform[None], lengths)
    for name, one in zip(names, found, strict=True):
        other = wanted[name]
        if one.ndim > 2:  # engines have the network's frames, and s3prl some more
            frames = min(one.shape[-2], other.shape[-2])
            one, other = one[..., :frames, :], other[..., :frames, :]
        if not float((one - other).abs().max()) <= SHARE * float(other.abs().max()):
            return name
    return "the head"
