"""Files of segments in every layout, and of frames' scores: what is read, and what is refused."""

import gzip

import numpy as np
import pytest

from fakemamba.evaluation.metrics.segments import Segment
from fakemamba.evaluation.segment_files import (
    SegmentFileError,
    read_frame_scores,
    read_segments,
)

RTTM = "SPEAKER {} 1 {} {} <NA> <NA> {} <NA> <NA>\n"


def test_segments_are_read_in_any_order_and_rounding_is_mended(tmp_path):
    path = tmp_path / "labels.rttm.gz"
    lines = [
        ";; a remark\r\n",
        RTTM.format("a", "1.000", "0.500", "spoof"),
        RTTM.format("b", "0", "2", "bonafide"),
        RTTM.format("a", "0.000", "1.001", "bonafide"),
    ]
    path.write_bytes(gzip.compress("".join(lines).encode()))
    assert read_segments(path) == {
        "a": [Segment(0, 1.001, True), Segment(1.001, 1.5, False)],
        "b": [Segment(0, 2, True)],
    }


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (RTTM.format("a", 0, 1, "speech"), "the label is 'speech'"),
        (RTTM.format("a", "x", 1, "spoof"), "must be seconds"),
        (RTTM.format("a", 0, 0, "spoof"), "last longer than 0 s"),
        (RTTM.format("a", -1, 1, "spoof"), "begin at 0 s"),
        (RTTM.format("a", 0, "nan", "spoof"), "last longer than 0 s"),
        (RTTM.format("a", 4.5, 1, "spoof"), "another segment ends at 5 s"),
        (RTTM.format("a", 4.999, 0.001, "spoof"), "another segment ends at 5 s"),
        (RTTM.format("a", 5.25, 1, "spoof"), r"5\.25 s, but the segment before ends at 5 s; label"),
        (RTTM.format("a", 3, 2, "bonafide"), "another segment ends at 5 s"),  # the same again
        (RTTM.format("a", "5_0", 1, "spoof"), "must be seconds, not 5_0 and 1"),
        (RTTM.format("a", "٥", 1, "spoof"), "must be seconds, not ٥ and 1"),
        ("SPEAKER a 1 0 1\n", "not `SPEAKER"),
        ("LEXEME a 1 0 1 word lex spoof <NA> <NA>\n", "not `SPEAKER"),
    ],
)
def test_a_bad_line_of_segments_is_named(tmp_path, line, said):
    path = tmp_path / "labels.rttm"
    path.write_text(RTTM.format("a", 3, 2, "bonafide") + line)
    with pytest.raises(SegmentFileError, match=f"labels.rttm, line 2: .*{said}"):
        read_segments(path)


def test_a_file_of_remarks_only_has_no_segments(tmp_path):
    path = tmp_path / "labels.rttm"
    path.write_text(";; nothing\n")
    with pytest.raises(SegmentFileError, match="no segments are in no layout"):
        read_segments(path)


def test_adjoining_segments_of_one_class_are_kept_apart(tmp_path):
    path = tmp_path / "control.rttm"
    path.write_text(RTTM.format("a", 0, 1, "bonafide") + RTTM.format("a", 1, 0.5, "bonafide"))
    assert read_segments(path) == {"a": [Segment(0, 1, True), Segment(1, 1.5, True)]}


@pytest.mark.parametrize(
    "text",
    [
        "a 0.00-1.00-T/1.00-1.50-F/1.50-2.00-T 0\r\nb 0-1-T 1\n",  # HAD
        "a 2.0 spoof 0-1-bonafide 1-1.5-spoof 1.5-2-bona-fide\nb 1 bona-fide 0-1-genuine\n",
        "b 0-1-bonafide\na 1-1.5-spoof\na 1.5-2-bonafide\na 0-1-bonafide\n",  # a line each
    ],
)
def test_stretches_are_read_in_each_of_their_layouts(tmp_path, text):
    path = tmp_path / "labels.txt"
    path.write_text(text)
    assert read_segments(path) == {
        "a": [Segment(0, 1, True), Segment(1, 1.5, False), Segment(1.5, 2, True)],
        "b": [Segment(0, 1, True)],
    }


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("b 0-1-T/0.5-2-F 0\n", "0.5-2-F begins before the one before it ends, at 1 s"),
        ("b 1-2-F/0-1-T 0\n", "0-1-T begins before the one before it ends, at 2 s"),
        ("b 0-1-T/1.5-2-F 0\n", "1.5 s, but the segment before ends at 1 s; label the time"),
        ("b 0-1-X 0\n", "the label is 'X'"),
        ("b 0-1 0\n", "0-1 is not `start-end-label`"),
        ("b zero-1-T 0\n", "zero-1-T is not `start-end-label`"),
        ("b 1-1-T 0\n", "last longer than 0 s"),
        ("b 0\n", "b has no `start-end-label`; add them"),
        ("b 1.0 spoof 0-1.5-spoof\n", "0-1.5-spoof ends after the recording, at 1 s"),
        ("a 0.5-2-F 0\n", "another segment ends at 1 s; a moment has one label"),
        ("c 0-3-F 0\n", "ends at 3 s, but the recording at 2 s; give the labels of these"),
        (
            "b 0-1-T",
            r"\(the file ends in the middle of it; fetch it again\): it may have lost labels",
        ),
    ],
)
def test_a_bad_line_of_stretches_is_named(tmp_path, line, said):
    path = tmp_path / "labels.txt"
    path.write_text("a 0-1-T 1\n" + line)
    with pytest.raises(SegmentFileError, match=rf"labels.txt, line 2.*({said})"):
        read_segments(path, durations_s={"c": 2.0})


WANTED = {
    "a": [Segment(0, 0.04, True), Segment(0.04, 0.06, False)],
    "b": [Segment(0, 0.04, False)],
}


