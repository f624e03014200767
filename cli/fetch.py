"""``fakemamba fetch``: published weights, downloaded, converted and pinned."""

from __future__ import annotations

from pathlib import Path

import tyro

from fakemamba.cli.printing import say
from fakemamba.models.fetching import RECORD_NAME, fetch_to, is_there, look_up_all, pinned
from fakemamba.models.hub import HubError, HubFile
from fakemamba.models.registry import detector_entry
from fakemamba.models.weight_sources import WeightSource, in_bytes, weight_source


def fetch(
    name: tyro.conf.Positional[str], /, out: Path | None = None, revision: str | None = None
) -> None:
    """Download published weights from Hugging Face, and make a detector's folder of them.

    The licence is said first. What is on a drive has to be downloaded by hand: the address and the
    command to convert it are told.

    Args:
        name: Of the weights, as `fakemamba weights` lists them.
        out: Folder to write to; otherwise NAME. What is there is pinned by its source.json.
        revision: Branch, tag or commit of the repository; otherwise what is known, or its newest.
            Needed to replace what is pinned, and to take a file that is not as others had it.
    """
    source = weight_source(name)
    folder = Path(source.name) if out is None else out
    say(f"{source.name}: {source.page}\nLicence: {source.terms}")
    if source.note:
        say(source.note)
    if not source.hub:
        raise HubError(f"{source.name} is not on the hub: {_by_hand(source, folder)}")
    detector_entry(source.detector)  # there may be none in this version: not after a download
    pin = pinned(source, folder)
    try:
        files, known = look_up_all(source, revision, pin)
        if is_there(folder, files, pin):
            say(f"{folder} has it already, of revision {files[0].commit}")
            return
        say(f"Revision {files[0].commit}, {', '.join(_told(one) for one in files)}")
        origin = fetch_to(source, folder, files, known)
    except HubError as error:
        raise HubError(f"{error}; {_by_hand(source, folder)}") from error
    for file, sha256 in origin.sha256.items():
        say(f"{file}: SHA-256 {sha256}")
    say(f"{folder}: {source.detector}, ready for --checkpoint; {RECORD_NAME} says where it is from")


def _told(file: HubFile) -> str:
    size = "" if file.size_bytes is None else f" of {in_bytes(file.size_bytes)}"
    return f"{file.name}{size}"


def _by_hand(source: WeightSource, folder: Path) -> str:
    """How to do without the hub."""
    places = " and ".join(source.downloads) or source.page
    return f"download {places} to this folder by hand, then `{source.convert_command(folder)}`"
