"""Which cells a sweep has: the profiles, and the options that change them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import torch

from fakemamba.bench.cells import PARTS, TRAINING_PARTS, Cell
from fakemamba.bench.instruments.clock import MODES
from fakemamba.bench.instruments.rounds import Effort
from fakemamba.data.audio import SAMPLE_RATE_HZ, read_audio
from fakemamba.data.lengths import draw_durations, read_lengths
from fakemamba.data.manifest import read_manifest
from fakemamba.models.execution.modes import ATTENTIONS, EXECUTIONS, PRECISIONS
from fakemamba.models.mamba import has_mamba
from fakemamba.models.registry import create_detector, detector_entry, list_detectors
from fakemamba.models.scan import check_backend, resolve_backend

FULL_SIZE = "xls-r-300m"
DRAWN_LENGTHS = 20
EVERY_DETECTOR = tuple(name for name in list_detectors() if name != "fake-mamba")
RIVALS = ("fake-mamba-l", "xlsr-conformer", "xlsr-mamba")


@dataclass(frozen=True)
class Series:
    """Detectors that are measured with the same front-end at the same durations."""

    detectors: tuple[str, ...]
    frontend: str
    durations_s: tuple[float, ...]


@dataclass(frozen=True)
class Profile:
    """A named sweep, and how often each of its cells is called."""

    series: tuple[Series, ...]
    effort: Effort


PROFILES = {
    "smoke": Profile(
        (
            Series(EVERY_DETECTOR, "xls-r-tiny", (1.0, 3.0, 10.0)),
            Series(RIVALS, FULL_SIZE, (1.0, 2.0, 3.0)),
        ),
        Effort(min_rounds=3, time_s=0.25),
    ),
    # As the Fake-Mamba authors' script: 10 warm-up calls, 100 timed calls, batch 1, 1-6 s.
    "paper": Profile(
        (Series(EVERY_DETECTOR, FULL_SIZE, tuple(float(s) for s in range(1, 7))),),
        Effort(min_rounds=100, max_rounds=100, time_s=0.0, warmup_rounds=10),
    ),
    # Doubling from half a second; past the first duration that does not fit, cells are not tried.
    "full": Profile(
        (Series(EVERY_DETECTOR, FULL_SIZE, tuple(2.0**k for k in range(-1, 13))),),
        Effort(min_rounds=5, time_s=5.0),
    ),
}


@dataclass(frozen=True)
class SweepOptions:
    """What the command line says; None leaves it to the profile."""

    profile: str
    device: str
    detectors: Sequence[str] | None = None
    durations_s: Sequence[float] | None = None
    frontend: str | None = None
    parts: Sequence[str] = PARTS
    precisions: Sequence[str] = ("fp32",)
    batch_sizes: Sequence[int] = (1,)
    attentions: Sequence[str] = ("sdpa",)
    backends: Sequence[str] = ("auto",)
    executions: Sequence[str] = ("eager",)
    clock: str = "latency"
    corpus: Path | None = None
    corpus_root: Path | None = None
    lengths: str | None = None


def plan(options: SweepOptions) -> list[Cell]:
    """All cells of a sweep, in the order in which they are measured.

    Detectors are outermost, so that one model at a time is in memory, durations rise, so that the
    first one that does not fit ends its row, and what differs only in how it is run comes together.

    Raises:
        ValueError: an unknown name, or a number that no cell can have.
        ManifestError, AudioError: the corpus cannot be used.
    """
    _check(options)
    inputs: list[tuple[float, Path | None]] | None = None
    if options.corpus is not None:
        trials = read_manifest(options.corpus, options.corpus_root)
        recordings = [trial.path for trial in trials if trial.path is not None]
        lengths = [len(read_audio(path)) / SAMPLE_RATE_HZ for path in recordings]
        inputs = sorted(zip(lengths, recordings, strict=True))
    elif options.lengths is not None:
        table = read_lengths(options.lengths)
        drawn_s = [*draw_durations(table, DRAWN_LENGTHS), table.min_s, table.max_s]
        inputs = [(float(duration_s), None) for duration_s in np.unique(np.round(drawn_s, 3))]
    elif options.durations_s is not None:
        inputs = [(duration_s, None) for duration_s in sorted(set(options.durations_s))]

    cells = []
    for series in _series(options):
        for detector in series.detectors:
            lengths_here = inputs or [(duration_s, None) for duration_s in series.durations_s]
            sizes = product(lengths_here, options.batch_sizes, options.parts)
            settings = list(
                product(
                    options.precisions,
                    _backends(detector, options),
                    options.executions,
                    options.attentions,
                )
            )
            for (duration_s, recording), batch_size, part in sizes:
                cells += [
                    Cell(
                        detector=detector,
                        frontend=series.frontend,
                        part=part,
                        duration_s=duration_s,
                        batch_size=batch_size,
                        precision=precision,
                        backend=backend,
                        execution=execution,
                        device=options.device,
                        attention=attention,
                        clock=options.clock,
                        recording=recording,
                    )
                    for precision, backend, execution, attention in settings
                ]
    _require_distinct(cells)
    return cells


def _series(options: SweepOptions) -> list[Series]:
    """The profile's series, cut to the detectors asked for.

    A corpus, or its lengths, is for real figures, so it is measured with the full-size front-end
    only. A detector that the profile lacks joins its first series with this front-end.
    """
    series = list(PROFILES[options.profile].series)
    if options.corpus is not None or options.lengths is not None:
        series = [one for one in series if one.frontend == FULL_SIZE]
    if options.frontend is not None:
        names = tuple(dict.fromkeys(name for one in series for name in one.detectors))
        series = [replace(series[-1], detectors=names, frontend=options.frontend)]
    if options.detectors is None:
        return series
    asked_for = tuple(dict.fromkeys(options.detectors))
    chosen = []
    for one in series:
        kept = tuple(name for name in asked_for if name in one.detectors)
        chosen.append(replace(one, detectors=kept))
    absent = tuple(name for name in asked_for if not any(name in one.detectors for one in chosen))
    chosen[0] = replace(chosen[0], detectors=chosen[0].detectors + absent)
    return chosen


def _backends(detector: str, options: SweepOptions) -> list[str]:
    """The scan backends that a detector will use, ``none`` where it has no Mamba."""
    model = create_detector(detector, "xls-r-tiny", device="meta")
    if not has_mamba(model):
        return ["none"]
    device = torch.device(options.device)
    return list(dict.fromkeys(resolve_backend(name, device) for name in options.backends))


def _require_distinct(cells: Sequence[Cell]) -> None:
    by_id: dict[str, Cell] = {}
    for cell in cells:
        other = by_id.setdefault(cell.id, cell)
        if other is not cell:
            raise ValueError(
                f"{other.recording} and {cell.recording} cannot be told apart by folder, name and "
                "duration; rename one, or leave it out of the manifest"
            )


def _check(options: SweepOptions) -> None:
    for name in options.detectors or ():
        detector_entry(name)
    for backend in options.backends:
        check_backend(backend)
    for what, given, known in (
        ("profile", [options.profile], tuple(PROFILES)),
        ("part", options.parts, (*PARTS, *TRAINING_PARTS)),
        ("precision", options.precisions, PRECISIONS),
        ("attention", options.attentions, ATTENTIONS),
        ("execution", options.executions, EXECUTIONS),
        ("clock", [options.clock], MODES),
    ):
        for value in given:
            if value not in known:
                raise ValueError(f"unknown {what} {value!r}; there are {', '.join(known)}")
    lengths_given: list[object] = [options.corpus, options.lengths, options.durations_s]
    if sum(one is not None for one in lengths_given) > 1:
        raise ValueError("give a corpus, or lengths, or durations: each of them says how long")
    for duration_s in options.durations_s or ():
        if not 0 < duration_s < float("inf"):
            raise ValueError(f"a duration of {duration_s} s cannot be measured")
    for batch_size in options.batch_sizes:
        if batch_size < 1:
            raise ValueError(f"a batch of {batch_size} cannot be measured")
