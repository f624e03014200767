"""Each format that a detector is exported to: what is written, and how that is run here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from fakemamba.models.detector import Detector
from fakemamba.models.execution.engines.engine import Run
from fakemamba.models.execution.engines.frontend import ENGINES
from fakemamba.models.execution.engines.network import check_network, groups_of
from fakemamba.models.execution.engines.onnx_graph import OnnxGraph
from fakemamba.models.execution.errors import UnsupportedSettingError
from fakemamba.models.export.onnx_detector import OnnxParts
from fakemamba.models.export.program import traced_program
from fakemamba.typed import install_command

PROGRAM_NAME = "model.pt2"


class Draft(ABC):
    """A detector that is about to be written in a format.

    Attributes:
        precisions: that the format has.
        calibrated: those that take examples of speech.
        groups: of what int8 quantises, those that may stay in fp32.
        model_name: of the file that is opened.
    """

    precisions: tuple[str, ...]
    calibrated: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    model_name: str

    @abstractmethod
    def check(self, precision: str) -> None:
        """Refuse what cannot be written here, before any work.

        Raises:
            UnsupportedSettingError: there is no graph of the front-end, or something is not
                installed.
        """

    @abstractmethod
    def write(
        self,
        folder: Path,
        precision: str,
        examples: Tensor | None,
        *,
        kept: Collection[str] = (),
        tells: bool = False,
    ) -> list[str]:
        """Write the model's files.

        Args:
            folder: where.
            precision: one of ``precisions``.
            examples: speech (n, samples), for a calibrated precision.
            kept: of ``groups``, those that stay in fp32.
            tells: whether what is on the way to the logits is put out behind scores and logits.

        Returns:
            What is put out besides scores and logits, by names for people, in order.
        """

    @abstractmethod
    def open(self, folder: Path, precision: str) -> Run:
        """What was written, loaded again, for as many threads as torch has."""

    @abstractmethod
    def versions(self, precision: str) -> str:
        """What runs it, with its version."""


class EngineDraft(Draft):
    """A graph for an engine.

    Args:
        detector: in evaluation mode, on the CPU.
        engine: a key of `ENGINES`.
    """

    def __init__(self, detector: Detector, engine: str) -> None:
        self._detector, self._engine = detector, ENGINES[engine]
        self.groups = groups_of(detector.config.frontend)
        self.model_name, self.calibrated = self._engine.model_name, self._engine.calibrated
        # The file for bf16 is that for fp32: it is said when a model is compiled.
        self.precisions = tuple(one for one in self._engine.precisions if one != "bf16")

    def check(self, precision: str) -> None:
        """See `Draft`."""
        self._engine.check(precision)
        if find_spec("onnxscript") is None:
            raise UnsupportedSettingError(
                "an export needs the package onnxscript, which is not installed: "
                f"{install_command(self._engine.name)}"
            )
        check_network(self._detector.config.frontend)

    @cached_property
    def _parts(self) -> OnnxParts:
        return OnnxParts(self._detector)  # traced once

    def write(
        self,
        folder: Path,
        precision: str,
        examples: Tensor | None,
        *,
        kept: Collection[str] = (),
        tells: bool = False,
    ) -> list[str]:
        """See `Draft`."""
        is_int8 = precision in self._engine.dynamic
        with torch.no_grad(), OnnxGraph(folder, int8=is_int8, kept=kept) as graph:
            outputs, on_the_way = self._parts.put_into(graph)
            told = on_the_way if tells else {}
            graph.write(**outputs, **{f"told_{i}": one for i, one in enumerate(told.values())})
        self._engine.convert(folder, precision, examples, kept)
        return list(told)

    def open(self, folder: Path, precision: str) -> Run:
        """See `Draft`."""
        return self._engine.open(folder, precision, torch.get_num_threads())

    def versions(self, precision: str) -> str:
        """See `Draft`."""
        return self._engine.versions(precision)


class ProgramDraft(Draft):
    """A program of torch.export, which torch alone runs."""

    precisions, model_name = ("fp32",), PROGRAM_NAME

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    def check(self, precision: str) -> None:
        """See `Draft`."""

    def write(
        self,
        folder: Path,
        precision: str,
        examples: Tensor | None,
        *,
        kept: Collection[str] = (),
        tells: bool = False,
    ) -> list[str]:
        """See `Draft`."""
        program, names = traced_program(self._detector, tells=tells)
        torch.export.save(program, folder / PROGRAM_NAME)
        return names

    def open(self, folder: Path, precision: str) -> Run:
        """See `Draft`."""
        run = torch.export.load(folder / PROGRAM_NAME).module()
        return torch.no_grad()(lambda waveforms, lengths: list(run(waveforms, lengths)))

    def versions(self, precision: str) -> str:
        """See `Draft`."""
        return f"torch {torch.__version__}"


FORMATS: dict[str, Callable[[Detector], Draft]] = {
    "onnx": lambda detector: EngineDraft(detector, "onnxruntime"),
    "openvino": lambda detector: EngineDraft(detector, "openvino"),
    "torch-export": ProgramDraft,
}
