"""Where code of others comes from: package, version, and a hash of its sources, for records."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path


def origin_of_module(module_name: str) -> dict[str, str | None]:
    """Package, its version (None where it is not installed), and the SHA-256 of its sources.

    The sources are all ``.py`` files of the top-level package, or the one file of a module that
    stands alone; paths are not in the result, which may be published.
    """
    top = module_name.partition(".")[0]
    packages = _packages().get(top, [])
    return {
        "module": module_name,
        "package": packages[0] if packages else None,
        "version": version(packages[0]) if packages else None,
        "sources_sha256": _sources_sha256(top),
    }


@cache
def _packages() -> dict[str, list[str]]:
    # A package whose metadata is gone has no name.
    found = {top: [*filter(None, names)] for top, names in packages_distributions().items()}
    return {top: names for top, names in found.items() if names}


def _sources_sha256(top: str) -> str | None:
    module = sys.modules[top]
    folders = [Path(folder) for folder in getattr(module, "__path__", ())]
    alone = getattr(module, "__file__", None)
    if not folders and alone is None:
        return None
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(filter(Path.is_file, folder.rglob("*.py"))):
            digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    if not folders and alone is not None:
        digest.update(Path(alone).read_bytes())
    return digest.hexdigest()
