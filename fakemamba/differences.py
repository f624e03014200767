"""What differs between two records, in words, as where a run that was killed cannot be resumed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """``name was 1, is 2`` for each entry that is not the same; a missing one is None."""
    return [
        f"{name} was {found.get(name)!r}, is {wanted.get(name)!r}"
        for name in {**found, **wanted}
        if found.get(name) != wanted.get(name)
    ]
