"""Any change of a key, manifest, score file or list of segments: a table, or the reader's error."""

import gzip

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakemamba.data.keys import KeyFileError, read_asv_scores, read_key
from fakemamba.data.manifest import ManifestError, iterate_manifest
from fakemamba.evaluation.score_files import ScoreFileError, read_scores
from fakemamba.evaluation.segment_files import (
    SegmentFileError,
    read_frame_scores,
    read_segments,
)
from fakemamba.evaluation.tandem_table import TandemTableError, read_tandem_table

KEYS = (
    "a bonafide\nb spoof\nc,d spoof\n",
    "S1 a alaw x A07 spoof notrim eval\nS2 b none - - bonafide trim eval\n",
    "S1 a F C05 3 E_9 AC1 A17 spoof -\nS2 b M - - - - bonafide bonafide -\n",
    '"file","label","attack"\r\n"a.wav","spoof","A07"\r\n"b\nc.wav","bonafide",""\r\n',
)
ASV = (
    "A07 spoof 2.5\n- target 3.25\n- nontarget -1\n",
    "filename,asv-label,asv-score\na,target,1\nb,spoof,2e-3\nc,nontarget,3\n",
    "S a x y - target notrim eval 3\nS b x y - nontarget notrim eval 2\nS c x y A spoof n eval 1\n",
)
TANDEM = (
    "spk\tfilename\tcm-score\tasv-score\tasv-label\ns\ta\t1\t2\ttarget\ns\tb\t-1\t1e1\tspoof\n",
    "filename,sasv-score,asv-label\na,.5,target\nb,2,nontarget\n",
)
SCORES = (
    "a 1.5\nb.wav -2.25e-05\nc,d nan\n",
    'trial_id,score\na,1.5\n"b, ""c""\n",2\n',
    "utt_id\tlabel\tscore\na\tspoof\t-1.5\n",
    "S1 a 0.5 bonafide\nS1 b -0.5 spoof\n",
)
MANIFESTS = (
    'path,label,duration\na.wav,spoof,1.5\n"b ""c"".wav",bonafide,2\n',
    "path;phase;label\na.wav;dev;fake\n",
)
RTTM = (
    "SPEAKER a 1 0.000 0.370 <NA> <NA> spoof <NA> <NA>\n"
    ";; remark\nSPEAKER a 1 0.370 0.880 <NA> <NA> bonafide <NA> <NA>\n",
)
STRETCHES = (
    "a 0.00-1.25-T/1.25-2.5-F/2.50-3-T 0\nb 0-4-T 1\n",
    "a 3.5 spoof 0.0-1.5-bonafide 1.5-3.5-spoof\nb 2 bonafide 0-2-bonafide\n",
)
LABELS = ("a 1 1 1 0 0 1\nb 0011\n",)
FRAMES = ("a 0 0.5\na 1 -1.25\nb 0 2\n",)

READERS = {
    "key": (KEYS, read_key, KeyFileError),
    "whole key": (KEYS, lambda path: read_key(path, phase="all"), KeyFileError),
    "asv": (ASV, read_asv_scores, KeyFileError),
    "tandem": (TANDEM, read_tandem_table, TandemTableError),
    "scores": (SCORES, read_scores, ScoreFileError),
    "logits": (SCORES, lambda path: read_scores(path, "score", "1"), ScoreFileError),
    "manifest": (MANIFESTS, lambda path: list(iterate_manifest(path)), ManifestError),
    "segments": (RTTM + STRETCHES, read_segments, SegmentFileError),
    "labels": (LABELS, lambda path: read_segments(path, 0.02), SegmentFileError),
    "frames": (FRAMES, read_frame_scores, SegmentFileError),
}
# What people and programs put into tables, and what Python would take for numbers, marks or lines.
PIECES = [
    b"\0",
    b"\xff",
    b'"',
    b'""',
    b",",
    b";",
    b"\t",
    b" ",
    b"\n",
    b"\r",
    b"\r\n",
    b"nan",
    b"inf",
]
PIECES += [b"1e999", b"1_0", "١٢".encode(), b"-", b"label", b"score", b"\xef\xbb\xbf", b"\x1f\x8b"]
PIECES += ["\u2028".encode(), "\x85".encode(), b"9" * 5000, b"spoof", b"\x1c", b"trial_id", b"#"]


