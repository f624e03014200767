"""Where a sweep's result is written: pytest-benchmark overwrites files in place, this does not.

It opens the path that it was given and tells its name, so it is given one that opens beside the
result and is told as the result. A disk that fills up then costs no earlier result.
"""

from __future__ import annotations

import json
from pathlib import Path

from fakemamba.files import beside


class ResultFile:
    """A path-like object that opens as ``.NAME.partial`` and reads as ``NAME``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._goal = path.resolve()  # a link is followed, not replaced
        self._partial = beside(self._goal, "partial")

    def __fspath__(self) -> str:
        return str(self._partial)

    def __str__(self) -> str:
        return str(self.path)

    def take_place(self) -> bool:
        """What was written becomes the result if it is whole; whether it did."""
        try:
            json.loads(self._partial.read_text())
        except FileNotFoundError:
            return False
        except ValueError:
            self.discard()
            return False
        self._partial.replace(self._goal)
        return True

    def discard(self) -> None:
        """Remove what was written."""
        self._partial.unlink(missing_ok=True)
