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
    with pytest.raises(SegmentFileError, match="no segments"):
        read_segments(path)


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