def as_arrays(path, kind):
    arrays = {"a": [1, 1, 0], "b": [0, 0]}
    np.savez(path, **{name: np.array(one).astype(kind) for name, one in arrays.items()})


@pytest.mark.parametrize("kind", ["<U1", "S1", bool, np.int8, float])
def test_labels_of_frames_are_read_from_arrays(tmp_path, kind):
    as_arrays(tmp_path / "dev.npz", kind)
    assert read_segments(tmp_path / "dev.npz", 0.02) == WANTED
    np.save(tmp_path / "b.npy", np.array([0, 0]).astype(kind))
    assert read_segments(tmp_path / "b.npy", 0.02) == {"b": WANTED["b"]}


@pytest.mark.parametrize("text", ["a 1 1 0\nb 0 0\n", "a 110\nb 00\n"])
def test_labels_of_frames_are_read_from_text(tmp_path, text):
    (tmp_path / "labels").write_text(text)
    assert read_segments(tmp_path / "labels", 0.02) == WANTED


def test_the_last_frame_of_labels_lasts_as_long_as_its_recording(tmp_path):
    (tmp_path / "labels").write_text("a 1 1 0\nb 0 0 1\nc 1\n")
    found = read_segments(tmp_path / "labels", 0.16, {"a": 0.4, "b": 0.31, "c": 0.3})
    assert found["a"] == [Segment(0, 0.32, True), Segment(0.32, 0.4, False)]
    assert found["b"] == [Segment(0, 0.31, False)]  # all of the last frame is after the end
    assert found["c"] == [Segment(0, 0.3, True)]
    with pytest.raises(SegmentFileError, match=r"line 1: 3 frames of 0\.16 s are 0\.48 s"):
        read_segments(tmp_path / "labels", 0.16, {"a": 0.06})


@pytest.mark.parametrize(
    ("text", "frame_s", "said"),
    [
        ("a 1 1 0\n", None, "has labels of frames: say how long one is"),
        ("a 1 1 0\n", 0.0, "frames of 0 s: they must be longer"),
        ("a 1 1 0\na 1\n", 0.02, "line 2: a is there already, in .*line 1; keep one"),
        ("a 1 1 0\nb 1 2\n", 0.02, "line 2: labels of frames are 1, .* not 12"),
        ("a 1 1 0\nb\n", 0.02, "line 2: labels of frames are 1, .* not nothing"),
        ("a 1 1 0\nb 1 1", 0.02, "line 2.*it may have lost frames"),
        ("a 0-1-T\n", 0.02, "has seconds and no frames"),
        ("a spoof\n", None, "'a spoof' is in no layout that is known: write RTTM"),
        ("", None, "the file is empty"),
    ],
)
def test_bad_labels_of_frames_are_named(tmp_path, text, frame_s, said):
    (tmp_path / "labels").write_text(text)
    with pytest.raises(SegmentFileError, match=said):
        read_segments(tmp_path / "labels", frame_s)


def test_a_pickle_is_not_loaded_and_its_conversion_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arrays = {"a": np.array(["1", "1", "0"]), "b": np.array(["0", "0"])}
    np.save("dev_seglab_0.02.npy", arrays)
    with pytest.raises(
        SegmentFileError, match=r"a pickle, .* not loaded; if you trust it: "
    ) as one:
        read_segments("dev_seglab_0.02.npy", 0.02)
    command = str(one.value).split("trust it: ")[1]
    code = command.removeprefix('python -c "').removesuffix('"')
    exec(code, {})  # what the message says to run
    assert read_segments("labels.npz", 0.02) == WANTED


def test_a_damaged_array_is_refused_or_read(tmp_path):
    as_arrays(tmp_path / "dev.npz", "<U1")
    np.save(tmp_path / "b.npy", np.array([0, 1, 1, 0]))
    for name in ("dev.npz", "b.npy"):
        whole = (tmp_path / name).read_bytes()
        rng = np.random.default_rng(0)
        for _ in range(150):
            damaged = bytearray(whole[: int(rng.integers(8, len(whole) + 1))])
            damaged[int(rng.integers(8, len(damaged))) if len(damaged) > 8 else 7] ^= 1 << int(
                rng.integers(8)
            )
            (tmp_path / name).write_bytes(damaged)
            try:
                read_segments(tmp_path / name, 0.02)
            except SegmentFileError as error:
                assert name in str(error)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a 1\n", "not `id frame score`"),
        ("a one 0.5\n", "not `id frame score`"),
        ("a 2 0.5\n", "frame 2 of a, where frame 1 is the next"),
        ("a 0 0.5\n", "frame 0 of a, where frame 1 is the next"),
        ("a 1 inf\n", "the score is inf"),
        ("a 1 1e400\n", "not `id frame score`"),
        ("a 1_0 1\n", "not `id frame score`"),
        ("a ١ 1\n", "not `id frame score`"),
        ("a 1 2.", r"may have lost digits of '2\.'"),
        ("a 1", r"\(the file ends in the middle of it; fetch it again\): not `id"),
    ],
)
def test_a_bad_line_of_frame_scores_is_named(tmp_path, line, said):
    path = tmp_path / "frames.txt"
    path.write_text("a 0 1.5\n" + line)
    with pytest.raises(SegmentFileError, match=f"frames.txt, line 2.*{said}"):
        read_frame_scores(path)


def test_frame_scores_of_utterances_can_be_mixed(tmp_path):
    path = tmp_path / "frames.txt"
    path.write_text("a 0 1.5\nb 0 -1\na 1 2e-3\n")
    found = read_frame_scores(path)
    assert {name: values.tolist() for name, values in found.items()} == {
        "a": [1.5, 0.002],
        "b": [-1],
    }
