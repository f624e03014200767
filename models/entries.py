"""What stands behind a detector's name, whoever's it is; and behind one that says its front-end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from fakemamba.models.detector import Detector
from fakemamba.models.frontend import Frontend, FrontendConfig
from fakemamba.models.frontend_sources import create_frontend, frontend_config


class Entry(Protocol):
    """What stands behind a detector's name."""

    @property
    def summary(self) -> str:
        """A line for people."""
        ...

    @property
    def has_own_frontend(self) -> bool:
        """Whether it takes none of this package's front-ends."""
        ...

    @property
    def config_class(self) -> type[Any]:
        """The form of its configuration."""
        ...

    def config(self, frontend: FrontendConfig | None, options: Mapping[str, Any]) -> Any:
        """A configuration; ValueError for options that it does not have."""
        ...

    def make(self, config: Any, made: Frontend | None = None) -> Detector:
        """The detector of a configuration; ``made`` is used as its front-end."""
        ...

    def origin(self) -> dict[str, str | None] | None:
        """Where code or weights of others come from, for records; None of this package's own."""
        ...


@dataclass(frozen=True)
class BehindEntry:
    """A detector whose name says its front-end, too: ``fake-mamba-l?frontend=wavlm-base``.

    So it can stand beside others that are behind another.

    Attributes:
        entry: of the detector.
        source: of the front-end, as `create_frontend` takes it.
    """

    entry: Entry
    source: str
    has_own_frontend = True

    @property
    def summary(self) -> str:
        """The detector's."""
        return f"{self.entry.summary}, behind {self.source}"

    @property
    def config_class(self) -> type[Any]:
        """The detector's."""
        return self.entry.config_class

    def config(self, frontend: FrontendConfig | None, options: Mapping[str, Any]) -> Any:
        """The detector's; a front-end is given only where a checkpoint has said it."""
        return self.entry.config(frontend or frontend_config(self.source), options)

    def make(self, config: Any, made: Frontend | None = None) -> Detector:
        """The detector, behind its front-end."""
        return self.entry.make(config, made or create_frontend(self.source))

    def origin(self) -> dict[str, str | None] | None:
        """The detector's."""
        return self.entry.origin()
