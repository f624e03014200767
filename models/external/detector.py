"""An external detector in the place of one of ours: whatever it lacks is worked around, and said.

It is a module or a callable that maps waveforms to logits or scores. What can be found out by
trying is (`inspection`); what cannot, it may say (`contract`). Without lengths, or where its scores
depend on the batch, rows are run one at a time.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Never, get_args

import numpy as np
import soxr
import torch
from torch import Tensor, nn

from fakemamba.models.detector import Detector, UnsupportedInputError
from fakemamba.models.device import is_out_of_memory
from fakemamba.models.execution.modes import UnsupportedSettingError
from fakemamba.models.external.contract import Contract
from fakemamba.models.external.inspection import Inspection, inspect_calls
from fakemamba.models.external.names import ExternalDetectorError, Option, failed
from fakemamba.models.external.time_limit import in_time
from fakemamba.models.frontend import Frontend, FrontendConfig
from fakemamba.models.frontends.framing import Framing
from fakemamba.models.masking import cut_or_repeat
from fakemamba.records import check_fields

if TYPE_CHECKING:
    from fakemamba.models.execution.optimized import OptimizedDetector

OUR_RATE_HZ = 16_000
Lengths = Literal["none", "optional", "needed"]


@dataclass(frozen=True)
class ExternalConfig:
    """What an external detector was made with; no front-end where it has one of its own."""

    frontend: FrontendConfig | None
    options: dict[str, Option] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self)


class FunctionModule(nn.Module):
    """A callable without parameters, as a module."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function
        self.lengths = lengths_of(function)

    def forward(self, waveforms: Tensor, **told: Tensor) -> Tensor:
        """Whatever the function makes of it."""
        return self.function(waveforms, **told)


