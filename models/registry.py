"""Every detector by name: ours, in the table below, and anyone's.

A new one of ours is one file and one line here. Classes are named as ``module:Class`` and imported
when asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from importlib import import_module
from inspect import getdoc
from pathlib import Path
from typing import Any

import torch

from fakemamba.files import kind_of, require_file
from fakemamba.models.detector import Detector, DetectorConfig
from fakemamba.models.device import is_out_of_memory
from fakemamba.models.entries import BehindEntry, Entry
from fakemamba.models.external.exported import SUFFIXES
from fakemamba.models.external.files import CheckpointEntry, ExportedEntry
from fakemamba.models.external.loading import ExternalEntry
from fakemamba.models.external.names import (
    ExternalDetectorError,
    failed,
    installed_names,
    is_code_name,
    load_code,
    split_options,
)
from fakemamba.models.external.origin import origin_of_module
from fakemamba.models.external.time_limit import in_time
from fakemamba.models.frontend import Frontend, FrontendConfig
from fakemamba.models.frontend_sources import create_frontend, frontend_config
from fakemamba.models.frontends.hugging_face import CONFIG_NAME
from fakemamba.records import shown

LONGEST_NAME = 100  # of which the nearest names are looked for
USUAL_FRONTEND = "xls-r-300m"


@dataclass(frozen=True)
class DetectorEntry:
    """A class of detectors.

    Attributes:
        name: without options.
        target: the class, as ``module:Class``.
        summary: a line for people.
        preset: what the name stands for; nothing else may be asked for.
        options: that stand behind the name.
        is_ours: it is of this package.
        frontend: that it has where none is named.
    """

    name: str
    target: str
    summary: str
    preset: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    is_ours: bool = True
    frontend: str = USUAL_FRONTEND
    has_own_frontend = False

    def load(self) -> type[Detector]:
        """Import the class."""
        module, _, name = self.target.partition(":")
        loaded: type[Detector] = getattr(import_module(module), name)
        return loaded

    @property
    def config_class(self) -> type[DetectorConfig]:
        """The form of its configuration."""
        return self.load().config_class

    def config(self, frontend: FrontendConfig | None, options: Mapping[str, Any]) -> DetectorConfig:
        """A configuration from exact sizes.

        Raises:
            ValueError: an option that the detector does not have, or that contradicts the name.
        """
        config_class = self.config_class
        known = [f.name for f in fields(config_class) if f.name != "frontend"]
        given = {**self.options, **options}
        for option, value in given.items():
            if option not in known:
                guesses = get_close_matches(option, known, n=1)
                hint = f"; did you mean {guesses[0]}?" if guesses else ""
                raise ValueError(
                    f"{self.name} has no option {option!r}{hint} It has: {', '.join(known)}"
                )
            if option in self.preset and value != self.preset[option]:
                raise ValueError(
                    f"{self.name} means {option}={self.preset[option]}, but {option}={value} was "
                    f"asked for; use the name {family_name(self.name)} for other sizes"
                )
        if frontend is not None:
            frontend = self.load().frontend_taken(frontend, {**self.preset, **given})
        return config_class(**{"frontend": frontend, **self.preset, **given})

    def make(self, config: DetectorConfig, made: Frontend | None = None) -> Detector:
        """The detector of a configuration.

        Raises:
            ExternalDetectorError: a class of others fails.
        """
        if self.is_ours:
            return self.load()(config, made)
        try:
            with in_time(self.name, "to be made", ExternalDetectorError):
                detector = self.load()(config, made)
        except (Exception, SystemExit) as error:
            if is_out_of_memory(error) or isinstance(error, ExternalDetectorError):
                raise
            raise failed(f"{self.name} cannot be made", error) from error
        detector.name = self.name
        return detector

    def origin(self) -> dict[str, str | None] | None:
        """Its package, if it is not this one."""
        return None if self.is_ours else origin_of_module(self.target.partition(":")[0])


_FAKE_MAMBA = "fakemamba.models.fake_mamba:FakeMamba"
_RECONSTRUCTIONS = "fakemamba.models.bimamba_reconstructions"
_BASELINES = "fakemamba.baselines"

DETECTORS: dict[str, DetectorEntry] = {
    entry.name: entry
    for entry in (
        DetectorEntry("fake-mamba", _FAKE_MAMBA, "Fake-Mamba of any depth (7 blocks unless said)"),
        DetectorEntry("fake-mamba-s", _FAKE_MAMBA, "Fake-Mamba(S), 4 blocks", {"depth": 4}),
        DetectorEntry("fake-mamba-l", _FAKE_MAMBA, "Fake-Mamba(L), 7 blocks", {"depth": 7}),
        DetectorEntry(
            "fake-mamba-released",
            _FAKE_MAMBA,
            "the authors' released weights, 12 blocks",
            {"depth": 12},
        ),
        DetectorEntry(
            "trans-bimamba",
            f"{_RECONSTRUCTIONS}:TransBiMamba",
            "TransBiMamba, a reconstruction",
        ),
        DetectorEntry(
            "con-bimamba", f"{_RECONSTRUCTIONS}:ConBiMamba", "ConBiMamba, a reconstruction"
        ),
        DetectorEntry(
            "xlsr-conformer", f"{_BASELINES}.xlsr_conformer:XLSRConformer", "XLSR-Conformer"
        ),
        DetectorEntry(
            "xlsr-conformer-tcm",
            f"{_BASELINES}.xlsr_conformer_tcm:XLSRConformerTCM",
            "XLSR-Conformer with head tokens",
        ),
        DetectorEntry(
            "xlsr-mamba",
            f"{_BASELINES}.xlsr_mamba:XLSRMamba",
            "XLSR-Mamba (DuaBiMamba), faithful unless textbook",
        ),
        DetectorEntry("xlsr-aasist", f"{_BASELINES}.xlsr_aasist:XLSRAASIST", "XLSR-AASIST"),
        DetectorEntry(
            "xlsr-transformer",
            f"{_BASELINES}.xlsr_transformer:XLSRTransformer",
            "plain self-attention baseline",
        ),
        DetectorEntry(
            "nes2net-x",
            f"{_BASELINES}.nes2net:Nes2NetX",
            "Nes2Net-X: nested Res2Nets",
        ),
        DetectorEntry(
            "xlsr-sls",
            f"{_BASELINES}.xlsr_sls:XLSRSLS",
            "XLSR-SLS: gated sum of all layers, 4 s of each utterance unless pooling=adaptive",
        ),
        DetectorEntry(
            "xlsr-mambo",
            f"{_BASELINES}.xlsr_mambo:XLSRMamBo",
            "XLSR-MamBo: Hydra with attention, MamBo-3-Hydra-N3 unless said",
        ),
        DetectorEntry(
            "antideepfake",
            f"{_BASELINES}.antideepfake:AntiDeepfake",
            "AntiDeepfake: the front-end's mean over time, one linear layer",
        ),
        DetectorEntry(
            "df-arena",
            f"{_BASELINES}.df_arena:DFArena",
            "DF-Arena 500M, and 1B behind xls-r-1b: gated sum of all layers, wide TCM blocks",
        ),
        DetectorEntry(
            "wavlm-mhfa",
            f"{_BASELINES}.wavlm_mhfa:WavLMMHFA",
            "WavLM-MHFA: factorised attention over all layers",
            frontend="wavlm-base-plus",
        ),
    )
}


class UnknownDetectorError(ValueError):
    """No detector has this name."""


def list_detectors() -> list[str]:
    """The names of this package's detectors; `create_detector` takes others too."""
    return list(DETECTORS)


