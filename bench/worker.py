"""``python -m fakemamba.bench.worker FILE``: measure the one cell that standard input asks for.

The request is JSON, of `isolation.to_request`; the outcome's record appears in FILE, whole.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from fakemamba.bench.isolation import from_request
from fakemamba.bench.sweep_runner import make_measurer
from fakemamba.files import appearing_whole


def main() -> None:
    """Read the request, measure, write the record."""
    cell, method = from_request(json.loads(sys.stdin.read()))
    outcome = make_measurer(type(cell), method).measure(cell)
    with appearing_whole(Path(sys.argv[1])) as partial:
        partial.write_text(json.dumps(outcome.to_record()))


if __name__ == "__main__":
    main()
