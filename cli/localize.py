"""``fakemamba localize``: where in recordings a detector hears a spoof, by maps of frames."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated, TextIO

import tyro

from fakemamba.cli.printing import counting, say
from fakemamba.cli.trial_source import recordings_source
from fakemamba.data.audio import SAMPLE_RATE_HZ
from fakemamba.data.trials import Trial
from fakemamba.evaluation.frame_classifier import read_classifier
from fakemamba.evaluation.frame_maps import (
    USUAL_SETTINGS,
    USUAL_WINDOWS,
    Mapped,
    Mapper,
    MapWindows,
    Scores,
    check_methods,
)
from fakemamba.evaluation.manner import Manner
from fakemamba.evaluation.metrics.segments import Segment, Segments
from fakemamba.evaluation.provenance import scoring_identity
from fakemamba.evaluation.score_files import check_id
from fakemamba.evaluation.segment_files import read_segments
from fakemamba.evaluation.trial_list import survey
from fakemamba.files import atomic_write, file_sha256, write_json
from fakemamba.locks import sole_writer
from fakemamba.models.device import resolve_device
from fakemamba.models.loading import check_named, load_detector
from fakemamba.models.maps.methods import MapSettings
from fakemamba.models.registry import registered_name
from fakemamba.names import distinct_file_names

STAMP = {"kind": "fakemamba-localization", "schema": 1}
RECORD = "localization.json"


def localize(
    files: tyro.conf.Positional[tuple[Path, ...]] = (),
    /,
    *,
    checkpoint: Path,
    out: Path,
    method: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="METHOD")
    ] = (),
    manifest: Path | None = None,
    corpus: str | None = None,
    root: Path | None = None,
    phase: str | None = None,
    settings: Annotated[MapSettings, tyro.conf.arg(name="")] = USUAL_SETTINGS,
    windows: Annotated[MapWindows, tyro.conf.arg(name="")] = USUAL_WINDOWS,
    classifier: Annotated[Path | None, tyro.conf.arg(metavar="JSON")] = None,
    pictures: Annotated[int, tyro.conf.arg(metavar="N")] = 0,
    segments: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None,
    detector: str | None = None,
    allow_damaged: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    device: str = "auto",
) -> int:
    """Map where in recordings a detector hears a spoof: METHOD.txt, a score a frame of 20 ms.

    Lines are `id frame score`, higher is more bona fide, as `fakemamba evaluate-segments` reads
    them. localization.json says what each map is, and why recordings have none.

    Args:
        files: Audio files; a file's id is its name without folder and ending.
        checkpoint: A folder made by `fakemamba convert`, or an official .pth with --detector.
        out: Folder to write to.
        method: gradient, integrated-gradients, attention-rollout, front-end-rollout,
            hidden-attention, step-size, pooling, supervised or windows; repeat it for several. By
            default all that the detector has.
        manifest: Instead of files: a CSV or Parquet with a column `path`.
        corpus: Instead of files: a corpus by name, as `fakemamba corpus check` knows it.
        root: Where the corpus is, or where the manifest's paths begin, if not at its folder.
        phase: The part of the corpus, if not eval or test.
        settings: Of methods.
        windows: Of the method windows.
        classifier: JSON of `fakemamba localize-fit`, for the method supervised.
        pictures: Draw the first N recordings, each as a PNG: waveform and maps.
        segments: Labelled segments of the recordings, as `fakemamba evaluate-segments` reads them,
            which are drawn, too.
        detector: The detector that the checkpoint must be of; needed for an official .pth.
        allow_damaged: Map what is left of damaged recordings.
        device: auto, cpu, or cuda:0 and so on.
    """
    if pictures < 0:
        raise ValueError(f"--pictures {pictures}: give 0 or more")
    if segments is not None and not pictures:
        raise ValueError("--segments is drawn, but nothing is: --pictures N")
    check_methods(method)
    check_named(checkpoint, detector)
    source, told = recordings_source(files, manifest, corpus, root, phase)
    of_frames = None if classifier is None else read_classifier(classifier)
    truth: Segments = {} if segments is None else read_segments(segments)
    manner = Manner(detector, allow_damaged=allow_damaged, device=device)
    place = resolve_device(device)
    with sole_writer(out, is_folder=True):
        listed = survey(source, _check)
        identity = scoring_identity(checkpoint, listed.sha256, manner, place)
        if of_frames is not None:
            of_frames.check_weights(str(identity["weights_sha256"]))
        model = load_detector(checkpoint, detector, needs_scores=False).to(place)
        mapper = Mapper(model, method, settings, windows, of_frames)
        first = [trial.trial_id for trial in islice(source(), pictures)]
        names = dict(zip(first, distinct_file_names(first), strict=True))
        failures: dict[str, str] = {}
        damaged: dict[str, str] = {}
        made: list[Path] = []
        mapped = mapper.map_trials(source(), allow_damaged=allow_damaged)
        with ExitStack() as opened:
            texts = {name: opened.enter_context(_written(out, name)) for name in mapper.methods}
            for one in counting("mapping", total=listed.count)(mapped):
                trial_id = one.trial.trial_id
                if one.damage is not None:
                    damaged[trial_id] = one.damage
                if one.reason is not None:
                    failures[trial_id] = one.reason
                    say(f"not mapped: {one.reason}", file=sys.stderr)
                    continue
                for name, scores in one.maps.items():
                    texts[name].writelines(_lines(trial_id, scores))
                if trial_id in names:
                    path = out / f"{names[trial_id]}.png"
                    made.append(_draw(one, mapper, truth.get(trial_id), path))
        num_mapped = listed.count - len(failures)
        content = {
            **STAMP,
            "detector": registered_name(model),
            "checkpoint": str(checkpoint),
            "identity": identity,
            "trials": told,
            "higher": "more bona fide",
            "frame_s": mapper.frame_s,
            "methods": {
                name: {"file": f"{name}.txt", **about} for name, about in mapper.told().items()
            },
            "counts": {"trials": listed.count, "mapped": num_mapped, "failed": len(failures)},
            "classifier": None if classifier is None else _told(classifier),
            "failures": failures,
            "damaged": damaged,
            "pictures": [path.name for path in made],
        }
        write_json(out / RECORD, content)
    say(f"{out}: maps of {num_mapped:,} recordings by {', '.join(mapper.methods)}")
    for name, about in mapper.told().items():
        if not about["is_signed"]:
            say(f"{name}: minus how strongly a frame counts, which says nothing of its class")
    if not failures:
        return 0
    say(
        f"fakemamba: error: {len(failures):,} of {listed.count:,} recordings have no map; "
        f"{out / RECORD} says why",
        file=sys.stderr,
    )
    return 1


def _told(classifier: Path) -> dict[str, str]:
    return {"file": str(classifier), "sha256": file_sha256(classifier)}


def _check(trial: Trial) -> None:
    """Refuse an id that would not be read back from a line `id frame score`."""
    check_id(trial.trial_id, "csv")
    if trial.trial_id.split() != [trial.trial_id]:
        raise ValueError(
            f"{trial.trial_id!r} has a blank in it, which parts the columns of `id frame score`: "
            "rename the file, or give it another trial_id in a manifest"
        )


@contextmanager
def _written(folder: Path, method: str) -> Iterator[TextIO]:
    """The file of a method, which appears when it is whole."""
    with (
        atomic_write(folder / f"{method}.txt") as partial,
        partial.open("w", encoding="utf-8") as file,
    ):
        yield file


def _lines(trial_id: str, scores: Scores) -> Iterator[str]:
    """Of one recording; nine digits are all that a float32 has."""
    return (f"{trial_id} {frame} {score:.9g}\n" for frame, score in enumerate(scores.tolist()))


def _draw(mapped: Mapped, mapper: Mapper, truth: Sequence[Segment] | None, path: Path) -> Path:
    """The picture of one recording."""
    from fakemamba.analysis.pictures.localization import plot_maps  # of the extra `report`

    assert mapped.waveform is not None
    spoofed_s = None
    if truth is not None:
        spoofed_s = [(one.start_s, one.end_s) for one in truth if not one.is_bonafide]
    return plot_maps(
        mapped.waveform,
        mapped.maps,
        rate_hz=SAMPLE_RATE_HZ,
        frame_s=mapper.frame_s,
        unsigned={name for name, about in mapper.told().items() if not about["is_signed"]},
        spoofed_s=spoofed_s,
        headline=f"{mapped.trial.trial_id} by {registered_name(mapper.detector)}",
        path=path,
    )
