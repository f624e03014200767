"""A file or folder as a detector: an exported graph, or a checkpoint of this package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fakemamba.files import file_sha256
from fakemamba.models.detector import Detector
from fakemamba.models.external.contract import OPTIONS, Contract
from fakemamba.models.external.detector import ExternalConfig, ExternalDetector
from fakemamba.models.external.exported import read_exported
from fakemamba.models.external.names import ExternalDetectorError, Option
from fakemamba.models.frontend import Frontend, FrontendConfig


@dataclass(frozen=True)
class ExportedEntry:
    """An ONNX graph, or a program of torch.export."""

    path: Path
    preset: Mapping[str, Option] = field(default_factory=dict)
    config_class = ExternalConfig
    has_own_frontend = True

    @property
    def summary(self) -> str:
        """What kind of file it is."""
        return "an ONNX graph" if self.path.suffix == ".onnx" else "a program of torch.export"

    def config(self, frontend: FrontendConfig | None, options: Mapping[str, Any]) -> ExternalConfig:
        """The options that stand in its name, of those of the contract.

        Raises:
            ExternalDetectorError: there is no such option.
        """
        given = {**self.preset, **options}
        for option in given:
            if option not in OPTIONS:
                raise ExternalDetectorError(
                    f"{self.path} has no option {option}; it has: {', '.join(OPTIONS)}"
                )
        return ExternalConfig(None, given)

    def make(self, config: ExternalConfig, made: Frontend | None = None) -> ExternalDetector:
        """Read the file.

        Raises:
            CheckpointError: it cannot be read, or is not run.
        """
        module, known = read_exported(self.path)
        said = {name: value for name, value in known.items() if value is not None}
        said |= dict(config.options)
        contract = Contract().updated(said, str(self.path))
        return ExternalDetector(str(self.path), config, module, contract)

    def origin(self) -> dict[str, str | None]:
        """The file's hash."""
        return {"file": self.path.name, "sha256": file_sha256(self.path)}


@dataclass(frozen=True)
class CheckpointEntry:
    """A folder with a detector of this package, front-end and all."""

    path: Path
    config_class = ExternalConfig
    has_own_frontend = True

    @property
    def summary(self) -> str:
        """What kind of folder it is."""
        return "a checkpoint"

    def config(self, frontend: FrontendConfig | None, options: Mapping[str, Any]) -> ExternalConfig:
        """Nothing: all is in the folder.

        Raises:
            ExternalDetectorError: an option is asked for.
        """
        if options:
            raise ExternalDetectorError(f"{self.path} is a checkpoint, which has no options")
        return ExternalConfig(None)

    def make(self, config: ExternalConfig, made: Frontend | None = None) -> Detector:
        """Read the folder.

        Raises:
            CheckpointError: it cannot be.
        """
        from fakemamba.models.checkpoints import from_pretrained  # which needs the registry

        return from_pretrained(self.path)

    def origin(self) -> dict[str, str | None]:
        """The hash of its configuration and weights."""
        from fakemamba.models.checkpoints import checkpoint_sha256

        return {"file": self.path.name, "sha256": checkpoint_sha256(self.path)}
