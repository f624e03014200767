"""Whether a file is a result that can be trusted: what it has to hold, and that this fits together.

Whatever is not as the benchmark writes it is refused, with file, cell and remedy; nothing is
mended. Texts are data, however odd they are.
"""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path
from typing import Any

from fakemamba.records import shown
from fakemamba.result_schema import (
    CELL,
    COMMANDS,
    DEEP_FIGURES,
    FACTS,
    FIGURES,
    INFO,
    KERNEL,
    LIST,
    NOTES,
    NUMBER,
    OBJECT,
    PERCENTILES,
    SCALAR,
    SCHEMA,
    SIZE,
    STATS,
    STREAM_PARTS,
    TEXT,
    TEXT_OR_NULL,
    TIME,
    VISIT,
    WITH_VISITS,
    WORK,
    Kind,
    is_cell,
    upgraded,
)
from fakemamba.typed import sweep_command
from fakemamba.visits import percentiles, that_count

MOST_BYTES = 64 << 20
CLOSENESS = 1e-6  # relative; between figures that follow from each other
REMEDY = "use the file as the benchmark wrote it, or measure again"


class ResultsError(ValueError):
    """A file holds no results that this version can read."""


def read_content(path: Path) -> dict[str, Any]:
    """The JSON of a result, checked; with all fields that cells of the newest schema have.

    Raises:
        ResultsError: it is not a result, or not whole, or contradicts itself.
    """
    content = parsed(path)
    _check_frame(path, content)
    content = upgraded(content)
    block = content["fakemamba"]
    for name in ("environment", "options", "identity"):
        require(f"{path}, block 'fakemamba'", block, name, OBJECT)
    environment = f"{path}, 'environment'"
    require(environment, block["environment"], "device", TEXT)
    for name in FACTS:
        _object(environment, block["environment"], name)
    for name in _object(environment, block["environment"], "kernels"):
        where = f"{environment}, kernels, {shown(name)}"
        for field, kind in KERNEL.items():
            require(where, _object(environment, block["environment"], "kernels", name), field, kind)
    require(f"{path}, 'options'", {"commands": []} | block["options"], "commands", COMMANDS)
    require(f"{path}", {"datetime": None} | content, "datetime", TEXT_OR_NULL)
    has_visits = block["schema"] >= WITH_VISITS
    if has_visits:
        _check_work(path, block)
    seen: set[str] = set()
    for index, entry in enumerate(content["benchmarks"]):
        if is_cell(entry):
            where = _place(path, index, entry)
            _check_cell(where, entry)
            if has_visits and entry["extra_info"]["status"] == "measured":
                _check_visits(where, entry["extra_info"], entry["stats"]["data"])
            cell_id = entry["extra_info"]["cell_id"]
            if cell_id in seen:
                raise ResultsError(
                    f"{where} is in the file twice; remove one of the two, or measure again into a "
                    "new file"
                )
            seen.add(cell_id)
    if not seen:
        raise ResultsError(f"{path} has no cells; measure some with `{sweep_command()}`")
    return content


def parsed(path: Path) -> Any:
    """What the JSON of a file is.

    Raises:
        ResultsError: it cannot be read, is too large, or is no JSON.
    """
    try:
        size, is_file = path.stat().st_size, path.is_file()
        text = path.read_text(encoding="utf-8") if is_file and size <= MOST_BYTES else ""
    except FileNotFoundError as error:
        raise ResultsError(f"{path}: no such file") from error
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ResultsError(
            f"{path} is not JSON, not even text ({error}); give the .json that the benchmark wrote"
        ) from error
    except ValueError as error:
        raise ResultsError(f"{shown(str(path))} is no file's name: {error}") from error
    if not is_file:
        raise ResultsError(f"{path} is not a file; give the .json that the benchmark wrote")
    if size > MOST_BYTES:
        raise ResultsError(
            f"{path} is too large: {size / 2**20:.1f} MiB, at most {MOST_BYTES >> 20} are read; "
            "measure fewer cells into each file (--bench-detectors, --bench-durations, "
            "--bench-parts) and give all of the files"
        )
    if not text.strip():
        raise ResultsError(f"{path} is empty; run the benchmark again")
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ResultsError(
            f"{path} is nested more deeply than any result; give the .json that the benchmark wrote"
        ) from error
    except ValueError as error:  # not JSON, or a number with thousands of digits
        raise ResultsError(
            f"{path} is not JSON, or cut short: {error}; copy it again, or run the benchmark again"
        ) from error


