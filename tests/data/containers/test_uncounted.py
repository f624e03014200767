"""Audio that a container holds but does not count is told, and good files hold none."""

import struct

import av
import pytest
import soundfile
from encoded_audio import encoded, noise, read
from hypothesis import given, settings
from hypothesis import strategies as st

from fakemamba.data.audio import AudioError
from fakemamba.data.containers.ogg import HEAD, _checksum

OGG = [("OGG", "VORBIS"), ("OGG", "OPUS"), ("libopus", "ogg", {})]
MP4 = [
    ("aac", "ipod", {}),
    ("aac", "ipod", {"moov_size": "60000"}),
    ("alac", "mov", {}),
    ("pcm_s16le", "mov", {}),
    ("libopus", "mp4", {}),
]
FRAGMENTED = [
    ("aac", "mp4", {"movflags": f"frag_keyframe+{more}", "frag_duration": "200000"})
    for more in ("empty_moov", "empty_moov+default_base_moof", "delay_moov", "hybrid_fragmented")
]


def pages(content):
    """The pages of an Ogg file."""
    found, at = [], 0
    while at < len(content):
        segments = content[at + HEAD : at + HEAD + content[at + 26]]
        end = at + HEAD + len(segments) + sum(segments)
        found.append(content[at:end])
        at = end
    return found


def position_of(page):
    return int.from_bytes(page[6:14], "little")


def with_position(page, position):
    """A page that counts so many samples, with its checksum right."""
    page = page[:6] + position.to_bytes(8, "little") + page[14:]
    return page[:22] + _checksum(page) + page[26:]


def ending_at(content, position):
    *before, last = pages(content)
    return b"".join([*before, with_position(last, position)])


def listing(content, count):
    """An MP4 whose tables list so many samples, each table like the others."""
    content = bytearray(content)
    sizes, times, head = (content.index(name) for name in (b"stsz", b"stts", b"mdhd"))
    (ticks,) = struct.unpack_from(">I", content, times + 16)
    struct.pack_into(">I", content, sizes + 12, count)
    struct.pack_into(">II", content, times + 8, 1, count)
    struct.pack_into(">I", content, head + 20, count * ticks)
    return bytes(content)


def sample_count(content):
    return int.from_bytes(content[(at := content.index(b"stsz") + 12) : at + 4])


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(400, 40_000),
    rate_hz=st.sampled_from([8_000, 16_000, 24_000, 44_100, 48_000]),
    channels=st.integers(1, 2),
    silent=st.booleans(),
)
@pytest.mark.parametrize("how", OGG + MP4 + FRAGMENTED, ids=str)
def test_good_files_count_all(tmp_path_factory, how, count, rate_hz, channels, silent):
    samples = noise(count, channels) * (not silent)
    try:
        content = encoded(how, samples, rate_hz)
    except (soundfile.LibsndfileError, av.FFmpegError, ValueError):
        return  # not all codecs have all rates
    try:
        assert read(tmp_path_factory.getbasetemp(), "good", content).damage is None
    except AudioError as error:
        assert "25 ms" in str(error)  # resampled, too few


@pytest.mark.parametrize("how", OGG, ids=str)
@pytest.mark.parametrize("left", [0.0, 0.25, 0.75])
@pytest.mark.parametrize("count", [4_000, 48_000])  # one page of audio, and several
def test_an_ogg_whose_last_page_counts_too_few_is_damaged(tmp_path, how, left, count):
    content = encoded(how, noise(count), 16_000)
    whole = position_of(pages(content)[-1])
    changed = ending_at(content, int(left * whole))
    with pytest.raises(AudioError, match=r"its last page does not count .* s of its packets; .* s"):
        read(tmp_path, "a.ogg", changed)
    if left:
        found = read(tmp_path, "a.ogg", changed, allow_damaged=True)
        assert 0 < found.duration_s <= count / 16_000 + 0.03 and "does not count" in found.damage


def test_a_first_page_that_counts_what_is_not_there_hides_no_end(tmp_path):
    parts = pages(encoded(("OGG", "VORBIS"), noise(48_000), 16_000))
    at = next(at for at, page in enumerate(parts) if position_of(page))
    parts[at] = with_position(parts[at], 40_000)
    with pytest.raises(AudioError, match="its last page does not count"):
        read(tmp_path, "a.ogg", b"".join(parts))


def test_an_ogg_may_begin_anywhere_and_end_within_its_last_packet(tmp_path):
    content = encoded(("OGG", "VORBIS"), noise(48_000), 16_000)
    later = [
        with_position(page, position_of(page) + 1_000_000 * bool(position_of(page)))
        for page in pages(content)
    ]
    assert read(tmp_path, "a.ogg", b"".join(later)).duration_s == pytest.approx(3, abs=0.2)
    whole = position_of(pages(content)[-1])
    assert read(tmp_path, "a.ogg", ending_at(content, whole - 100)).damage is None


@pytest.mark.parametrize("how", MP4, ids=str)
@pytest.mark.parametrize("left", [0.25, 0.9])
def test_an_mp4_whose_tables_list_too_few_is_damaged(tmp_path, how, left):
    rate_hz = 48_000 if how[0] == "libopus" else 16_000
    content = encoded(how, noise(2 * rate_hz), rate_hz)
    changed = listing(content, int(left * sample_count(content)))
    with pytest.raises(
        AudioError, match=r"its tables do not list .* bytes of its media data; .* s"
    ):
        read(tmp_path, "a.m4a", changed)
    found = read(tmp_path, "a.m4a", changed, allow_damaged=True)
    assert 2 * left - 0.3 < found.duration_s < 2.3  # of PCM, the chunks count
    assert "do not list" in found.damage


def test_a_fragment_that_lists_too_few_is_damaged(tmp_path):
    content = bytearray(encoded(FRAGMENTED[0], noise(32_000), 16_000))
    at = content.index(b"trun") + 8
    struct.pack_into(">I", content, at, int.from_bytes(content[at : at + 4]) - 1)
    with pytest.raises(AudioError, match="its tables do not list"):
        read(tmp_path, "a.mp4", content)


def test_media_data_may_be_padded(tmp_path):
    content = encoded(("aac", "ipod", {"moov_size": "60000"}), noise(16_000), 16_000)
    at = content.index(b"mdat") - 4  # it is the last box
    for more in (bytes(500), b"\0\0\0\x10free" + b"x" * 8):
        length = (len(content) - at + len(more)).to_bytes(4)
        padded = content[:at] + length + content[at + 4 :] + more
        assert read(tmp_path, "a.m4a", padded).damage is None
