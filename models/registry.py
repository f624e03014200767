"""Every detector by name. A new one is one file and one line here.

Classes are named as ``module:Class`` and imported when asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from fakemamba.models.detector import Detector
from fakemamba.models.frontend import Frontend, FrontendConfig
from fakemamba.models.frontend_sources import create_frontend, frontend_config
from fakemamba.records import shown

LONGEST_NAME = 100  # of which the nearest names are looked for


@dataclass(frozen=True)
class DetectorEntry:
    """One name: the class behind it, what it presets, and a line for people."""

    target: str
    summary: str
    preset: dict[str, Any] = field(default_factory=dict)

    def load(self) -> type[Detector]:
        """Import the class."""
        module, _, name = self.target.partition(":")
        return getattr(import_module(module), name)


_FAKE_MAMBA = "fakemamba.models.fake_mamba:FakeMamba"
_RECONSTRUCTIONS = "fakemamba.models.bimamba_reconstructions"
_BASELINES = "fakemamba.baselines"

DETECTORS: dict[str, DetectorEntry] = {
    "fake-mamba": DetectorEntry(_FAKE_MAMBA, "Fake-Mamba of any depth (7 blocks unless said)"),
    "fake-mamba-s": DetectorEntry(_FAKE_MAMBA, "Fake-Mamba(S), 4 blocks", {"depth": 4}),
    "fake-mamba-l": DetectorEntry(_FAKE_MAMBA, "Fake-Mamba(L), 7 blocks", {"depth": 7}),
    "fake-mamba-released": DetectorEntry(
        _FAKE_MAMBA, "the authors' released weights, 12 blocks", {"depth": 12}
    ),
    "trans-bimamba": DetectorEntry(
        f"{_RECONSTRUCTIONS}:TransBiMamba", "TransBiMamba, a reconstruction"
    ),
    "con-bimamba": DetectorEntry(f"{_RECONSTRUCTIONS}:ConBiMamba", "ConBiMamba, a reconstruction"),
    "xlsr-conformer": DetectorEntry(f"{_BASELINES}.xlsr_conformer:XLSRConformer", "XLSR-Conformer"),
    "xlsr-conformer-tcm": DetectorEntry(
        f"{_BASELINES}.xlsr_conformer_tcm:XLSRConformerTCM", "XLSR-Conformer with head tokens"
    ),
    "xlsr-mamba": DetectorEntry(
        f"{_BASELINES}.xlsr_mamba:XLSRMamba", "XLSR-Mamba (DuaBiMamba), faithful unless textbook"
    ),
    "xlsr-aasist": DetectorEntry(f"{_BASELINES}.xlsr_aasist:XLSRAASIST", "XLSR-AASIST"),
    "xlsr-transformer": DetectorEntry(
        f"{_BASELINES}.xlsr_transformer:XLSRTransformer", "plain self-attention baseline"
    ),
}


class UnknownDetectorError(ValueError):
    """No detector has this name."""


def list_detectors() -> list[str]:
    """The names that `create_detector` takes."""
    return list(DETECTORS)


def detector_entry(name: str) -> DetectorEntry:
    """The registry's entry of a name.

    Raises:
        UnknownDetectorError: with the nearest names.
    """
    if name in DETECTORS:
        return DETECTORS[name]
    like = name[:LONGEST_NAME].lower().replace("_", "-")
    guesses = get_close_matches(like, DETECTORS, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(guesses)}? " if guesses else ""
    raise UnknownDetectorError(
        f"unknown detector {shown(name)}; {hint}All names: {', '.join(DETECTORS)}"
    )


def build_detector(
    name: str, frontend: FrontendConfig, options: dict[str, Any], made: Frontend | None = None
) -> Detector:
    """A detector from exact sizes; ``made`` is used as its front-end instead of a new one.

    Raises:
        UnknownDetectorError: no such name.
        ValueError: an option that the detector does not have, or that contradicts the name.
    """
    entry = detector_entry(name)
    detector_class = entry.load()
    known = [f.name for f in fields(detector_class.config_class) if f.name != "frontend"]
    for option, value in options.items():
        if option not in known:
            guesses = get_close_matches(option, known, n=1)
            hint = f"; did you mean {guesses[0]}?" if guesses else ""
            raise ValueError(f"{name} has no option {option!r}{hint} It has: {', '.join(known)}")
        if option in entry.preset and value != entry.preset[option]:
            raise ValueError(
                f"{name} means {option}={entry.preset[option]}, but {option}={value} was asked "
                f"for; use the name {family_name(name)} for other sizes"
            )
    config = detector_class.config_class(frontend=frontend, **{**entry.preset, **options})
    return detector_class(config, made)


def family_name(name: str) -> str:
    """The name of the same detector without presets: fake-mamba for fake-mamba-s."""
    target = detector_entry(name).target
    return next(other for other, entry in DETECTORS.items() if entry.target == target)


def registered_name(detector: Detector) -> str:
    """The family's name of a detector; torch's FSDP gives it a subclass of its class."""
    names = {entry.load(): name for name, entry in reversed(DETECTORS.items())}
    return next(names[kind] for kind in type(detector).__mro__ if kind in names)


def create_detector(
    name: str,
    frontend: str | Path | FrontendConfig = "xls-r-300m",
    *,
    attention: str = "sdpa",
    device: str | torch.device | None = None,
    **options: Any,
) -> Detector:
    """Make a detector by name.

    Args:
        name: one of `list_detectors`.
        frontend: a named size (``xls-r-300m``, ``wavlm-large``, ...: random weights), a fairseq
            ``.pt``, or a Hugging Face folder or id; behind a ``?``, what is chosen of it.
        attention: the front-end's, ``sdpa`` or ``eager``.
        device: where to make it; on ``meta`` nothing is allocated.
        **options: fields of the detector's configuration (``depth``, ``textbook``, ...).

    Raises:
        UnknownDetectorError: no such name; the message has the nearest.
        ValueError: an unknown front-end, or an option that is unknown or out of its range.
        CheckpointError: the front-end's files are not those of a whole model.
    """
    detector_entry(name)
    if device is not None and torch.device(device).type == "meta":
        config = frontend_config(frontend, attention)
        with torch.device("meta"):
            return build_detector(name, config, options)
    made = create_frontend(frontend, attention)
    detector = build_detector(name, made.config, options, made)
    return detector if device is None else detector.to(device)