def _check_frame(path: Path, content: Any) -> None:
    """Check all that every schema has, and that all values are such as JSON should have."""
    block = content.get("fakemamba") if isinstance(content, dict) else None
    if block is None:
        raise ResultsError(
            f"{path} has no block 'fakemamba': it was not written by "
            f"`{sweep_command()} --benchmark-json=...` of this project"
        )
    require(str(path), content, "fakemamba", OBJECT)
    require(str(path), content, "benchmarks", LIST)
    schema = block.get("schema")
    if not SIZE.holds(schema) or schema > SCHEMA:
        newer = "update this project" if SIZE.holds(schema) else "use the version that wrote it"
        raise ResultsError(
            f"{path} has schema {shown(schema)}, but this version reads 1 to {SCHEMA}; "
            f"{newer}, or measure again"
        )
    require_plain(str(path), {name: content[name] for name in content if name != "benchmarks"})
    for index, entry in enumerate(content["benchmarks"]):
        where = _place(path, index, entry)
        require_plain(where, entry)
        require(where, {"entry": entry}, "entry", OBJECT)
        require(where, entry, "extra_info", OBJECT)
        if is_cell(entry):
            require(where, entry, "stats", OBJECT)
            require(where, entry["extra_info"], "cell", OBJECT)


def _check_cell(where: str, entry: dict[str, Any]) -> None:
    """Check one cell: all fields are there and of their kinds, and agree with each other."""
    info, stats = entry["extra_info"], entry["stats"]
    require(where, info, "cell_id", TEXT)
    for name, kind in CELL.items():
        require(where, info["cell"], name, kind)
    for name in info["cell"]:
        require(where, info["cell"], name, SCALAR)
    _check_stream(where, info["cell"])
    for name, kind in INFO.items():
        require(where, info, name, kind)
    for name, kind in {**FIGURES, **NOTES}.items():
        if info.get(name) is not None:
            require(where, info, name, kind)
    for path, name in DEEP_FIGURES.items():
        inside = _object(where, info, *path)
        if inside.get(name) is not None:
            require(where, inside, name, NUMBER)
    if info["status"] == "measured":
        require(where, info, "latency_s", TIME)
        if STATS.keys() - stats.keys() == {"data"}:
            raise ResultsError(
                f"{where}, stats has no 'data'; pytest-benchmark leaves every round's time out of "
                "what it keeps by --benchmark-save and --benchmark-autosave, where it is not told "
                "--benchmark-save-data: give what --benchmark-json wrote, or measure again"
            )
        for name, kind in STATS.items():
            require(f"{where}, stats", stats, name, kind)
        _check_agreement(where, info, stats)
    elif info.get("latency_s") is not None or any(one is not None for one in stats.values()):
        raise ResultsError(
            f"{where} is {info['status']} but has a time, which only what is measured has; {REMEDY}"
        )


