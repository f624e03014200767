"""What result files hold, to be changed at a place and then refused."""

import copy
import json
from pathlib import Path

import pytest

from fakemamba.analysis.results import ResultsError, read_results

REFERENCE = Path(__file__).parents[2] / "results"
WRITTEN = sorted(path for path in REFERENCE.rglob("*.json") if '"fakemamba": {' in path.read_text())


def shortened(content, *indices):
    """A content with some of its cells."""
    return content | {"benchmarks": [content["benchmarks"][index] for index in indices]}


def reference(name, *indices):
    content = json.loads((REFERENCE / "cpu-epyc-2t" / name).read_text())
    return shortened(content, *indices)


# Schema 2: a detector that was measured, one that was not, and a scan. Schema 1: two recordings.
WAYS = reference("ways.json", 0)
WAYS["benchmarks"] += [
    next(
        entry
        for entry in reference("ways.json", *range(90))["benchmarks"]
        if entry["extra_info"]["status"] == "unsupported"
    ),
    *reference("scan.json", 0)["benchmarks"],
]
OLD = reference("recordings.json", 0, 1)
# A detector of others, with a front-end of its own.
OWN = shortened(copy.deepcopy(WAYS), 0)
OWN["benchmarks"][0]["extra_info"]["cell"]["frontend"] = "own"
OWN["benchmarks"][0]["extra_info"] |= {
    "fixed_length": "it is cut",
    "notes": ["rows are run one at a time", ""],
    "external": {"parts": {"encoder": "net"}, "num_samples": None, "batches": False},
}
CELL_ID = WAYS["benchmarks"][0]["extra_info"]["cell_id"]


def replaced(content, place, value):
    """A copy of a content with another value at a place, a tuple of keys and indices."""
    if not place:
        return value
    changed = copy.deepcopy(content)
    parent = changed
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = value
    return changed


def without(content, place):
    """A copy of a content that lacks a place."""
    changed = copy.deepcopy(content)
    parent = changed
    for key in place[:-1]:
        parent = parent[key]
    del parent[place[-1]]
    return changed


def refusal(folder, content, text=None):
    """Why a content is refused, which has to name its file and be one line."""
    path = folder / "x.json"
    path.write_text(json.dumps(content) if text is None else text)
    with pytest.raises(ResultsError) as caught:
        read_results([path])
    message = str(caught.value)
    assert message.startswith(str(path)) and message.isprintable()
    return message


INFO = ("benchmarks", 0, "extra_info")
STATS = ("benchmarks", 0, "stats")
