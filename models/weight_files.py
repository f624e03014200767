"""A file of weights, as torch and safetensors write them, read without running anything in it.

The content decides what a file is, not its ending. What holds no weights (a web page, a Git LFS
pointer, an archive, a download that was cut short) is called that, in words of our own: torch's
are advice to run whatever is in it.

A fairseq ``.pt`` is a pickle that mentions argparse, omegaconf and fairseq classes beside its
tensors. `torch.load(weights_only=True)` is given inert stand-ins for just those names; whatever
else a file asks for is refused before anything is built.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from fakemamba.files import kind_of, require_file
from fakemamba.records import shown

AGAIN = "get the file again from its publisher"
_HEAD_BYTES = 512
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
_TAR_PLACE, _TAR = 257, b"ustar"
_ARCHIVES = {
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ\x00": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a RAR archive",
}
_PAGE = re.compile(rb"\s*(<!doctype|<html|<head|<\?xml)", re.IGNORECASE)

# Everything that published wav2vec 2.0 / XLS-R files mention beside tensors and builtins.
_HARMLESS_NAME = re.compile(
    r"""^(
        argparse\.Namespace
      | omegaconf\.(dictconfig\.DictConfig|listconfig\.ListConfig)
      | omegaconf\.base\.(ContainerMetadata|Metadata)
      | omegaconf\.nodes\.(AnyNode|StringNode|IntegerNode|FloatNode|BooleanNode|EnumNode)
      | fairseq\.[\w.]*\.(\w*Config|\w*Choices|\w*Meter|MetersDict)
      | fairseq\.dataclass\.constants\.\w+
      | typing\.(Any|Dict|List|Optional|Union)
      | numpy\.(core|_core)\.multiarray\.scalar | numpy\.dtype | numpy\.dtypes\.\w+
      | _codecs\.encode
    )$""",
    re.VERBOSE,
)
_REAL_TYPES: dict[str, type] = {
    "collections.defaultdict": defaultdict,
    **{f"builtins.{kind.__name__}": kind for kind in (bool, dict, float, int, list, str, tuple)},
}


class CheckpointError(ValueError):
    """A checkpoint does not hold what it was said to hold."""


class UnsafeCheckpointError(CheckpointError):
    """A checkpoint asks for classes or functions that reading its tensors has no need of."""


class _Inert:
    """Stand-in for a foreign class: takes any state, does nothing with it but keep it."""

    def __new__(cls, *args: Any, **kwargs: Any) -> _Inert:
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args = args

    def __setstate__(self, state: Any) -> None:
        self.state = state


def read_weights(path: Path) -> Any:
    """What a file of weights holds, on the CPU: tensors by name, or what torch was asked to save.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is no file, or holds no weights; the message says what it is.
        UnsafeCheckpointError: it mentions a class or function that is not on the list.
    """
    if kind_of(path) is None:
        raise FileNotFoundError(f"{path}: no such checkpoint file")
    require_file(path, CheckpointError, "name the file that holds the weights")
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    # It begins with a length in 8 bytes, the last of which is 0, and the lower ones are anything.
    if head[7:9] == b"\0{":
        return _read_safetensors(path)
    _refuse_others(path, head)
    if head.startswith(_ZIP):
        _check_zip(path)
    return _unpickled(path)


def _refuse_others(path: Path, head: bytes) -> None:
    """Call a file that holds no weights what it is, by its first bytes."""
    if not head:
        raise CheckpointError(f"{path} is empty; {AGAIN}")
    if head.startswith(b"version https://git-lfs"):
        raise CheckpointError(
            f"{path} is a Git LFS pointer, not the weights that it points to; get those with "
            "`git lfs pull`"
        )
    if _PAGE.match(head):
        raise CheckpointError(
            f"{path} is a web page, not weights: the download was answered with a warning, a login "
            "or an error; open its address in a browser and get the file itself"
        )
    archive = next((name for begin, name in _ARCHIVES.items() if head.startswith(begin)), None)
    if archive is None and head[_TAR_PLACE:].startswith(_TAR):
        archive = "a tar archive"
    if archive is not None:
        raise CheckpointError(f"{path} is {archive}; unpack it, and name the checkpoint in it")
    if head[:1] not in (_ZIP[:1], _PICKLE) and b"\0" not in head:
        raise CheckpointError(
            f"{path} is not a readable checkpoint but a text, {shown(head[:40])}; {AGAIN}"
        )
    if not head.startswith((_ZIP, _PICKLE)):
        raise CheckpointError(
            f"{path} is not a readable checkpoint, neither torch's nor safetensors: it begins with "
            f"{shown(head[:16])}; {AGAIN}"
        )


def _check_zip(path: Path) -> None:
    """Refuse archives that torch did not write, and those whose checksums are not their content's.

    torch compares no checksums, and would take damaged numbers for weights.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            problem = _not_torchs(entries)
            if problem is None:
                _compare_checksums(archive, entries)
    except Exception as error:  # of damaged files zipfile raises errors of many kinds
        raise CheckpointError(
            f"{path} is a torch file or an archive that is cut short or damaged ({_line(error)}); "
            f"{AGAIN}"
        ) from error
    if problem is not None:
        raise CheckpointError(f"{path} {problem}")


