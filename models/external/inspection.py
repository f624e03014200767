"""What trying an external detector shows: whether rows of a batch may be run together, and more."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass

import torch
from torch import Tensor

from fakemamba.models.device import is_out_of_memory
from fakemamba.models.external.names import ExternalDetectorError

TRIED_SAMPLES = (16_000, 11_200)  # 1 s and 0.7 s
LOUDNESS = 0.1
SAME = 1e-3  # relative; rounding in another order gives less, another normalisation more
Logits = Callable[[Tensor, Tensor | None], Tensor]


@dataclass(frozen=True)
class Inspection:
    """What was found out.

    Attributes:
        batches: rows of full length may be run together: each gets the score that it has alone.
        batches_by_lengths: so may rows of other lengths, which are told.
        changes_input: it writes into the waveforms that it is given.
        prints: it writes to standard output.
        notes: what a user should know, in words.
    """

    batches: bool
    batches_by_lengths: bool
    changes_input: bool
    prints: bool
    notes: tuple[str, ...]


@torch.inference_mode()
def inspect_calls(
    logits: Logits, name: str, device: torch.device, *, takes_lengths: bool
) -> Inspection:
    """Try a detector on noise of a second, alone, in a batch, and in a ragged batch.

    Args:
        logits: from waveforms (B, L), and lengths (B,) or None, to logits (B, 2).
        name: of the detector.
        device: where it runs.
        takes_lengths: whether it may be given any.

    Raises:
        ExternalDetectorError: it fails; or gives what is no score, or the same for all.
    """
    generator = torch.Generator().manual_seed(0)
    rows = [torch.randn(1, TRIED_SAMPLES[0], generator=generator) for _ in range(2)]
    first, other = ((LOUDNESS * row).to(device) for row in rows)
    short = other[:, : TRIED_SAMPLES[1]]
    said = io.StringIO()
    with redirect_stdout(said), torch.autocast(device.type, enabled=False):
        given = first.clone()
        alone = _finite(logits(given, None), name)
        changes_input = not torch.equal(given, first)
        again = logits(first.clone(), None)
        alone_other = _finite(logits(other.clone(), None), name)
        if torch.equal(alone, alone_other):
            raise ExternalDetectorError(
                f"{name} gives the same for all waveforms, {alone.tolist()[0]}: are its weights "
                "loaded, and does it use its input?"
            )
        notes = []
        if not _same(again, alone):
            notes.append("it gives another score when it is given the same waveform again")
        both = torch.cat((alone, alone_other))
        batches, why = _agrees(lambda: logits(torch.cat((first, other)), None), both)
        if why:
            notes.append(f"rows are run one at a time: {why}")
        ragged = False
        if takes_lengths and batches:
            wanted = torch.cat((alone, logits(short.clone(), None)))
            batch = torch.cat((first, torch.nn.functional.pad(short, (0, _padding(first, short)))))
            lengths = torch.tensor(TRIED_SAMPLES, device=device)
            ragged, why = _agrees(lambda: logits(batch, lengths), wanted)
            if why:
                notes.append(f"rows of other lengths are run one at a time: {why}")
    return Inspection(batches, ragged, changes_input, bool(said.getvalue()), tuple(notes))


def _padding(longer: Tensor, shorter: Tensor) -> int:
    return longer.shape[1] - shorter.shape[1]


def _finite(logits: Tensor, name: str) -> Tensor:
    if not bool(torch.isfinite(logits).all()):
        raise ExternalDetectorError(f"{name} gives {logits.tolist()[0]} for noise of a second")
    return logits


def _agrees(run: Callable[[], Tensor], wanted: Tensor) -> tuple[bool, str]:
    """Whether rows together get what they get alone, and if not, why."""
    try:
        found = run()
    except (ExternalDetectorError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        reason = str(error).strip().splitlines()[-1]
        return False, f"together they fail ({reason})"
    if _same(found, wanted):
        return True, ""
    return False, f"together their logits differ by up to {(found - wanted).abs().max():.2g}"


def _same(found: Tensor, wanted: Tensor) -> bool:
    difference = (found.float() - wanted.float()).norm()
    return bool(difference <= SAME * wanted.float().norm())
