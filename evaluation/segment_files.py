"""Files of labelled segments, in the layouts that corpora have, and files of frames' scores.

The layout is told by the content:

* RTTM: ``SPEAKER id channel start duration <NA> <NA> label <NA> <NA>``, a line a segment.
* Stretches: ``id start-end-label ...``, in seconds, with blanks or slashes between them, as
  PartialSpoof's and LlamaPartialSpoof's texts (``id duration label start-end-label ...``) and HAD's
  (``id start-end-T/start-end-F label``) are.
* Frames: ``id 1 1 0 0``, 1 for bona fide, 0 for spoof, as text, or an array each in an .npz or .npy
  file, as PartialSpoof's ``segment_labels`` are once they are no pickles.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fakemamba.data.text_lines import (
    CutGuard,
    at_line,
    is_ended,
    listed,
    number_or_none,
    read_lines,
)
from fakemamba.data.trials import BONA_FIDE, LABELS, TrialError, read_label
from fakemamba.evaluation.metrics.checks import Floats
from fakemamba.evaluation.metrics.segments import MOST_FRAMES_OFF, Segment
from fakemamba.files import require_file

ROUNDING_S = 2e-3  # files give starts and durations in milliseconds, so that neighbours can overlap
FRAME_NUMBER = re.compile(r"[0-9]{1,9}")
STRETCH = re.compile(r"([^-/\s]+)-([^-/\s]+)-([^/\s]+)")
OF_FRAMES = re.compile(r"[01]+")
IN_LETTERS = {"T": True, "F": False}  # HAD's genuine and fake
NPY, ZIP = b"\x93NUMPY", b"PK\x03\x04"
UNPICKLED = (
    "python -c \"import numpy as n; n.savez('labels.npz', **n.load('{}', allow_pickle=True)"
    '.item())"'
)
LAYOUTS = (
    "write RTTM (`SPEAKER id channel start duration <NA> <NA> label <NA> <NA>`), stretches "
    "(`id start-end-label ...`, in seconds) or frames (`id 1 1 0 0`)"
)

Placed = tuple[Segment, str]  # a segment, and where it stands in its file


class SegmentFileError(ValueError):
    """A file of segments or frame scores cannot be used; the message names file, line, remedy."""


def read_segments(
    path: str | Path,
    label_frame_s: float | None = None,
    durations_s: Mapping[str, float] | None = None,
) -> dict[str, list[Segment]]:
    """Segments of each utterance, in order of time, from a file of any layout, plain or gzipped.

    Segments of one class that adjoin are kept apart, as there is a cut between them; of labels of
    frames nothing is known of such cuts. Overlaps and gaps of up to 2 ms are of rounding: what
    overlaps is the earlier segment's.

    Args:
        path: the file.
        label_frame_s: how long a frame of the labels is, in seconds; of labels of frames alone.
        durations_s: of recordings, as far as they are known. The last frame of labels lasts as long
            as its recording.

    Raises:
        SegmentFileError: no layout that is known, a pickle, another line, a segment that does not
            last, an unknown label, segments of an utterance that overlap, are not in order within a
            line, or leave time between them without a label; labels that go on after the recording.
    """
    durations_s = durations_s or {}
    if label_frame_s is not None and not 0 < label_frame_s < np.inf:
        raise SegmentFileError(f"frames of {label_frame_s:g} s: they must be longer than 0 s")
    require_file(path, SegmentFileError)
    with Path(path).open("rb") as file:
        begin = file.read(len(NPY))
    if begin.startswith((NPY, ZIP)):
        return _from_frames(list(_arrays(path, begin)), path, label_frame_s, durations_s)
    first = next((line for line in read_lines(path, SegmentFileError) if _has_content(line)), "")
    fields = first.split()
    if fields[:1] == ["SPEAKER"]:
        placed = _read_rttm(path)
    elif len(fields) > 1 and any(map(STRETCH.fullmatch, "/".join(fields[1:]).split("/"))):
        placed = _read_stretches(path)
    elif len(fields) > 1 and OF_FRAMES.fullmatch("".join(fields[1:])):
        return _from_frames(_frames_of_text(path), path, label_frame_s, durations_s)
    else:
        shown = f"{listed([first.strip()[:80]])!r} is" if first else "no segments are"
        raise SegmentFileError(f"{path}: {shown} in no layout that is known: {LAYOUTS}")
    if label_frame_s is not None:
        raise SegmentFileError(
            f"{path} has seconds and no frames: leave out the length of its frames"
        )
    return {name: _in_order(one, durations_s.get(name, np.inf)) for name, one in placed.items()}


def read_frame_scores(path: str | Path) -> dict[str, Floats]:
    """Scores of each utterance's frames (frames,), from lines ``id frame score``.

    Frames of an utterance are numbered from 0 without gaps, in order.

    Raises:
        SegmentFileError: another line, a frame that is not the next one, a score that is not
            finite.
    """
    found: dict[str, list[float]] = {}
    guard = CutGuard(path, SegmentFileError)
    for number, line in enumerate(read_lines(path, SegmentFileError), 1):
        where = at_line(path, number, line)
        fields = line.split()
        value = number_or_none(fields[2]) if len(fields) == 3 else None
        if value is None or not FRAME_NUMBER.fullmatch(fields[1]):
            raise SegmentFileError(f"{where}: not `id frame score`: {line.strip()[:80]!r}")
        name, frame, score = fields
        scores = found.setdefault(name, [])
        if int(frame) != len(scores):
            raise SegmentFileError(
                f"{where}: frame {frame} of {listed([name])}, where frame {len(scores)} is the "
                "next; write all frames of an utterance once, in order"
            )
        if not np.isfinite(value):
            raise SegmentFileError(f"{where}: the score is {score}; score {listed([name])} again")
        guard.check(score, number, line)
        scores.append(value)
    return {name: np.array(scores) for name, scores in found.items()}


def _has_content(line: str) -> bool:
    fields = line.split()
    return bool(fields) and not fields[0].startswith(";;")


def _read_rttm(path: str | Path) -> dict[str, list[Placed]]:
    """Lines are in any order; those that begin with ``;;`` are remarks."""
    found: dict[str, list[Placed]] = {}
    for number, line in enumerate(read_lines(path, SegmentFileError), 1):
        if not _has_content(line):
            continue
        fields, where = line.split(), at_line(path, number, line)
        if fields[0] != "SPEAKER" or len(fields) < 8:
            raise SegmentFileError(
                f"{where}: not `SPEAKER id channel start duration <NA> <NA> label <NA> <NA>`"
            )
        start_s, duration_s = (number_or_none(text) for text in fields[3:5])
        if start_s is None or duration_s is None:
            given = listed([" and ".join(fields[3:5])])
            raise SegmentFileError(f"{where}: start and duration must be seconds, not {given}")
        segment = _segment(start_s, duration_s, fields[7], where)
        found.setdefault(fields[1], []).append((segment, where))
    return found


def _read_stretches(path: str | Path) -> dict[str, list[Placed]]:
    """A line has stretches of one utterance; an utterance may have several lines."""
    found: dict[str, list[Placed]] = {}
    for number, line in enumerate(read_lines(path, SegmentFileError), 1):
        if not _has_content(line):
            continue
        where = at_line(path, number, line)
        name, *fields = line.split()
        texts = [one for field in fields for one in field.split("/") if "-" in one]
        texts = [one for one in texts if one not in LABELS]  # of the whole
        lasts_s = number_or_none(fields[0]) if len(fields) > 2 else None
        if not texts:
            raise SegmentFileError(f"{where}: {listed([name])} has no `start-end-label`; add them")
        if not is_ended(line):
            raise SegmentFileError(
                f"{where}: it may have lost labels; if it is whole, end the line"
            )
        before_s = 0.0
        for text in texts:
            matched = STRETCH.fullmatch(text)
            start_s, end_s = map(number_or_none, matched.groups()[:2]) if matched else (None, None)
            if matched is None or start_s is None or end_s is None:
                raise SegmentFileError(
                    f"{where}: {listed([text])} is not `start-end-label`, in seconds; mend it"
                )
            if start_s < before_s - ROUNDING_S:
                raise SegmentFileError(
                    f"{where}: {listed([text])} begins before the one before it ends, at "
                    f"{before_s:g} s; write them in order of time, without overlaps"
                )
            segment = _segment(start_s, end_s - start_s, matched[3], where)
            if lasts_s is not None and segment.end_s > lasts_s + ROUNDING_S:
                raise SegmentFileError(
                    f"{where}: {listed([text])} ends after the recording, at {lasts_s:g} s; mend it"
                )
            before_s = segment.end_s
            found.setdefault(name, []).append((segment, where))
    return found


def _segment(start_s: float, duration_s: float, label: str, where: str) -> Segment:
    try:
        is_bonafide = IN_LETTERS[label] if label in IN_LETTERS else read_label(label) == BONA_FIDE
    except TrialError as error:
        raise SegmentFileError(f"{where}: {error}") from error
    if not (0 <= start_s < np.inf and 0 < duration_s < np.inf):
        raise SegmentFileError(
            f"{where}: a segment from {start_s:g} s of {duration_s:g} s; it must begin at 0 s "
            "or later and last longer than 0 s"
        )
    return Segment(start_s, start_s + duration_s, is_bonafide)


def _in_order(segments: list[Placed], duration_s: float) -> list[Segment]:
    """Segments by time, each beginning where the one before ended if rounding made them overlap."""
    ordered: list[Segment] = []
    for segment, where in sorted(segments, key=lambda one: one[0].start_s):
        start_s = max(segment.start_s, ordered[-1].end_s) if ordered else segment.start_s
        if start_s - segment.start_s > ROUNDING_S or start_s >= segment.end_s:
            raise SegmentFileError(
                f"{where}: begins at {segment.start_s:g} s, but another segment ends at "
                f"{start_s:g} s; a moment has one label"
            )
        if ordered and start_s - ordered[-1].end_s > ROUNDING_S:
            raise SegmentFileError(
                f"{where}: begins at {start_s:g} s, but the segment before ends at "
                f"{ordered[-1].end_s:g} s; label the time between them"
            )
        if segment.end_s > duration_s + ROUNDING_S:
            raise SegmentFileError(
                f"{where}: ends at {segment.end_s:g} s, but the recording at {duration_s:g} s; "
                "give the labels of these very recordings"
            )
        ordered.append(Segment(start_s, segment.end_s, segment.is_bonafide))
    return ordered


def _frames_of_text(path: str | Path) -> Iterable[tuple[str, str, str]]:
    """Id, labels as digits, and place of each line."""
    for number, line in enumerate(read_lines(path, SegmentFileError), 1):
        if not _has_content(line):
            continue
        where = at_line(path, number, line)
        if not is_ended(line):
            raise SegmentFileError(
                f"{where}: it may have lost frames; if it is whole, end the line"
            )
        name, *labels = line.split()
        yield name, "".join(labels), where


def _arrays(path: str | Path, begin: bytes) -> Iterable[tuple[str, str, str]]:
    """The same of arrays; a single one is of the utterance that its file is named after."""
    try:
        with Path(path).open("rb") as file:
            content = np.load(file, allow_pickle=False)
            if begin.startswith(NPY):
                yield Path(path).stem, _digits(content), f"{path}"
                return
            for name in content.files:
                yield name, _digits(content[name]), f"{path}, {listed([name])}"
    except Exception as error:  # numpy raises anything of a damaged header
        if "allow_pickle" in str(error):
            raise SegmentFileError(
                f"{path}: a pickle, which can run anything, and is not loaded; if you trust it: "
                f"{UNPICKLED.format(path)}"
            ) from error
        raise SegmentFileError(
            f"{path}: not an array of numpy ({error}); write it again"
        ) from error


def _digits(labels: npt.NDArray[np.generic]) -> str:
    """Labels (frames,), as numbers or texts, as digits; what is none stays as it is."""
    kinds = {"b": np.int8, "S": np.str_}
    values = np.ravel(labels.astype(kinds.get(labels.dtype.kind, labels.dtype)))
    return "".join(str(one).removesuffix(".0") for one in values)


def _from_frames(
    labelled: Iterable[tuple[str, str, str]],
    path: str | Path,
    frame_s: float | None,
    durations_s: Mapping[str, float],
) -> dict[str, list[Segment]]:
    if frame_s is None:
        raise SegmentFileError(
            f"{path} has labels of frames: say how long one is, such as 0.02 or 0.16 s"
        )
    places: dict[str, str] = {}
    found = {}
    for name, labels, where in labelled:
        if name in places:
            raise SegmentFileError(
                f"{where}: {listed([name])} is there already, in {places[name]}; keep one of both"
            )
        if not OF_FRAMES.fullmatch(labels):
            raise SegmentFileError(
                f"{where}: labels of frames are 1, bona fide, and 0, spoof, not "
                f"{listed([labels[:80]]) or 'nothing'}; mend them"
            )
        places[name] = where
        end_s = len(labels) * frame_s
        duration_s = durations_s.get(name, end_s)
        if abs(end_s - duration_s) > MOST_FRAMES_OFF * frame_s + ROUNDING_S:
            raise SegmentFileError(
                f"{where}: {len(labels)} frames of {frame_s:g} s are {end_s:g} s, but the "
                f"recording lasts {duration_s:g} s; give the length of the labels' frames"
            )
        found[name] = _runs(labels, frame_s, duration_s)
    if not found:
        raise SegmentFileError(f"{path}: no labels in it; fetch or write it again")
    return found


def _runs(labels: str, frame_s: float, duration_s: float) -> list[Segment]:
    """Frames of one class in a row, as a segment; the last lasts as long as its recording."""
    runs, first = [], 0
    for label, run in groupby(labels):
        after = first + len(list(run))
        runs.append(Segment(first * frame_s, after * frame_s, label == "1"))
        first = after
    while len(runs) > 1 and runs[-1].start_s >= duration_s:
        runs.pop()
    runs[-1] = Segment(runs[-1].start_s, duration_s, runs[-1].is_bonafide)
    return runs
