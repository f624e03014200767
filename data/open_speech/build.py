"""The open corpus built: planned, made quartet by quartet in processes, and written up at the end.

A finished quartet leaves a note, so that a build that was interrupted goes on where it stopped. The
manifest appears when all is there.
"""

from __future__ import annotations

import csv
import hashlib
import io
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from os import cpu_count
from pathlib import Path
from typing import Any

from fakemamba import __version__
from fakemamba.data.open_speech.licences import copyright_texts, licences_page
from fakemamba.data.open_speech.making import Made, make_quartet
from fakemamba.data.open_speech.packages import installed_versions
from fakemamba.data.open_speech.plan import SIZES, Quartet, plan_quartets
from fakemamba.data.open_speech.prompts import READERS, in_pieces, read_prompts
from fakemamba.files import file_sha256, json_text, write_whole
from fakemamba.interrupts import hidden_from_children
from fakemamba.records import read_record, write_sealed

COLUMNS = (
    "path",
    "trial_id",
    "label",
    "attack",
    "codec",
    "vocoder",
    "speaker",
    "source",
    "phase",
    "duration",
    "language",
    "text_id",
    "text",
    "licence",
)
NOTES = ".quartets"

Counts = dict[str, dict[str, dict[str, float]]]  # of each attack in each phase
Progress = Callable[[Iterable[Any], int], Iterable[Any]]


class BuildError(ValueError):
    """The corpus cannot be built there; the message says why and what to do."""


@dataclass(frozen=True)
class Built:
    """What a build has, as build.json has it too."""

    recordings: int
    hours: float
    left_out: dict[str, int]
    counts: Counts


def build(
    out: str | Path,
    *,
    seed: int = 0,
    size: str = "small",
    workers: int | None = None,
    progress: Progress | None = None,
) -> Built:
    """Build the open corpus in a folder; the same bytes for the same seed, size and versions.

    Writes audio/PHASE/*.flac, segments.rttm (of the phases whose recordings are spliced),
    LICENCES.md and licences/, build.json, and last manifest.csv. A build that was interrupted goes
    on.

    Args:
        out: The folder; new, or of the same build interrupted.
        seed: Of the splits, and of all that is drawn.
        size: ``small`` (8 quartets a language and split) or ``full``.
        workers: Processes; None takes one a CPU. The result does not depend on it.
        progress: Passes on the quartets as they are done, given how many there will be.

    Raises:
        MissingPackagesError: programs, voices or Python packages are missing; which, and how to
            install them.
        BuildError: another build is in the folder, or a seed or size that cannot be.
    """
    out = Path(out)
    if size not in SIZES or seed < 0:
        raise BuildError(
            f"size {size!r}, seed {seed}: sizes are {' and '.join(SIZES)}, seeds 0, 1, 2, ..."
        )
    versions = {"fakemamba": __version__, **installed_versions()}
    settings = {"corpus": "open-speech", "size": size, "seed": seed, "versions": versions}
    _claim(out, settings)
    prompts, left_out = [], Counter[str]()
    for reader in READERS.values():
        readable, unusable = read_prompts(reader)
        prompts += in_pieces(readable)
        left_out += unusable
    quartets = plan_quartets(prompts, size, seed)
    made = _make_all(quartets, out, seed, workers or cpu_count() or 1, progress)
    left_out += Counter(one.left_out for one in made if one.left_out)
    rows = sorted((row for one in made for row in one.rows), key=lambda row: row["trial_id"])
    return _write_up(out, rows, made, settings, dict(sorted(left_out.items())))


def _claim(out: Path, settings: dict[str, Any]) -> None:
    """Make the folder this build's own.

    Raises:
        BuildError: it holds something else, or a build of other settings.
    """
    claim = out / NOTES / "settings.json"
    wanted = json_text(settings)
    if claim.is_file() and claim.read_text() == wanted:
        return
    if out.exists() and any(out.iterdir()):
        raise BuildError(
            f"{out} is not empty, and not this build interrupted (another size or seed, other "
            "package versions, or a build that is done); choose another folder or remove it"
        )
    write_whole(claim, wanted)


def _make_all(
    quartets: Sequence[Quartet],
    out: Path,
    seed: int,
    workers: int,
    progress: Progress | None,
) -> list[Made]:
    """Make what has not been made, in processes; all quartets' results in the plan's order.

    Raises:
        BuildError: a process was killed.
    """
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        with hidden_from_children():  # they finish their quartets, and only the build stops
            running = [pool.submit(_make_or_recall, quartet, out, seed) for quartet in quartets]
        try:
            done = as_completed(running)
            for future in done if progress is None else progress(done, len(running)):
                future.result()
        except BrokenProcessPool as error:
            raise BuildError(
                f"a process was killed, maybe for want of memory; the same command goes on with "
                f"{out} where it stopped, and --workers 1 needs the least"
            ) from error
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return [future.result() for future in running]


def _make_or_recall(quartet: Quartet, out: Path, seed: int) -> Made:
    note = out / NOTES / f"{quartet.trial_id}.json"
    if note.is_file():
        remedy = "remove it, and its quartet is made again"
        return read_record(note, Made, BuildError, remedy, is_sealed=True)
    made = make_quartet(quartet, out, seed)
    write_sealed(note, asdict(made))
    return made


def _write_up(
    out: Path,
    rows: Sequence[dict[str, Any]],
    made: Sequence[Made],
    settings: dict[str, Any],
    left_out: dict[str, int],
) -> Built:
    """Write all that is not audio, the manifest last, and forget the notes."""
    segments = sorted(segment for one in made for segment in one.segments)
    texts = {
        "segments.rttm": "".join(
            f"SPEAKER {trial_id} 1 {start:.6f} {length:.6f} <NA> <NA> {label} <NA> <NA>\n"
            for trial_id, start, length, label in segments
        ),
        "LICENCES.md": licences_page(rows, settings["versions"]),
    }
    files = {name: text.encode() for name, text in texts.items()}
    for package, text in copyright_texts(settings["versions"]).items():
        files[f"licences/{package}.txt"] = text
    manifest = _manifest(rows)
    built = Built(len(rows), sum(row["duration"] for row in rows) / 3600, left_out, _counts(rows))
    described = {
        **settings,
        **asdict(built),
        "sha256": {
            **{row["path"]: file_sha256(out / row["path"]) for row in rows},
            **{name: _sha256(content) for name, content in files.items()},
            "manifest.csv": _sha256(manifest),
        },
    }
    files["build.json"] = (json_text(described) + "\n").encode()
    files["manifest.csv"] = manifest
    for name, content in files.items():
        write_whole(out / name, content)
    shutil.rmtree(out / NOTES)
    return built


def _manifest(rows: Sequence[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _counts(rows: Sequence[dict[str, Any]]) -> Counts:
    """Recordings and hours of each attack and of bona fide speech, by phase."""
    durations: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows:
        durations[row["phase"], row.get("attack", row["label"])].append(row["duration"])
    counts: Counts = {}
    for (phase, attack), each in sorted(durations.items()):
        hours = sum(each) / 3600
        counts.setdefault(phase, {})[attack] = {"recordings": len(each), "hours": hours}
    return counts


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