def _check_agreement(where: str, info: dict[str, Any], stats: dict[str, Any]) -> None:
    """Check that figures which follow from others do, so that none is in another unit."""
    check_stats(where, stats)
    cell, latency_s = info["cell"], info["latency_s"]
    audio_s = cell["duration_s"] * cell["batch_size"]
    followed = {
        "latency_s": (latency_s, stats["median"], "stats.median (in seconds)"),
        "throughput": (info.get("throughput"), audio_s / latency_s, "audio seconds / latency_s"),
    }
    if cell["hop_s"] is not None:
        cost = (info.get("cost_s_per_s"), latency_s / cell["hop_s"], "latency_s / hop_s")
        followed["cost_s_per_s"] = cost
    if cell["batch_size"] == 1:
        real_time = (info.get("rtf"), latency_s / cell["duration_s"], "latency_s / duration_s")
        followed["rtf"] = real_time
    _check_followed(where, followed)
    low_s, high_s = info.get("latency_low_s"), info.get("latency_high_s")
    if (low_s is not None and low_s > latency_s) or (high_s is not None and high_s < latency_s):
        raise ResultsError(
            f"{where}: latency_s is {latency_s:.9g}, but its interval is {low_s} to {high_s}; "
            f"{REMEDY}"
        )


def _check_stream(where: str, cell: dict[str, Any]) -> None:
    """Check that a stream's part has a hop, no longer than its window, and no other part has."""
    part, hop_s = cell["part"], cell["hop_s"]
    if (part in STREAM_PARTS) != (hop_s is not None):
        raise ResultsError(
            f"{where}: hop_s is {hop_s}, but part is {shown(part)}; {', '.join(STREAM_PARTS)} have "
            f"one, and no others; {REMEDY}"
        )
    if hop_s is not None and hop_s > cell["duration_s"]:
        raise ResultsError(
            f"{where}: hop_s is {hop_s:.9g}, but its window has {cell['duration_s']:.9g} s; "
            f"{REMEDY}"
        )


def check_stats(where: str, stats: dict[str, Any]) -> None:
    """Check that pytest-benchmark's figures are those of the times that it gives.

    Raises:
        ResultsError: one is not.
    """
    data = stats["data"]
    followed = {
        "stats.min": (stats["min"], min(data), "the least of stats.data"),
        "stats.max": (stats["max"], max(data), "the most of stats.data"),
        "stats.median": (stats["median"], statistics.median(data), "the median of stats.data"),
        "stats.rounds": (stats["rounds"], len(data), "the length of stats.data"),
    }
    _check_followed(where, followed)


def _check_followed(where: str, followed: dict[str, tuple[float | None, float, str]]) -> None:
    for name, (value, wanted, words) in followed.items():
        if value is not None and not math.isclose(value, wanted, rel_tol=CLOSENESS):
            raise ResultsError(
                f"{where}: {name} is {value:.9g}, but {words} is {wanted:.9g}; {REMEDY}"
            )


def _check_visits(where: str, info: dict[str, Any], figures_s: list[float]) -> None:
    """Check that a cell's visits are in order, and that stats.data are their figures."""
    require(where, info, "visits", LIST)
    visits = info["visits"]
    for index, visit in enumerate(visits):
        place = f"{where}, visits[{index}]"
        require(place, {"visit": visit}, "visit", OBJECT)
        for name, kind in VISIT.items():
            require(place, visit, name, kind)
        if index and visit["pass"] <= visits[index - 1]["pass"]:
            raise ResultsError(
                f"{place}: 'pass' is {visit['pass']} after {visits[index - 1]['pass']}, but visits "
                f"have to be in the order of their passes, one in each; {REMEDY}"
            )
    counted = visits_of_data(visits, figures_s)
    if len(counted) != len(figures_s):
        raise ResultsError(
            f"{where} has {len(visits)} visits, but stats.data has {len(figures_s)} figures, which "
            f"have to be one a visit that counts; {REMEDY}"
        )
    for index, (visit, figure_s) in enumerate(zip(counted, figures_s, strict=True)):
        wanted_s = statistics.median(visit["rounds_s"])
        if not math.isclose(figure_s, wanted_s, rel_tol=CLOSENESS):
            raise ResultsError(
                f"{where}: stats.data[{index}] is {figure_s:.9g}, but the median of the visit's "
                f"rounds_s is {wanted_s:.9g}; {REMEDY}"
            )
    rounds_s = [one_s for visit in counted for one_s in visit["rounds_s"]]
    found, words = percentiles(rounds_s), "that percentile of rounds_s"
    _check_followed(where, {name: (info.get(name), found[name], words) for name in found})
    for name in PERCENTILES:
        if name not in found and info.get(name) is not None:
            raise ResultsError(
                f"{where} has {name}, but its visits have {len(rounds_s)} rounds_s, too few for "
                f"it; {REMEDY}"
            )


