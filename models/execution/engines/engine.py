"""What every engine is, and whether it can be used here: installed, on this CPU, in a precision."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from torch import Tensor

from fakemamba.models.execution.errors import UnsupportedSettingError
from fakemamba.typed import install_command

GRAPH_NAME, WEIGHTS_NAME = "model.onnx", "weights.bin"  # of a graph, in a folder

# How names of nodes begin: of all but the front-end's network, and of a group of that.
PART, GROUP = "part_", "group_"

# Waveforms (B, L) and valid samples (B,) to all outputs of a graph, on the CPU.
Run = Callable[[Tensor, Tensor], list[Tensor]]


class Engine(ABC):
    """An engine; its packages are imported when they are used.

    Attributes:
        name: of the execution, and of the extra that installs it.
        title: its name for people.
        model_name: of the file that it opens, in a folder.
        precisions: that it may have.
        dynamic: those of them in which the graph itself multiplies in int8, each frame of an
            activation being quantised as it comes.
        calibrated: those of them in which ranges of activations are taken from examples of speech.
    """

    name: str
    title: str
    model_name: str
    precisions: tuple[str, ...]
    dynamic: tuple[str, ...] = ()
    calibrated: tuple[str, ...] = ()

    def check(self, precision: str) -> None:
        """Refuse what cannot be run here, before any work.

        Raises:
            UnsupportedSettingError: no such precision, something is not installed, or the CPU lacks
                what it takes.
        """
        if precision not in self.precisions:
            raise UnsupportedSettingError(
                f"{self.title} has no {precision} on a CPU, but {', '.join(self.precisions)}"
            )
        for package in self.packages(precision):
            if find_spec(package) is None:
                raise UnsupportedSettingError(
                    f"execution {self.name} in {precision} needs the package {package}, which is "
                    f"not installed: {install_command(self.name)}"
                )
        if lacking := self.lacking(precision):
            raise UnsupportedSettingError(lacking)

    def versions(self, precision: str) -> str:
        """Its packages with their versions."""
        return ", ".join(f"{one} {version(one)}" for one in self.packages(precision))

    @abstractmethod
    def packages(self, precision: str) -> tuple[str, ...]:
        """Packages that a precision needs, the engine's own first."""

    def lacking(self, precision: str) -> str | None:
        """What this CPU lacks for a precision, with what to use instead; None if nothing."""
        return None

    @abstractmethod
    def convert(
        self, folder: Path, precision: str, examples: Tensor | None, kept: Collection[str] = ()
    ) -> None:
        """Make of the graph in a folder, in place, what `open` takes there.

        Args:
            folder: of the graph.
            precision: one of ``precisions``.
            examples: waveforms (n, samples) for a calibrated precision, None for another.
            kept: groups of the graph that stay in fp32.
        """

    @abstractmethod
    def open(self, folder: Path, precision: str, threads: int) -> Run:
        """Load and compile what `convert` made, for so many threads."""
