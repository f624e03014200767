"""A detector for inference, as fast as its device allows: see `Detector.optimize`."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

import torch
from torch import Tensor, nn

from fakemamba.models.detector import Detector
from fakemamba.models.execution.autocast_frontend import AutocastFrontend
from fakemamba.models.execution.buckets import Buckets, Call
from fakemamba.models.execution.engines.frontend import ENGINES, EngineFrontend
from fakemamba.models.execution.fast_frontend import FastFrontend, has_fast_form
from fakemamba.models.execution.graphs import capture
from fakemamba.models.execution.modes import (
    AUTOCAST_DTYPES,
    OPTIMIZED,
    UnsupportedSettingError,
    check_setting,
    running_in,
    slower_than_fp32,
)
from fakemamba.models.frontend import Frontend

PRECISIONS = {
    **dict.fromkeys(("eager", "compile", "graph"), ("fp32", "tf32", *AUTOCAST_DTYPES)),
    **{name: engine.precisions for name, engine in ENGINES.items()},
}  # by execution


def check_optimized(device: torch.device, precision: str, execution: str) -> None:
    """Refuse what an optimized detector cannot do on a device, or only more slowly than fp32.

    Raises:
        UnsupportedSettingError: no such precision or execution, or not there.
    """
    if execution not in PRECISIONS:
        raise UnsupportedSettingError(
            f"execution {execution!r} is not one of {', '.join(PRECISIONS)}"
        )
    check_setting(device, precision, execution)
    if execution in ENGINES:
        return
    if precision not in PRECISIONS[execution]:
        raise UnsupportedSettingError(
            f"the optimized front-end has no {precision}, but {', '.join(PRECISIONS[execution])}"
        )
    check_setting(device, precision, OPTIMIZED)
    if slow := slower_than_fp32(device, precision):
        raise UnsupportedSettingError(slow)


def usual_precision(device: torch.device, execution: str) -> str:
    """The one of an execution that nobody gave one for."""
    is_slow = execution in ENGINES or slower_than_fp32(device, "bf16") is not None
    return "fp32" if is_slow else "bf16"


def optimized_frontend(detector: Detector, precision: str) -> FastFrontend | AutocastFrontend:
    """The fastest form of a detector's front-end, in a precision that is no engine's alone."""
    assert isinstance(detector.frontend, Frontend)
    dtype = AUTOCAST_DTYPES.get(precision, torch.float32)
    form = FastFrontend if has_fast_form(detector.frontend.config) else AutocastFrontend
    return form(detector.frontend, dtype)


def engine_frontend(
    detector: Detector, execution: str, precision: str, examples: Tensor | None
) -> EngineFrontend:
    """`EngineFrontend` of a detector's front-end."""
    assert isinstance(detector.frontend, Frontend)
    return EngineFrontend(detector.frontend, execution, precision, examples)


def with_frontend(detector: Detector, frontend: nn.Module) -> Detector:
    """The detector with another front-end; encoder and head are the same modules, in fp32."""
    with torch.device("meta"):
        fast = type(detector)(detector.config, frontend)  # type: ignore[arg-type]
    fast.encoder, fast.head = detector.encoder, detector.head
    return fast.eval()


class OptimizedDetector:
    """Waveforms to logits, without gradients.

    Attributes:
        detector: what is run, with the front-end of its execution.
        precision: of the front-end's products.
        execution: a key of `PRECISIONS`.
    """

    def __init__(
        self,
        detector: Detector,
        precision: str,
        execution: str,
        exact_samples: Collection[int] = (),
        examples: Tensor | None = None,
    ) -> None:
        device = detector.device
        check_optimized(device, precision, execution)
        if detector.config.frontend.waveform == "joint" and execution not in ENGINES:
            raise UnsupportedSettingError(
                "an optimized detector adds rows to a batch, which waveform=joint would take into "
                "account; use the detector as it is"
            )
        frontend: nn.Module
        if execution in ENGINES:
            frontend = engine_frontend(detector, execution, precision, examples)
        else:
            frontend = optimized_frontend(detector, precision)
        self.detector = with_frontend(detector, frontend)
        self.precision, self.execution, self.device = precision, execution, device
        self._call: Call = self.detector
        if execution == "compile":
            # A call chooses kernels, which no call does that is traced.
            self(torch.zeros(1, detector.min_samples))
            self._call = torch.compile(self.detector, dynamic=True)
        if execution == "graph":
            pool = torch.cuda.graph_pool_handle()
            self._call = Buckets(
                self.detector,
                partial(capture, pool=pool),
                device,
                min_samples=detector.min_samples,
                exact_samples=exact_samples,
            )

    @torch.inference_mode()
    def __call__(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """As `Detector.forward`; inputs may be on the CPU, and pinned ones are not waited for.

        Returns:
            Logits (B, 2) in fp32 on the detector's device.

        Raises:
            ValueError, UnsupportedInputError: see `Detector.check_input`.
        """
        self.detector.check_input(waveforms, lengths)
        if self.execution != "graph":
            waveforms = waveforms.to(self.device, non_blocking=True)
        with running_in(self.device, self.precision, "sdpa", autocast=False):
            return self._call(waveforms, lengths)