def detector_entry(name: str) -> Entry:
    """What stands behind a name: ours, of an installed package, of code, or of a file or folder.

    Raises:
        UnknownDetectorError: nothing; with the nearest names.
        ExternalDetectorError: code of others cannot be imported, or its options cannot be read.
    """
    base, options = split_options(name)
    path = Path(base)
    if base in DETECTORS:  # also where a folder is called so
        return entry_of_code(name)
    if path.suffix in SUFFIXES:
        require_file(path, ExternalDetectorError, "name an exported file that is there")
        return ExportedEntry(path, options)
    if kind_of(path / CONFIG_NAME) is not None:
        checkpoint = CheckpointEntry(path)
        checkpoint.config(None, options)  # of which it has none
        return checkpoint
    return entry_of_code(name)


def entry_of_code(name: str) -> Entry:
    """As `detector_entry`, of names that are no file's.

    Raises: as it does.
    """
    base, options = split_options(name)
    if "frontend" in options:
        source = str(options.pop("frontend"))
        entry = _entry_of_code(base, options)
        if entry.has_own_frontend:
            raise ExternalDetectorError(f"{base} takes no front-end, so {shown(source)} has no use")
        return BehindEntry(entry, source)
    return _entry_of_code(base, options)


def _entry_of_code(base: str, options: Mapping[str, Any]) -> Entry:
    if base in DETECTORS:
        return replace(DETECTORS[base], options=options)
    if is_code_name(base):
        return _entry_of_target(base, base, options)
    installed = installed_names()
    if base in installed:
        return _entry_of_target(base, installed[base].target, options)
    like = base[:LONGEST_NAME].lower().replace("_", "-")
    names = [*DETECTORS, *installed]
    guesses = get_close_matches(like, names, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(guesses)}? " if guesses else ""
    raise UnknownDetectorError(
        f"unknown detector {shown(base)}; {hint}All names: {', '.join(names)}; one of your own is "
        "named package.module:factory, or by its exported file or checkpoint folder"
    )


