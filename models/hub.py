"""Files of the Hugging Face hub, by commit: what it says of one, and downloading that very one.

huggingface_hub does both, so that its cache, its environment variables (``HF_ENDPOINT``,
``HF_HOME``, ``HF_TOKEN``, ``HF_HUB_OFFLINE``) and its bars are used. What goes wrong is one line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import (
    constants,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from fakemamba.files import file_sha256, naming
from fakemamba.records import shown

NEWEST = constants.DEFAULT_REVISION
SHA256 = re.compile(r"[0-9a-f]{64}")  # an ETag that is not one is of a small file, kept in git


class HubError(ValueError):
    """The hub does not give a file."""


@dataclass(frozen=True)
class HubFile:
    """A file of a repository at one commit.

    Attributes:
        repository: its id.
        name: in the repository.
        revision: what was asked for: a branch, a tag or a commit.
        commit: the hash of the commit that this is.
        size_bytes: as the hub says it, None where it does not, or was not reached.
        sha256: of the content, as the hub says it, None likewise.
    """

    repository: str
    name: str
    revision: str
    commit: str
    size_bytes: int | None = None
    sha256: str | None = None


def look_up(repository: str, name: str, revision: str = NEWEST) -> HubFile:
    """What the hub says of a file; where it is not reached, what the cache has of it.

    Args:
        repository: its id.
        name: the file's.
        revision: a branch, a tag or a commit.

    Raises:
        HubError: there is no such file, it may not be read, or the hub is not reached.
    """
    address = hf_hub_url(repository, name, revision=revision)
    try:
        said = get_hf_file_metadata(address)
    except Exception as error:  # of its HTTP library, too, whose errors have no common name
        cached = try_to_load_from_cache(repository, name, revision=revision)
        if isinstance(cached, str) and not isinstance(error, HfHubHTTPError):
            return HubFile(repository, name, revision, Path(cached).parent.name)
        raise _told(error, repository, name, revision) from error
    if not said.commit_hash:
        raise HubError(f"{address} is not of a hub of Hugging Face: its answer names no commit")
    sha256 = said.etag if said.etag and SHA256.fullmatch(said.etag) else None
    return HubFile(repository, name, revision, said.commit_hash, said.size, sha256)


def download(file: HubFile) -> tuple[Path, str]:
    """A file's place in the cache, where it is downloaded if it is not there, and its SHA-256.

    Raises:
        HubError: it cannot be had, or is not what the hub says it is.
        OSError: it cannot be written.
    """
    try:
        with naming(constants.HF_HUB_CACHE):
            # By the name that was asked for, so that the cache knows it when there is no network.
            found = Path(hf_hub_download(file.repository, file.name, revision=file.revision))
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk: what is said of the network has no number
        raise _told(error, file.repository, file.name, file.revision) from error
    if found.parent.name != file.commit:
        raise HubError(f"{file.repository} was changed at this moment; fetch again")
    sha256 = file_sha256(found)
    if file.sha256 not in (None, sha256):
        raise HubError(
            f"{found.resolve()} has the SHA-256 {sha256}, but the hub says {file.sha256}: it is "
            "damaged or was replaced; remove it and fetch again"
        )
    return found, sha256


def _told(error: Exception, repository: str, name: str, revision: str) -> HubError:
    """An error of huggingface_hub, or of what is below it, in one line."""
    hub = constants.ENDPOINT
    if isinstance(error, GatedRepoError):
        line = (
            f"{hub}/{repository} is gated: accept its terms on that page, and say who you are with "
            "`hf auth login` or HF_TOKEN"
        )
    elif isinstance(error, RepositoryNotFoundError):
        line = f"{hub} has no repository {repository} that can be read without other rights"
    elif isinstance(error, RevisionNotFoundError):
        line = f"{repository} has no revision {shown(revision)}; --revision {NEWEST} is the newest"
    elif isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
        line = f"{repository} has no file {name} at revision {revision}"
    elif isinstance(error, HfHubHTTPError):
        line = f"{hub} answers {error.response.status_code} for {name} of {repository}"
    else:
        line = (
            f"{name} of {repository} cannot be had from {hub}, and is not in the cache "
            f"({shown(' '.join(str(error).split()) or type(error).__name__)})"
        )
    return HubError(line)