class ExternalDetector(Detector):
    """A module of others that is called as our detectors are.

    Args:
        name: as the user said it.
        config: what it was made with.
        module: maps waveforms (B, L), and lengths (B,) if it takes them, to logits or scores.
        contract: what it says of itself.
        frontend: the one that it was given, if it was given one of ours.
    """

    def __init__(
        self,
        name: str,
        config: ExternalConfig,
        module: nn.Module,
        contract: Contract,
        frontend: Frontend | None = None,
    ) -> None:
        nn.Module.__init__(self)
        self.name: str = name
        self.config = config
        self.network = module
        self.contract = contract
        self.lengths = lengths_of(module)
        self._parts = self._find_parts(frontend)
        self._inspections: dict[str, Inspection | ExternalDetectorError] = {}
        self.register_buffer("_place", torch.empty(0), persistent=False)

    @property
    def framing(self) -> Framing:
        """That of the front-end it was given; its own is taken to have 50 frames a second, too."""
        frontend = self.config.frontend
        return Framing(first_samples=1) if frontend is None else frontend.framing

    @property
    def min_samples(self) -> int:
        """The shortest that can be; what is too short for it, its own code says."""
        return 1

    @property
    def _no_split_modules(self) -> list[str]:
        """Nothing is known of what FSDP should keep together."""
        return []

    @property
    def device(self) -> torch.device:
        """Where it is, if it has parameters or not."""
        return self.get_buffer("_place").device

    @property
    def takes_lengths(self) -> bool:
        """Whether it can be told where rows end."""
        return self.lengths != "none"

    @property
    def parts(self) -> dict[str, nn.Module]:
        """The parts that it names, and a front-end of ours that it was given."""
        return {part: self.network.get_submodule(path) for part, path in self._parts.items()}

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Waveforms (B, L) at 16 kHz to logits (B, 2); see `Detector.forward`.

        Raises:
            ExternalDetectorError: it fails, or returns what no score can be taken from.
        """
        lengths = self.check_input(waveforms, lengths)
        found = None if self.training else self.inspected(waveforms.device)
        if (
            lengths is not None
            and self.takes_lengths
            and (found is None or found.batches_by_lengths)
        ):
            return self._logits(waveforms, lengths, found)
        rows = rows_of(waveforms, lengths)
        is_whole = len(waveforms) == 1 or found is None or found.batches
        if is_whole and {len(row) for row in rows} == {waveforms.shape[1]}:
            return self._logits(waveforms, None, found)
        return torch.cat([self._logits(row[None], None, found) for row in rows])

    def inspected(self, device: torch.device) -> Inspection:
        """What trying it on a device in evaluation mode has shown; it is tried once.

        Raises:
            ExternalDetectorError: no scores can be had of it.
        """
        if str(device) not in self._inspections:
            self._inspections[str(device)] = self._inspect(device)
        found = self._inspections[str(device)]
        if isinstance(found, ExternalDetectorError):
            raise found
        return found

    def _inspect(self, device: torch.device) -> Inspection | ExternalDetectorError:
        try:
            with in_time(self.name, "to score noise of a second", ExternalDetectorError):
                return inspect_calls(
                    lambda waveforms, lengths: self._logits(waveforms, lengths, None),
                    self.name,
                    device,
                    takes_lengths=self.takes_lengths,
                )
        except ExternalDetectorError as error:
            return error

    def embed(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """What its part ``head`` is given, the mean over frames if these are still apart.

        Raises:
            UnsupportedSettingError: it names no head.
        """
        if "head" not in self.parts:
            raise UnsupportedSettingError(
                f"{self.name} names no part `head`, whose input would be the embedding"
            )
        lengths = self.check_input(waveforms, lengths)
        given = [self.input_of("head", row[None]) for row in rows_of(waveforms, lengths)]
        return torch.cat([one.mean(1) if one.ndim == 3 else one.flatten(1) for one in given])

    def input_of(self, part: str, waveforms: Tensor) -> Tensor:
        """What a part is given when the whole is run on waveforms of full rows.

        Raises:
            UnsupportedSettingError: the part is not called, or takes more than one tensor.
        """
        calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        if not self.training:
            self.inspected(waveforms.device)
        hook = self.parts[part].register_forward_pre_hook(
            lambda module, given, named: calls.append((given, named)), with_kwargs=True
        )
        with hook:
            self(waveforms)
        if len(calls) != 1:
            raise UnsupportedSettingError(
                f"{self.name} calls its {part}, {self._parts[part]}, {len(calls)} times for "
                f"{len(waveforms)} waveforms: it cannot be run by itself"
            )
        given, named = calls[0]
        values = [one for one in (*given, *named.values()) if one is not None]
        if len(values) != 1 or not isinstance(values[0], Tensor) or not given:
            raise UnsupportedSettingError(
                f"the {part} of {self.name}, {self._parts[part]}, is given more than one tensor: "
                "it cannot be run by itself"
            )
        return values[0]

    def frames(self, waveforms: Tensor, lengths: Tensor | None = None) -> Never:
        """Not of code of others: which features its encoder is given is not known."""
        raise UnsupportedSettingError(f"{self.name} is external: it has no evidence by frames")

    def optimize(
        self,
        precision: str | None = None,
        execution: str | None = None,
        *,
        exact_samples: Collection[int] = (),
        examples: Tensor | None = None,
    ) -> OptimizedDetector:
        """Only of detectors of this package: fast front-ends and engines are made of theirs."""
        raise UnsupportedSettingError(
            f"{self.name} is external: the optimized execution and engines are for detectors of "
            "this package; "
            "bf16 by autocast, int8 and compile are for all"
        )

    def set_attention(self, kind: str) -> None:
        """Of front-ends of ours that are in it; others are left as they are.

        Raises:
            UnsupportedSettingError: it has none, and something else than usual is asked for.
        """
        ours = [module for module in self.modules() if isinstance(module, Frontend)]
        if kind != "sdpa" and not ours:
            raise UnsupportedSettingError(
                f"{self.name} has no front-end of this package, whose attention could be {kind}"
            )
        for module in ours:
            module.set_attention(kind)

    def logits_in(
        self,
        autocast: AbstractContextManager[None],
        waveforms: Tensor,
        lengths: Tensor | None = None,
    ) -> Tensor:
        """Logits (B, 2) in fp32, of the whole run in another precision."""
        with autocast:
            return self(waveforms, lengths).float()

    def facts(self, device: torch.device) -> dict[str, Any]:
        """What is known of it, for the record of a measurement."""
        return {
            "takes_lengths": self.takes_lengths,
            "sample_rate_hz": self.contract.sample_rate_hz,
            "num_samples": self.contract.num_samples,
            "bona_fide": self.contract.bona_fide,
            "parts": dict(self._parts),
            "own_frontend": self.config.frontend is None,
            "can_be_trained": any(one.requires_grad for one in self.network.parameters()),
            **asdict(self.inspected(device)),
        }

    def _check_span(self, shortest: int, longest: int) -> None:
        if shortest < self.min_samples:
            raise UnsupportedInputError(f"an utterance of {shortest} samples is too short")

    def _logits(
        self, waveforms: Tensor, lengths: Tensor | None, found: Inspection | None
    ) -> Tensor:
        if lengths is None and self.lengths == "needed":
            lengths = torch.full((len(waveforms),), waveforms.shape[1], device=waveforms.device)
        given, counts = self._as_wanted(waveforms, lengths)
        if found is not None and found.changes_input:
            given = given.clone()
        told = {} if counts is None else {"lengths": counts}  # at whatever place it takes them
        with _silence() if found is not None and found.prints else nullcontext():
            try:
                output = self.network(given, **told)
            except (Exception, SystemExit) as error:
                if is_out_of_memory(error):
                    raise
                what = f"{self.name} fails on waveforms {tuple(given.shape)}"
                raise failed(what, error) from error
        try:
            logits = self.contract.logits(output, len(waveforms))
        except ExternalDetectorError as error:
            raise ExternalDetectorError(f"{self.name}: {error}") from None
        if logits.device != waveforms.device:
            raise ExternalDetectorError(
                f"{self.name} was asked to run on {waveforms.device}, but its output is on "
                f"{logits.device}: it chooses its device itself, so ask for that one"
            )
        return logits

    def _as_wanted(self, waveforms: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """At its own sample rate and length."""
        rate_hz, num_samples = self.contract.sample_rate_hz, self.contract.num_samples
        if rate_hz == OUR_RATE_HZ and num_samples is None:
            return waveforms, lengths
        rows = rows_of(waveforms, lengths)
        if rate_hz != OUR_RATE_HZ:
            rows = [_resampled(row, rate_hz) for row in rows]
        given = nn.utils.rnn.pad_sequence(rows, batch_first=True)  # (B, L at its rate)
        counts = torch.tensor([len(row) for row in rows], device=given.device)
        if num_samples is not None:
            given = cut_or_repeat(given, counts, num_samples)
            counts = torch.full_like(counts, num_samples)
        return given, None if lengths is None else counts

    def _find_parts(self, frontend: Frontend | None) -> dict[str, str]:
        parts = dict(self.contract.parts)
        for part, path in parts.items():
            try:
                self.network.get_submodule(path)
            except AttributeError as error:
                there = ", ".join(name for name, _ in self.network.named_children()) or "none"
                raise ExternalDetectorError(
                    f"{self.name}: its part {part} is said to be the submodule {path}, which is "
                    f"not there; its submodules are {there}"
                ) from error
        if frontend is not None:
            paths = {id(module): path for path, module in self.network.named_modules()}
            if id(frontend) in paths:
                parts = {"front-end": paths[id(frontend)]} | parts
        return parts


def rows_of(waveforms: Tensor, lengths: Tensor | None) -> list[Tensor]:
    """The rows of waveforms (B, L), each without its padding."""
    counts = [waveforms.shape[1]] * len(waveforms) if lengths is None else lengths.tolist()
    return [row[:count] for row, count in zip(waveforms, counts, strict=True)]


def lengths_of(module: Any) -> Lengths:
    """How a module's forward, or a function, has a parameter ``lengths``."""
    if isinstance(module, nn.Module) and module.__dict__.get("lengths") in get_args(Lengths):
        found: Lengths = module.__dict__["lengths"]
        return found
    call = module.forward if isinstance(module, nn.Module) else module
    try:
        parameter = inspect.signature(call).parameters.get("lengths")
    except (TypeError, ValueError):  # of C, or without a signature
        return "none"
    if parameter is None:
        return "none"
    return "needed" if parameter.default is parameter.empty else "optional"


def _resampled(row: Tensor, rate_hz: int) -> Tensor:
    """A row (L,) from 16 kHz to another rate, on the CPU."""
    samples = row.detach().cpu().numpy().astype(np.float32, copy=False)
    found = soxr.resample(samples, OUR_RATE_HZ, rate_hz)
    if len(found) == 0:
        raise UnsupportedInputError(
            f"an utterance of {len(row)} samples is too short: none is left at {rate_hz} Hz"
        )
    return torch.from_numpy(found).to(row.device)


@contextmanager
def _silence() -> Iterator[None]:
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        yield