def _not_torchs(entries: list[zipfile.ZipInfo]) -> str | None:
    """What an archive is, where it is not what torch writes of tensors."""
    names = {entry.filename.rpartition("/")[2] for entry in entries}
    if "data.pkl" not in names:
        return "is a zip archive; unpack it, and name the checkpoint in it"
    if "constants.pkl" in names:
        return "is a TorchScript program, not weights; save the model's state_dict() alone"
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        return "was compressed after torch wrote it; save the model's state_dict() again"
    return None


def _compare_checksums(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> None:
    """Read everything, at which zipfile raises errors where a checksum differs."""
    for entry in entries:
        if entry.CRC:  # torch can be told to compute none, and writes 0
            with archive.open(entry) as content:
                while content.read(1 << 20):
                    pass


def _read_safetensors(path: Path) -> Any:
    try:
        return load_file(path)
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} is not a readable safetensors file ({_line(error)}): cut short, damaged or "
            f"something else; {AGAIN}"
        ) from error


def _unpickled(path: Path) -> Any:
    try:
        with path.open("rb") as file:  # torch goes by the ending where it is given a path
            asked_for = torch.serialization.get_unsafe_globals_in_checkpoint(file)
    except ValueError:
        asked_for = []  # the pre-2020 file format: torch cannot list it, and allows nothing extra
    except Exception as error:  # whatever reading a damaged pickle comes upon
        raise _damaged(path, error) from None
    foreign = sorted(
        name for name in asked_for if name not in _REAL_TYPES and not _HARMLESS_NAME.match(name)
    )
    if foreign:
        raise _unsafe(path, foreign)
    stand_ins: list[Any] = [
        (_REAL_TYPES.get(name) or type("Inert", (_Inert,), {}), name) for name in asked_for
    ]
    try:
        with (
            torch.serialization.safe_globals(stand_ins),
            warnings.catch_warnings(action="ignore"),  # of unusual pickles: read, or refused
            path.open("rb") as file,
        ):
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        # An unknown name of torch's own is one that damage has made of another.
        foreign = re.findall(r"GLOBAL (?!torch\.)([\w.]+)", str(error))
        raise (_unsafe(path, foreign) if foreign else _damaged(path, error)) from None


def _unsafe(path: Path, names: list[str]) -> UnsafeCheckpointError:
    return UnsafeCheckpointError(
        f"{path} refused, and nothing in it was run: it asks for {shown(', '.join(names))[1:-1]}, "
        "which weights have no need of. Get the file from its publisher, or save its state_dict() "
        "alone"
    )


def _damaged(path: Path, error: Exception) -> CheckpointError:
    """Without torch's own words: they are advice to switch its safe reading off."""
    return CheckpointError(
        f"{path} is not a readable torch checkpoint ({type(error).__name__} on reading it): cut "
        f"short, damaged or something else; {AGAIN}"
    )


def _line(error: Exception) -> str:
    return shown(str(error) or type(error).__name__)[1:-1]
