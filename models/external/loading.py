"""From a name to an external detector: what makes it, with which options, and what it becomes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from fakemamba.models.device import is_out_of_memory
from fakemamba.models.external.adapters import as_module
from fakemamba.models.external.contract import OPTIONS, Contract, said_by
from fakemamba.models.external.detector import ExternalConfig, ExternalDetector
from fakemamba.models.external.names import ExternalDetectorError, Option, failed
from fakemamba.models.external.origin import origin_of_module
from fakemamba.models.external.time_limit import in_time
from fakemamba.models.frontend import Frontend, FrontendConfig

FRONTEND = "frontend"  # a factory with a parameter of this name gets a `Frontend`
WAVEFORMS = ("waveforms", "waveform", "wav", "wavs", "audio", "x")  # a detector's, not a factory's
UNUSED = {"out_score_file_name": ""}  # of Speech DF Arena's `load_model`, which writes scores


@dataclass(frozen=True)
class ExternalEntry:
    """What stands behind the name of an external detector.

    Attributes:
        name: without options.
        target: ``package.module:attribute``.
        made_by: what the target is: a class or function that makes it, or the module itself.
        preset: options that stand in the name.
    """

    name: str
    target: str
    made_by: Any
    preset: Mapping[str, Option] = field(default_factory=dict)
    config_class = ExternalConfig

    @property
    def summary(self) -> str:
        """The first line of what its author says of it."""
        lines = (inspect.getdoc(self.made_by) or "").strip().splitlines()
        return lines[0] if lines else self.target

    @property
    def has_own_frontend(self) -> bool:
        """Whether it takes none of this package's front-ends."""
        return FRONTEND not in self._parameters

    def config(self, frontend: FrontendConfig | None, options: Mapping[str, Any]) -> ExternalConfig:
        """What it is made with.

        Raises:
            ExternalDetectorError: there is no such option.
        """
        given = {**self.preset, **options}
        known = [name for name in self._parameters if name not in (FRONTEND, *UNUSED)]
        takes_any = any(
            one.kind is inspect.Parameter.VAR_KEYWORD for one in self._parameters.values()
        )
        for option in given:
            if option not in (*known, *OPTIONS) and not takes_any:
                raise ExternalDetectorError(
                    f"{self.name} has no option {option}; it has: "
                    f"{', '.join(dict.fromkeys((*known, *OPTIONS)))}"
                )
        return ExternalConfig(None if self.has_own_frontend else frontend, given)

    def make(self, config: ExternalConfig, made: Frontend | None = None) -> ExternalDetector:
        """Call what makes it.

        Args:
            config: of `config`.
            made: is given to it instead of a new front-end.

        Raises:
            ExternalDetectorError: that fails, or what comes of it is no detector.
        """
        frontend = made
        if config.frontend is None:
            frontend = None
        elif frontend is None:
            frontend = Frontend(config.frontend)
        own = {k: v for k, v in config.options.items() if k in self._parameters or k not in OPTIONS}
        try:
            with in_time(self.name, "to be made", ExternalDetectorError):
                product = self._call(own, frontend)
                module, known = as_module(product, self.name)
        except ExternalDetectorError:
            raise
        except (Exception, SystemExit) as error:
            if is_out_of_memory(error):
                raise
            raise failed(f"{self.name} cannot be made", error) from error
        said = known | said_by(self.made_by, product, module)
        said |= {name: value for name, value in config.options.items() if name not in own}
        contract = Contract().updated(said, self.name)
        return ExternalDetector(self.name, config, module, contract, frontend)

    def origin(self) -> dict[str, str | None]:
        """Its package, version and sources' hash."""
        return origin_of_module(self.target.partition(":")[0])

    @property
    def _parameters(self) -> Mapping[str, inspect.Parameter]:
        if not _is_factory(self.made_by):
            return {}
        try:
            return inspect.signature(self.made_by).parameters
        except (TypeError, ValueError):  # of C
            return {}

    def _call(self, options: Mapping[str, Any], frontend: Frontend | None) -> Any:
        if not _is_factory(self.made_by):
            try:
                return deepcopy(self.made_by)  # every detector that is made has its own weights
            except Exception:  # it holds what cannot be copied, as an engine's session
                return self.made_by
        given = dict(options)
        given |= {name: value for name, value in UNUSED.items() if name in self._parameters}
        if frontend is not None:
            given[FRONTEND] = frontend
        required = [
            name
            for name, one in self._parameters.items()
            if one.default is one.empty
            and one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
            and name not in given
        ]
        if required:
            raise ExternalDetectorError(
                f"{self.name} needs the option {required[0]}: say {self.name}?{required[0]}=... (a "
                f"function of waveforms calls these {', '.join(WAVEFORMS)})"
            )
        return self.made_by(**given)


def _is_factory(made_by: Any) -> bool:
    """Whether it has to be called to get a detector: a class or a function of no waveforms."""
    if isinstance(made_by, nn.Module) or not callable(made_by):
        return False
    return isinstance(made_by, type) or not _takes_waveforms(made_by)


def _takes_waveforms(function: Callable[..., Any]) -> bool:
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return False
    return bool(names) and names[0] in WAVEFORMS