@st.composite
def mutated(draw, content):
    """The bytes of a file with up to four pieces put in, taken out, doubled or cut off."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 9)))
        match draw(st.sampled_from(["put", "take", "double", "cut", "flip", "line"])):
            case "put":
                content = content[:start] + draw(st.sampled_from(PIECES)) + content[start:]
            case "take":
                content = content[:start] + content[end:]
            case "double":
                content = content[:end] + content[start:]
            case "cut":
                content = content[:start]
            case "flip":
                content = (
                    content[:start]
                    + bytes(255 - one for one in content[start:end])
                    + (content[end:])
                )
            case "line":
                lines = content.splitlines(keepends=True)
                content = b"".join(draw(st.permutations([*lines, *lines[:1]])))
    return content


@pytest.mark.parametrize("kind", READERS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_changed_file_is_a_table_or_the_readers_own_error(tmp_path, kind, data):
    texts, read, error = READERS[kind]
    content = data.draw(mutated(data.draw(st.sampled_from(texts)).encode()))
    packed = data.draw(st.sampled_from([False, False, True]))
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(content, mtime=0) if packed else content)
    try:
        read(path)
    except error as fault:
        said = str(fault)
        assert said.startswith(str(path)) and "\n" not in said and len(said) < 2_000


def rows(kind, found):
    """What was read, as lists that a cut may shorten and must not change, by what they are of."""
    match kind:
        case "key" | "whole key":
            return {"": found.drop(columns="duration_s").to_numpy(object).tolist()}
        case "manifest":
            return {"": found}
        case "asv":
            return {one: getattr(found, one).tolist() for one in ("target", "nontarget", "spoof")}
        case "tandem":
            return {
                (column, label): values.tolist()
                for column, of_label in found.items()
                for label, values in of_label.items()
            }
        case "scores" | "logits":
            return {"": found.to_numpy(object).astype(str).tolist()}
        case "segments" | "labels" | "frames":
            return {name: list(values) for name, values in found.items()}


@pytest.mark.parametrize("kind", READERS)
def test_a_file_that_is_cut_anywhere_is_refused_or_is_its_first_rows(tmp_path, kind):
    texts, read, error = READERS[kind]
    path = tmp_path / "file"
    for text in texts:
        content = text.encode()
        path.write_bytes(content)
        if kind == "logits" and "score" not in text:
            continue
        whole = rows(kind, read(path))
        for end in range(len(content)):
            path.write_bytes(content[:end])
            try:
                found = rows(kind, read(path))
            except error:
                continue
            for name, values in found.items():
                assert values == whole[name][: len(values)], content[:end]


@pytest.mark.parametrize("kind", READERS)
def test_the_files_are_read_as_they_are(tmp_path, kind):
    texts, read, _ = READERS[kind]
    for text in texts:
        (tmp_path / "file").write_bytes(text.encode())
        if kind != "logits" or "score" in text:  # the others have no names to choose by
            read(tmp_path / "file")


@pytest.mark.parametrize("seed", range(120))
def test_a_changed_parquet_file_is_a_table_or_the_readers_own_error(tmp_path, seed):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rng = np.random.default_rng(seed)
    path = tmp_path / "m.parquet"
    table = {"path": ["a.wav", "b.wav"], "label": ["spoof", None], "duration": [1.5, 2.0]}
    parquet.write_table(pyarrow.table(table), path)
    content = bytearray(path.read_bytes())
    for place in rng.integers(0, len(content), rng.integers(1, 4)):
        content[place] = rng.integers(256)
    if seed % 4 == 0:
        content = content[: rng.integers(len(content))]
    path.write_bytes(content)
    try:
        list(iterate_manifest(path))
    except ManifestError as fault:
        assert str(fault).startswith(str(path)) and "\n" not in str(fault)
