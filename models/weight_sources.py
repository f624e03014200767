"""Where the authors of detectors publish their weights: the table ``weight_sources.toml``.

In it, files that are published together share the fields of their release. Nothing here needs
torch, and nothing is downloaded: that is `fakemamba.models.fetching`.
"""

from __future__ import annotations

import json
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from fakemamba.names import one_line
from fakemamba.records import parse_record

TABLE = Path(__file__).with_name("weight_sources.toml")
HUB = "https://huggingface.co"
UNNAMED = "CHECKPOINT.pth"  # stands for a file whose name was not seen
NOT_SAID = "not stated"
FP32_BYTES = 4
NOT_COMMERCIAL = "NOT FOR COMMERCIAL USE"
_REMEDY = "models/weight_sources.py says what its fields are"


@dataclass(frozen=True)
class WeightSource:
    """Weights of one detector that can be downloaded.

    Attributes:
        name: what `fakemamba fetch` calls them.
        detector: their detector's name in the registry.
        format: of the files, in words.
        licence: in words, as its publisher says it.
        commercial: whether it allows commercial use.
        note: what to know before they are used, such as what they were trained on.
        hub: the id of a repository of Hugging Face; empty where they are elsewhere.
        address: the page to download them from by hand; of a hub's repository it need not be said.
        files: their names; none where no name was seen.
        parameters: how many, 0 where that is not known.
        bytes: of all files, 0 where that was not seen.
        revision: the commit of the hub that is taken unless another is asked for; empty for the
            newest.
        sha256: of files, as others had them.
        options: of `fakemamba.models.official.convert_official`.
        printed: systems of results/published.csv, and the data sets whose error rates are of
            these very files; none for all of a system's.
    """

    name: str
    detector: str
    format: str
    licence: str
    commercial: Literal["yes", "no", "not stated"]
    note: str
    hub: str = ""
    address: str = ""
    files: tuple[str, ...] = ()
    parameters: int = 0
    bytes: int = 0
    revision: str = ""
    sha256: dict[str, str] = field(default_factory=dict)
    options: dict[str, str | int] = field(default_factory=dict)
    printed: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.hub and not self.files) or bool(self.hub) == bool(self.address):
            raise ValueError("weights are on the hub, with names of files, or else at an address")

    @property
    def page(self) -> str:
        """The address to read about them, and to download them by hand."""
        return self.address or f"{HUB}/{self.hub}"

    @property
    def size(self) -> str:
        """How large the files are, as seen, or else about so in fp32, by their parameters."""
        if self.bytes:
            return in_bytes(self.bytes)
        computed = self.parameters * FP32_BYTES * max(1, len(self.files))
        return f"≈ {in_bytes(computed)}" if computed else NOT_SAID

    @property
    def terms(self) -> str:
        """The licence, and loudly that it is none for commercial use, or that there is none."""
        if self.commercial == "no":
            return f"{self.licence}: {NOT_COMMERCIAL}"
        if self.commercial == "not stated":
            return f"{self.licence}: ask the authors first"
        return self.licence

    @property
    def downloads(self) -> tuple[str, ...]:
        """The addresses of the files themselves; none of those that a person has to choose."""
        revision = self.revision or "main"
        return tuple(f"{self.page}/resolve/{revision}/{name}" for name in self.files if self.hub)

    def convert_command(self, folder: Path | None = None) -> str:
        """What makes a detector's folder of the downloaded files, to be typed in a shell."""
        words = ["fakemamba", "convert", *(self.files or (UNNAMED,)), "--detector", self.detector]
        for option, value in self.options.items():
            words += [f"--{option.replace('_', '-')}", str(value)]
        return shlex.join([*words, "--out", str(folder or self.name)])


def weight_sources() -> dict[str, WeightSource]:
    """All published weights, by name.

    Raises:
        ValueError: the table is not of its form; only a change of it can do that.
    """
    found: dict[str, WeightSource] = {}
    for release in _table()["release"]:
        shared = {key: value for key, value in release.items() if key != "file"}
        for file in release["file"]:
            source = parse_record(
                json.dumps(shared | file),
                WeightSource,
                f"{TABLE.name}, {file.get('name')}",
                ValueError,
                _REMEDY,
            )
            if source.name in found:
                raise ValueError(f"{TABLE.name} has {source.name} twice; {_REMEDY}")
            found[source.name] = source
    return found


def weight_source(name: str) -> WeightSource:
    """The weights of a name.

    Raises:
        ValueError: there are none; the message names the nearest, or says why a detector has none.
    """
    found = weight_sources()
    if name in found:
        return found[name]
    of_detector = [one.name for one in found.values() if one.detector == name]
    if of_detector:
        raise ValueError(f"there are several weights of {name}: say {' or '.join(of_detector)}")
    if name in without_weights():
        raise ValueError(f"no weights of {name} are published: {without_weights()[name]}")
    guesses = get_close_matches(name, found, n=3)
    hint = f"did you mean {' or '.join(guesses)}?" if guesses else "`fakemamba weights` lists them"
    raise ValueError(f"no published weights are called {one_line(name)}; {hint}")


def in_bytes(size_bytes: float) -> str:
    """A size of a file for people: ``1.27 GB``."""
    return f"{size_bytes / 1e9:.2f} GB" if size_bytes >= 1e8 else f"{size_bytes / 1e6:.1f} MB"


def without_weights() -> Mapping[str, str]:
    """Detectors whose authors publish no weights, and what was found instead."""
    found: dict[str, str] = _table()["without"]
    return found


def _table() -> dict[str, Any]:
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))