def _entry_of_target(name: str, target: str, options: Mapping[str, Any]) -> Entry:
    made_by = load_code(target)
    if isinstance(made_by, type) and issubclass(made_by, Detector):
        lines = (getdoc(made_by) or target).splitlines()
        return DetectorEntry(name, target, lines[0], options=options, is_ours=False)
    return ExternalEntry(name, target, made_by, options)


def is_ours(name: str) -> bool:
    """Whether a name is of a detector of this package; nothing is imported."""
    return name.partition("?")[0] in DETECTORS


def build_detector(
    name: str,
    frontend: FrontendConfig | None,
    options: dict[str, Any],
    made: Frontend | None = None,
) -> Detector:
    """A detector from exact sizes; ``made`` is used as its front-end instead of a new one.

    Raises:
        UnknownDetectorError: no such name.
        ValueError: an option that the detector does not have, or that contradicts the name.
    """
    entry = detector_entry(name)
    return entry.make(entry.config(frontend, options), made)


def family_name(name: str) -> str:
    """The name of the same detector without presets and options: fake-mamba for fake-mamba-s."""
    base, _, _ = name.partition("?")
    if base not in DETECTORS:
        return base
    target = DETECTORS[base].target
    return next(other for other, entry in DETECTORS.items() if entry.target == target)


def registered_name(detector: Detector) -> str:
    """The name that a checkpoint has of a detector: its family's, or that of code of others."""
    if detector.name is not None:
        return family_name(detector.name)
    names = {entry.load(): name for name, entry in reversed(DETECTORS.items())}
    # torch's FSDP gives it a subclass of its class.
    return next(names[kind] for kind in type(detector).__mro__ if kind in names)


def create_detector(
    name: str,
    frontend: str | Path | FrontendConfig | None = None,
    *,
    attention: str = "sdpa",
    device: str | torch.device | None = None,
    **options: Any,
) -> Detector:
    """Make a detector by name.

    Args:
        name: one of `list_detectors`, or of another's detector: ``package.module:factory``, with
            options as ``?depth=4``; a name that an installed package declares in the entry-point
            group ``fakemamba.detectors``; a checkpoint folder; a file ``.onnx``, ``.xml`` or
            ``.pt2``. With ``?frontend=`` the name says its front-end, too.
        frontend: for those that take one of this package's: a named size (``xls-r-300m``,
            ``wavlm-large``, ...: random weights), a fairseq ``.pt``, or a Hugging Face folder or
            id; behind a ``?``, what is chosen of it. None is the one that it was published behind.
        attention: the front-end's, ``sdpa`` or ``eager``.
        device: where to make it; on ``meta`` nothing is allocated for one of this package.
        **options: fields of the detector's configuration (``depth``, ``textbook``, ...).

    Raises:
        UnknownDetectorError: no such name; the message has the nearest.
        ExternalDetectorError: code of others cannot be imported, or makes no detector.
        ValueError: an unknown front-end, or an option that is unknown or out of its range.
        CheckpointError: the front-end's files are not those of a whole model.
    """
    entry = detector_entry(name)
    # Code of others may look at numbers, which meta has none of.
    is_meta = device is not None and torch.device(device).type == "meta" and is_ours(name)
    made: Frontend | None = None
    with torch.device("meta") if is_meta else nullcontext():
        if not entry.has_own_frontend:
            make = _on_meta if is_meta else create_frontend
            made = make(_usual_frontend(entry) if frontend is None else frontend, attention)
        config = None if made is None else made.config
        detector = entry.make(entry.config(config, options), made)
    return detector if device is None else detector.to(device)


def _usual_frontend(entry: Entry) -> str:
    return entry.frontend if isinstance(entry, DetectorEntry) else USUAL_FRONTEND


def _on_meta(source: str | Path | FrontendConfig, attention: str) -> Frontend:
    with torch.device("meta"):
        return Frontend(frontend_config(source, attention))
