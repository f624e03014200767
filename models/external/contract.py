"""What an external detector says of itself: which output is bona fide, its sample rate, its parts.

Each is an attribute of the module or of what made it, or an option behind its name, as in
``package.module:factory?bona_fide=0``. All may be missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import torch
from torch import Tensor

from fakemamba.models.external.names import ExternalDetectorError
from fakemamba.records import check_fields, shown

PART_NAMES = ("front-end", "encoder", "head")
LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 4_000, 384_000


@dataclass(frozen=True)
class Contract:
    """What cannot be found out by trying.

    Attributes:
        bona_fide: of two outputs the index of bona fide; of one, 1 where higher is more bona fide
            and 0 where lower is.
        sample_rate_hz: of the waveforms that it takes; ours are resampled to it.
        num_samples: at that rate, if it takes no other length; ours are cut, or repeated.
        parts: its submodules by our names of parts, such as ``{"front-end": "ssl"}``.
    """

    bona_fide: Literal[0, 1] = 1
    sample_rate_hz: int = 16_000
    num_samples: int | None = None
    parts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self)
        if not LOWEST_RATE_HZ <= self.sample_rate_hz <= HIGHEST_RATE_HZ:
            raise ValueError(
                f"sample_rate_hz is {self.sample_rate_hz}, but should be from {LOWEST_RATE_HZ} to "
                f"{HIGHEST_RATE_HZ}"
            )
        if self.num_samples is not None and self.num_samples < 1:
            raise ValueError(f"num_samples is {self.num_samples}, but should be 1 or more")
        if unknown := [part for part in self.parts if part not in PART_NAMES]:
            raise ValueError(
                f"parts has {shown(unknown[0])}, but a part is one of {', '.join(PART_NAMES)}"
            )

    def updated(self, said: Mapping[str, Any], where: str) -> Contract:
        """The same with what somebody says otherwise.

        Raises:
            ExternalDetectorError: that cannot be.
        """
        parts = said.get("parts")
        if isinstance(parts, str):
            said = {**said, "parts": parts_of_text(parts)}
        try:
            return replace(self, **said)
        except ValueError as error:
            raise ExternalDetectorError(f"{where}: {error}") from error

    def logits(self, output: Any, rows: int) -> Tensor:
        """A detector's output as logits (B, 2), 1 bona fide, in a floating-point type.

        One output a row, (B,) or (B, 1), is a score: the logits are 0 and the score.

        Raises:
            ExternalDetectorError: it is no tensor of such a form.
        """
        if isinstance(output, tuple | list) and output and isinstance(output[0], Tensor):
            raise ExternalDetectorError(
                f"it returns a {type(output).__name__} of {len(output)} values, but should return "
                "one tensor; a wrapper's forward can choose"
            )
        if not isinstance(output, Tensor):
            raise ExternalDetectorError(
                f"it returns {shown(type(output).__name__)}, but should return a tensor"
            )
        if not output.is_floating_point():
            raise ExternalDetectorError(
                f"it returns {output.dtype}, but scores are floating-point numbers"
            )
        shape = tuple(output.shape)
        if shape == (rows, 2):
            return output if self.bona_fide == 1 else output.flip(1)
        if shape not in ((rows,), (rows, 1)):
            raise ExternalDetectorError(
                f"it returns the shape {shape} for {rows} waveforms, but should return "
                f"({rows}, 2), ({rows}, 1) or ({rows},)"
            )
        score = output.reshape(rows)
        if self.bona_fide == 0:
            score = -score
        return torch.stack((torch.zeros_like(score), score), dim=1)


OPTIONS = tuple(one.name for one in fields(Contract))


def said_by(*objects: Any) -> dict[str, Any]:
    """What objects say of themselves by attributes of the contract's names; the last one wins.

    A class says nothing: its instance has what it has.
    """
    said: dict[str, Any] = {}
    for one in objects:
        if isinstance(one, type):
            continue
        for name in OPTIONS:
            value = getattr(one, name, None)
            if value is not None and not callable(value) and not isinstance(value, torch.nn.Module):
                said[name] = value
    return said


def parts_of_text(text: str) -> dict[str, str]:
    """Parts as an option has them: ``front-end:ssl;encoder:net``.

    A comma would end the name in a list of detectors.

    Raises:
        ExternalDetectorError: it is not written so.
    """
    pairs = [pair.partition(":") for pair in text.split(";")]
    if not all(part and module for part, _, module in pairs):
        raise ExternalDetectorError(
            f"parts={text}: parts are written front-end:SUBMODULE;encoder:SUBMODULE"
        )
    return {part: module for part, _, module in pairs}
