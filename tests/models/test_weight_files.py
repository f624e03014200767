"""Files of weights are read as they were saved, or called what they are; nothing in them runs."""

import gzip
import io
import os
import struct
import tarfile
import zipfile

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save as to_safetensors

from fakemamba.models.weight_files import CheckpointError, read_weights

STATE = {"layer.weight": torch.arange(6.0).reshape(2, 3), "layer.steps": torch.tensor(7)}


def torch_file(content=STATE, **how):
    buffer = io.BytesIO()
    torch.save(content, buffer, **how)
    return buffer.getvalue()


def zipped(name, **how):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **how) as archive:
        archive.writestr(name, torch_file())
    return buffer.getvalue()


def tarred():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.pth"))
    return buffer.getvalue()


WHOLE = torch_file()
LEGACY = torch_file(_use_new_zipfile_serialization=False)
SAFE = to_safetensors(STATE)
LIES_OF_SIZE = struct.pack("<Q", 10**15) + SAFE[8:]
LIES_OF_TENSORS = SAFE.replace(b"[2,3]", b"[2,9]")
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n"


def same(found):
    return set(found) == set(STATE) and all(torch.equal(found[key], STATE[key]) for key in STATE)


@pytest.mark.parametrize("content", [WHOLE, LEGACY, SAFE], ids=["zip", "legacy", "safetensors"])
@pytest.mark.parametrize("name", ["x.pth", "x.safetensors", "x"])
def test_the_content_decides_not_the_ending(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    assert same(read_weights(tmp_path / name))


@pytest.mark.parametrize("first", [b"\x80\x02", b"PK", b"\x1f\x8b", b"BZ", b"7z"])
def test_a_length_that_looks_like_another_kind_of_file_is_still_safetensors(tmp_path, first):
    length = int.from_bytes(first, "little")
    end = SAFE.rindex(b"}") + 1
    header, values = SAFE[8:end].ljust(length), SAFE[end:].lstrip(b" ")
    (tmp_path / "x").write_bytes(struct.pack("<Q", length) + header + values)
    assert same(read_weights(tmp_path / "x"))


def test_a_file_without_checksums_is_read(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        (tmp_path / "x.pth").write_bytes(torch_file())
    finally:
        torch.serialization.set_crc32_options(True)
    assert same(read_weights(tmp_path / "x.pth"))


@pytest.mark.parametrize(
    ("content", "told"),
    {
        "empty": (b"", "is empty"),
        "page": (b"\n<!DOCTYPE html><html>Virus scan warning</html>", "is a web page"),
        "pointer": (POINTER, "is a Git LFS pointer.*git lfs pull"),
        "text": (b'{"error": "not found"}', "a text, .*not found"),
        "gzip": (gzip.compress(WHOLE, mtime=0), "is a gzip archive; unpack it"),
        "tar": (tarred(), "is a tar archive; unpack it"),
        "zip": (zipped("model.pth"), "is a zip archive; unpack it"),
        "compressed": (
            zipped("archive/data.pkl", compression=zipfile.ZIP_DEFLATED),
            "compressed after torch wrote it",
        ),
        "cut": (WHOLE[: len(WHOLE) * 7 // 10], "cut short or damaged"),
        "cut legacy": (LEGACY[: len(LEGACY) * 7 // 10], "cut short, damaged"),
        "cut safetensors": (SAFE[:-1], "cut short, damaged"),
        "size": (LIES_OF_SIZE, "cut short, damaged"),
        "tensors": (LIES_OF_TENSORS, "cut short, damaged"),
        "noise": (bytes(range(256)) * 4, "neither torch's nor safetensors"),
        "number": (b"\x80\x02K\x01.", "cut short, damaged"),
    }.values(),
)
def test_what_holds_no_weights_is_called_what_it_is(tmp_path, content, told):
    path = tmp_path / "x.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=told) as caught:
        read_weights(path)
    assert_tells_no_more_than_it_should(str(caught.value), path)


def assert_tells_no_more_than_it_should(message, path):
    assert message.startswith(str(path)) and "\n" not in message and len(message) < 600
    for advice in ("weights_only", "likely succeed", "can still be loaded", "add_safe_globals"):
        assert advice not in message


def test_what_is_no_file_is_refused_without_being_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.pth")
    for path, told in ((tmp_path, "a folder, not a file"), (tmp_path / "pipe.pth", "is a pipe")):
        with pytest.raises(CheckpointError, match=told):
            read_weights(path)


def test_a_program_of_torch_is_no_weights(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        for name in ("x/data.pkl", "x/constants.pkl", "x/code/model.py"):
            archive.writestr(name, "x")
    with pytest.raises(CheckpointError, match="is a TorchScript program"):
        read_weights(tmp_path / "x.pt")


@pytest.mark.parametrize("legacy", [False, True])
def test_foreign_classes_are_named_and_not_run(tmp_path, attack, legacy):
    trap, marker = attack
    path = tmp_path / "evil.pth"
    path.write_bytes(torch_file({"weight": trap}, _use_new_zipfile_serialization=not legacy))
    with pytest.raises(CheckpointError, match=r"nothing in it was run: it asks for \w+\.system"):
        read_weights(path)
    assert not marker.exists()


@st.composite
def damaged(draw, whole):
    """A file with some bytes changed, and perhaps cut."""
    content = bytearray(whole[: draw(st.integers(1, len(whole)) | st.just(len(whole)))])
    for place in draw(st.lists(st.integers(0, len(content) - 1), max_size=3)):
        content[place] = draw(st.integers(0, 255))
    return bytes(content)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged") / "x.pth"


@given(content=damaged(WHOLE))
def test_a_damaged_file_is_the_same_weights_or_an_error(file, content):
    file.write_bytes(content)
    try:
        found = read_weights(file)
    except CheckpointError as error:
        assert_tells_no_more_than_it_should(str(error), file)
    else:
        assert same(found)


@given(content=damaged(LEGACY) | damaged(SAFE) | st.binary())
def test_damage_without_checksums_is_read_or_an_error_of_ours(file, content):
    file.write_bytes(content)
    try:
        read_weights(file)
    except CheckpointError as error:
        assert_tells_no_more_than_it_should(str(error), file)