def visits_of_data(visits: list[dict[str, Any]], figures_s: list[float]) -> list[dict[str, Any]]:
    """The visits that ``stats.data`` has: those that count, or all as in the first of them."""
    if len(visits) == len(figures_s):
        return visits
    return [visits[place] for place in that_count([bool(one["disturbed_by"]) for one in visits])]


def _check_work(path: Path, block: dict[str, Any]) -> None:
    """Check the work by formula, which may be absent."""
    require(f"{path}, block 'fakemamba'", {"work": []} | block, "work", LIST)
    for index, record in enumerate(block.get("work", [])):
        where = f"{path}, work[{index}]"
        require(where, {"record": record}, "record", OBJECT)
        for name, kind in WORK.items():
            require(where, record, name, kind)
        durations_s = record["durations_s"]
        lengths = {len(record[name]) for name in ("durations_s", "flops", "bytes_moved")}
        if record["reason"] is None and len(lengths) > 1:
            raise ResultsError(
                f"{where}: durations_s, flops and bytes_moved have to be equally many; {REMEDY}"
            )
        if durations_s != sorted(set(durations_s)) or 0 in durations_s:
            raise ResultsError(f"{where}: durations_s have to ascend, from more than 0 s; {REMEDY}")


def require(where: str, fields: dict[str, Any], name: str, kind: Kind) -> None:
    """Check that a field is there, and what it has to be.

    Raises:
        ResultsError: it is not.
    """
    if name not in fields:
        raise ResultsError(f"{where} has no {name!r}; {REMEDY}")
    if not kind.holds(fields[name]):
        raise ResultsError(
            f"{where}: {shown(name)} is {shown(fields[name])}, but has to be {kind.words}; {REMEDY}"
        )


def _object(where: str, fields: dict[str, Any], *path: str) -> dict[str, Any]:
    """The object at the end of a path of names; an empty one where there is none."""
    for name in path:
        if fields.get(name) is not None:
            require(where, fields, name, OBJECT)
        fields, where = fields.get(name) or {}, f"{where}, {name}"
    return fields


def require_plain(where: str, value: Any) -> None:
    """Check that nothing in a value is NaN, infinite, or a text that no file can hold.

    Raises:
        ResultsError: something is.
    """
    todo = [("", value)]
    while todo:
        place, value = todo.pop()
        if isinstance(value, dict):
            todo += [(f"{place}.{_brief(name)}", one) for name, one in value.items()]
            todo += [(f"a name in {place}", name) for name in value]
        elif isinstance(value, list):
            todo += [(f"{place}[{index}]", one) for index, one in enumerate(value)]
        elif isinstance(value, float) and not math.isfinite(value):
            raise ResultsError(f"{where}: {_brief(place)} is {value}, which is no number; {REMEDY}")
        elif isinstance(value, str) and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise ResultsError(
                    f"{where}: {_brief(place)} is not a text: {error.reason}; {REMEDY}"
                ) from error


def _place(path: Path, index: int, entry: Any) -> str:
    """File and cell, for people: by its id, or by its place if it has none."""
    names: list[Any] = []
    if isinstance(entry, dict):
        info = entry.get("extra_info")
        names = [info.get("cell_id") if isinstance(info, dict) else None, entry.get("param")]
    known = [name for name in names if isinstance(name, str)]
    return f"{path}, cell {shown(known[0])}" if known else f"{path}, benchmarks[{index}]"


def _brief(name: str) -> str:
    """A name, or a place below others, without quotes."""
    return shown(name.lstrip("."))[1:-1]
