"""Which cells a sweep has: the profiles, and the options that change them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import torch

from fakemamba.bench.cells import PARTS, STREAM_PARTS, TRAINING_PARTS, Cell
from fakemamba.bench.instruments.clock import MODES
from fakemamba.bench.instruments.rounds import Effort
from fakemamba.bench.measuring.external import detector_of_its_own, frontend_of
from fakemamba.data.audio import SAMPLE_RATE_HZ, read_audio
from fakemamba.data.lengths import draw_durations, read_lengths
from fakemamba.data.manifest import read_manifest
from fakemamba.models.execution.fused_norm import uses_kernel
from fakemamba.models.execution.modes import ATTENTIONS, EXECUTIONS, OPTIMIZED, PRECISIONS
from fakemamba.models.registry import create_detector, detector_entry, list_detectors
from fakemamba.models.scan import check_backend
from fakemamba.models.scan.mixer import backend_used

FULL_SIZE = "xls-r-300m"
DRAWN_LENGTHS = 20
EVERY_DETECTOR = tuple(name for name in list_detectors() if name != "fake-mamba")
RIVALS = ("fake-mamba-l", "xlsr-conformer", "xlsr-mamba")


@dataclass(frozen=True)
class Series:
    """Parts of detectors that are measured with the same front-end at the same durations.

    Attributes:
        detectors: by name.
        frontend: of all of them.
        durations_s: on a CPU,
        gpu_durations_s: and on a GPU, if they are others there.
        parts: of each detector.
        of_others: the detectors that are asked for do not join; it is for those that are not.
    """

    detectors: tuple[str, ...]
    frontend: str
    durations_s: tuple[float, ...]
    gpu_durations_s: tuple[float, ...] | None = None
    parts: tuple[str, ...] = PARTS
    of_others: bool = False

    def durations_on(self, device: str) -> tuple[float, ...]:
        """Those for a device."""
        on_gpu = device != "cpu" and self.gpu_durations_s is not None
        return self.gpu_durations_s if on_gpu and self.gpu_durations_s else self.durations_s


@dataclass(frozen=True)
class Profile:
    """A named sweep, how often each of its cells is called, and seconds for all of them.

    The budget, one for a CPU and one for a GPU, is of the profile as it is.
    """

    series: tuple[Series, ...]
    effort: Effort
    budget_s: tuple[float, float] | None = None


def _in_equal_ratios(first_s: float, last_s: float, count: int) -> tuple[float, ...]:
    return tuple(float(f"{one:.3g}") for one in np.geomspace(first_s, last_s, count))


PROFILES = {
    # Is the encoder near-linear, what does it cost end to end, and what do all others cost?
    "answer": Profile(
        (
            Series(
                RIVALS,
                FULL_SIZE,
                _in_equal_ratios(0.5, 32, 9),
                _in_equal_ratios(0.5, 128, 9),
                ("encoder",),
            ),
            Series(
                RIVALS,
                FULL_SIZE,
                tuple(2.0**k for k in range(-1, 4)),
                None,
                ("front-end", "end-to-end"),
            ),
            Series(
                tuple(name for name in EVERY_DETECTOR if name not in RIVALS),
                FULL_SIZE,
                (4.0,),
                parts=("end-to-end",),
                of_others=True,
            ),
        ),
        Effort(),
        (168.0, 90.0),
    ),
    "smoke": Profile(
        (
            Series(EVERY_DETECTOR, "xls-r-tiny", (1.0, 3.0, 10.0)),
            Series(RIVALS, FULL_SIZE, (1.0, 2.0, 3.0)),
        ),
        Effort(time_s=0.25),
    ),
    # As the Fake-Mamba authors' script: 10 warm-up calls, 100 timed calls, batch 1, 1-6 s.
    "paper": Profile(
        (Series(EVERY_DETECTOR, FULL_SIZE, tuple(float(s) for s in range(1, 7))),),
        Effort(
            least_visits=5,
            dear_visits=5,
            time_s=0.0,
            least_rounds=20,
            most_rounds=20,
            warmup_rounds=10,
        ),
    ),
    # Doubling from half a second; past the first duration that does not fit, cells are not tried.
    "full": Profile(
        (Series(EVERY_DETECTOR, FULL_SIZE, tuple(2.0**k for k in range(-1, 13))),),
        Effort(time_s=5.0, visit_s=0.25),
    ),
}


@dataclass(frozen=True)
class SweepOptions:
    """What the command line says; None leaves it to the profile.

    ``streams`` are windows and hops in seconds, which every detector of the sweep is measured on.
    """

    profile: str
    device: str
    detectors: Sequence[str] | None = None
    durations_s: Sequence[float] | None = None
    frontend: str | None = None
    parts: Sequence[str] | None = None
    precisions: Sequence[str] = ("fp32",)
    batch_sizes: Sequence[int] = (1,)
    attentions: Sequence[str] = ("sdpa",)
    backends: Sequence[str] = ("auto",)
    executions: Sequence[str] = ("eager",)
    clock: str = "latency"
    corpus: Path | None = None
    corpus_root: Path | None = None
    lengths: str | None = None
    streams: Sequence[tuple[float, float]] = ()


def plan(options: SweepOptions) -> list[Cell]:
    """All cells of a sweep: detectors outermost, then rising durations; in the end the streams.

    Kernels that ``auto`` may use, and that were never run on this GPU, are compared with torch.

    Raises:
        ValueError: an unknown name, or a number that no cell can have.
        ManifestError, AudioError: the corpus cannot be used.
    """
    _check(options)
    if OPTIMIZED in options.executions:
        uses_kernel(torch.device(options.device))  # found out here, so that it is in no cell's time
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

    cells: list[Cell] = []
    streams: list[Cell] = []
    for series in _series(options):
        for detector in series.detectors:
            own_s = series.durations_on(options.device)
            lengths_here = inputs or [(duration_s, None) for duration_s in own_s]
            traits = _traits(detector, tuple(options.backends), options.device)
            parts = tuple(part for part in series.parts if part in traits.parts)
            frontend = frontend_of(detector, series.frontend)
            sizes = product(lengths_here, options.batch_sizes, parts)
            ways = [  # of any part and size
                Cell(
                    detector=detector,
                    frontend=frontend,
                    part="end-to-end",
                    duration_s=0.0,
                    precision=precision,
                    backend=backend,
                    execution=execution,
                    device=options.device,
                    attention=attention,
                    clock=options.clock,
                )
                for precision, backend, execution, attention in product(
                    options.precisions,
                    traits.backends,
                    options.executions,
                    options.attentions,
                )
            ]
            for (duration_s, recording), batch_size, part in sizes:
                cells += [
                    replace(
                        way,
                        part=part,
                        duration_s=duration_s,
                        batch_size=batch_size,
                        recording=recording,
                    )
                    for way in ways
                ]
            for (window_s, hop_s), part in product(options.streams, STREAM_PARTS):
                streams += [
                    replace(way, part=part, duration_s=window_s, hop_s=hop_s) for way in ways
                ]
    if options.corpus is None:
        cells = list(dict.fromkeys(cells))  # two series may have the same
    cells += dict.fromkeys(streams)
    _require_distinct(cells)
    return cells


def _series(options: SweepOptions) -> list[Series]:
    """The profile's series, cut to the detectors and parts asked for.

    A corpus, or its lengths, is for real figures, so it is measured with the full-size front-end
    only. Where a profile has a series of others, the detectors asked for are not those; elsewhere
    one that the profile lacks joins its first series.
    """
    series = list(PROFILES[options.profile].series)
    if options.corpus is not None or options.lengths is not None:
        series = [one for one in series if one.frontend == FULL_SIZE]
    if options.frontend is not None:
        series = _with_frontend(series, options.frontend)
    if options.parts is not None:
        asked = options.parts
        series = [
            replace(one, parts=tuple(p for p in asked if p in (*one.parts, *TRAINING_PARTS)))
            for one in series
        ]
    if options.detectors is None:
        return series
    asked_for = tuple(dict.fromkeys(options.detectors))
    if any(one.of_others for one in series):
        return [replace(one, detectors=asked_for) for one in series if not one.of_others]
    chosen = []
    for one in series:
        kept = tuple(name for name in asked_for if name in one.detectors)
        chosen.append(replace(one, detectors=kept))
    absent = tuple(name for name in asked_for if not any(name in one.detectors for one in chosen))
    chosen[0] = replace(chosen[0], detectors=chosen[0].detectors + absent)
    return chosen


def _with_frontend(series: Sequence[Series], frontend: str) -> list[Series]:
    """All with one front-end; those of the same parts are one then, the last."""
    by_parts: dict[tuple[str, ...], Series] = {}
    for one in series:
        before = by_parts[one.parts].detectors if one.parts in by_parts else ()
        names = tuple(dict.fromkeys((*before, *one.detectors)))
        by_parts[one.parts] = replace(one, detectors=names, frontend=frontend)
    return list(by_parts.values())


@dataclass(frozen=True)
class _Traits:
    """What a detector's cells can be.

    Attributes:
        parts: that can be measured.
        backends: the scan backends that it will use, ``none`` where it does not scan.
    """

    parts: tuple[str, ...]
    backends: tuple[str, ...]


@cache
def _traits(name: str, backends: tuple[str, ...], device: str) -> _Traits:
    entry = detector_entry(name)
    if entry.has_own_frontend:
        model = detector_of_its_own(name)
    else:
        model = create_detector(name, "xls-r-tiny", device="meta")
    named = (*model.parts, "end-to-end", *TRAINING_PARTS)
    place = torch.device(device)
    used = tuple(dict.fromkeys(backend_used(model, one, place) for one in backends))
    parts = tuple(part for part in (*PARTS, *TRAINING_PARTS) if part in named)
    return _Traits(parts, used)


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
        ("part", options.parts or (), (*PARTS, *TRAINING_PARTS)),
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
    for window_s, hop_s in options.streams:
        if not 0 < hop_s <= window_s < float("inf"):
            raise ValueError(
                f"windows of {window_s:g} s every {hop_s:g} s are no stream: both have to be more "
                "than 0, and the hop no more than the window"
            )
    for batch_size in options.batch_sizes:
        if batch_size < 1:
            raise ValueError(f"a batch of {batch_size} cannot be measured")
