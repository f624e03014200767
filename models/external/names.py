"""Names of code of others: ``package.module:factory?depth=4``, and entry points of packages.

Such code is imported because a user named it, or installed it with an entry point in the group
``fakemamba.detectors``; never because a file names it.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from fakemamba.models.external.time_limit import in_time
from fakemamba.names import one_line
from fakemamba.records import shown

GROUP = "fakemamba.detectors"
Option = bool | int | float | str
_TORCHS_CALL = str(Path("torch", "nn", "modules", "module.py"))
_CODE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


class ExternalDetectorError(ValueError):
    """Code of others cannot be found, imported or called, or is not a detector."""


def split_options(name: str) -> tuple[str, dict[str, Option]]:
    """A name without its options, and these: ``fake-mamba?depth=4`` has the depth 4.

    Raises:
        ExternalDetectorError: what stands behind ``?`` is not ``option=value``, joined by ``&``.
    """
    base, mark, query = name.partition("?")
    try:
        # A plus is one, as in a file's name; %2B is one, too.
        pairs = parse_qsl(
            query.replace("+", "%2B"), keep_blank_values=True, strict_parsing=bool(mark)
        )
    except ValueError as error:
        raise ExternalDetectorError(
            f"{shown(name)}: options are written ?option=value&option=value"
        ) from error
    options: dict[str, Option] = {}
    for option, text in pairs:
        if option in options:
            raise ExternalDetectorError(f"{shown(name)}: the option {shown(option)} stands twice")
        options[option] = _value(text)
    return base, options


def _value(text: str) -> Option:
    """A number or a truth, as JSON or Python have them; anything else is a text."""
    try:
        value = json.loads(text.lower() if text in ("True", "False") else text)
    except (ValueError, RecursionError):
        return text
    is_number = isinstance(value, bool | int | float) and -math.inf < value < math.inf
    return value if is_number else text


def is_code_name(name: str) -> bool:
    """Whether a name is ``package.module:attribute``, with or without options."""
    return _CODE.fullmatch(name.partition("?")[0]) is not None


def load_code(name: str) -> Any:
    """What ``package.module:attribute`` names; the current folder is searched, too, as the last.

    Raises:
        ExternalDetectorError: there is no such module or attribute, or its import fails; then with
            the traceback of the code itself.
    """
    module_name, _, path = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        with in_time(name, "to be imported", ExternalDetectorError):
            found = import_module(module_name)
            for attribute in path.split("."):
                found = getattr(found, attribute)
    except (KeyboardInterrupt, ExternalDetectorError):
        raise
    except BaseException as error:
        raise _import_error(name, error) from error
    return found


def _import_error(name: str, error: BaseException) -> ExternalDetectorError:
    module_name, _, path = name.partition(":")
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing is not None and f"{module_name}.".startswith(f"{missing}."):
        return ExternalDetectorError(
            f"{name}: there is no module {missing}, neither installed nor in the current folder"
        )
    module = sys.modules.get(module_name)
    if module is not None and isinstance(error, AttributeError):
        return ExternalDetectorError(
            f"{name}: {module_name} has no {path}; it was read from "
            f"{getattr(module, '__file__', None) or 'memory'}"
        )
    return failed(f"{name} cannot be imported", error)


def failed(what: str, error: BaseException) -> ExternalDetectorError:
    """What code of others failed at: a line with the error's own, and then its traceback."""
    lines = traceback.format_exception_only(error)  # of a SyntaxError, first where it is
    line = next(one for one in lines if not one.startswith(" ")).splitlines()[0]
    return ExternalDetectorError(f"{what}: {one_line(line)}\n{own_traceback(error)}")


def own_traceback(error: BaseException) -> str:
    """A traceback that begins where code of others does.

    Frames of ours, of the import system and of torch's calling of modules are cut.
    """
    ours = str(Path(__file__).parents[1]) + os.sep
    told = traceback.TracebackException.from_exception(error)
    frames = [
        frame
        for frame in told.stack
        if not frame.filename.startswith(("<frozen", ours))
        and not frame.filename.endswith(_TORCHS_CALL)
    ]
    theirs = (k for k, frame in enumerate(frames) if not _is_python(frame.filename))
    first = next(theirs, len(frames))
    told.stack = traceback.StackSummary.from_list(frames[first:])
    return "".join(told.format(chain=False)).rstrip()


def _is_python(filename: str) -> bool:
    return filename.startswith(str(Path(os.__file__).parent)) and "site-packages" not in filename


@dataclass(frozen=True)
class InstalledName:
    """A name that packages declare: the entry points that do, one where all is well."""

    name: str
    points: tuple[EntryPoint, ...]

    @property
    def packages(self) -> str:
        """Those that declare it, with their versions."""
        return " and ".join(map(_package, self.points))

    def load(self) -> Any:
        """Import what it names.

        Raises:
            ExternalDetectorError: several packages declare the name, or the import fails.
        """
        return load_code(self.target)

    @property
    def target(self) -> str:
        """As ``package.module:attribute``.

        Raises:
            ExternalDetectorError: several packages declare the name, or one declares no attribute.
        """
        if len(self.points) > 1:
            targets = " or ".join(point.value for point in self.points)
            raise ExternalDetectorError(
                f"{shown(self.name)} is declared by {self.packages}: name the code itself, "
                f"{targets}"
            )
        value = self.points[0].value.partition("[")[0].replace(" ", "")  # without extras
        if not is_code_name(value):
            raise ExternalDetectorError(
                f"{shown(self.name)} is declared by {self.packages} as {shown(value)}, but should "
                "be as package.module:attribute"
            )
        return value


def installed_names() -> dict[str, InstalledName]:
    """All names in the group, of whatever packages are installed; nothing is imported."""
    by_name: dict[str, list[EntryPoint]] = {}
    for point in _distinct(entry_points(group=GROUP)):
        by_name.setdefault(point.name, []).append(point)
    return {name: InstalledName(name, tuple(points)) for name, points in by_name.items()}


def _distinct(points: Iterable[EntryPoint]) -> list[EntryPoint]:
    """Without those that one package has twice on the path, as an editable one may."""
    by_package = {(point.name, point.value, _package(point)): point for point in points}
    return list(by_package.values())


def _package(point: EntryPoint) -> str:
    """The package that declares it, with its version; what it declares where it does not say."""
    try:
        package = (point.dist.name, point.dist.version) if point.dist else ()
    except Exception:  # without metadata: of several kinds, by Python's version
        package = ()
    return " ".join(package) if package and all(package) else point.value
