"""Tables of lengths: what they keep of a corpus, what is drawn from them, and how they are read."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from fakemamba.data.lengths import (
    USUAL_INPUT_S,
    LengthsError,
    draw_durations,
    list_lengths,
    read_lengths,
    summarise_lengths,
    write_lengths,
)
from fakemamba.data.measuring_lengths import measure_lengths

SOUNDS = Path("/usr/share/asterisk/sounds")  # of Debian's asterisk-core-sounds-XX-g722
VOICES = {
    "en": "en_US_f_Allison",
    "es": "es_MX_f_Allison",
    "fr": "fr_CA_f_June",
    "it": "it_IT_m_Carlo",
    "ru": "ru_RU_f_IvrvoiceRU",
}
NO_SPEECH = {"beep", "beeperr", "ascending-2tone", "descending-2tone"}

durations = st.lists(st.integers(400, 2_000_000).map(lambda n: n / 16_000), min_size=1)


def summarise(durations_s):
    return summarise_lengths(durations_s, name="t", source="test", licence=None, made_by="test")


def speech_like_corpus(count):
    return np.random.default_rng(0).lognormal(0.5, 1.0, count) + 0.2


@pytest.fixture
def corpus(tmp_path):
    """Three recordings of 1, 0.5 and 2 s, at three rates, and their manifest."""
    for name, num_samples, rate_hz in (
        ("a.wav", 16_000, 16_000),
        ("b.flac", 4_000, 8_000),
        ("c.wav", 96_000, 48_000),
    ):
        soundfile.write(tmp_path / name, np.full(num_samples, 0.1), rate_hz)
    return write_manifest(tmp_path, "a.wav", "b.flac", "c.wav")


def write_manifest(folder, *names):
    manifest = folder / "corpus.csv"
    manifest.write_text("\n".join(["path", *names]) + "\n")
    return manifest


@given(durations)
def test_few_recordings_are_all_kept(durations_s):
    table = summarise(durations_s)
    assert table.count == len(durations_s)
    np.testing.assert_allclose(table.durations_s, sorted(durations_s), rtol=0, atol=1e-7)
    assert table.hours == pytest.approx(sum(durations_s) / 3600)


@pytest.mark.parametrize("count", [1_000, 1_001, 2_760, 12_345])
def test_many_recordings_keep_their_sum_ends_and_percentiles(count):
    durations_s = speech_like_corpus(count)
    table = summarise(durations_s)
    assert len(table.durations_s) == 1_000
    assert table.hours == pytest.approx(durations_s.sum() / 3600, rel=1e-6)
    assert table.quantile_s([0, 1]) == pytest.approx([durations_s.min(), durations_s.max()])
    levels = [0.05, 0.25, 0.5, 0.75, 0.95, 0.99]
    for level, quantile_s in zip(levels, table.quantile_s(levels), strict=True):
        low_s, high_s = np.quantile(durations_s, [level - 0.001, level + 0.001])
        assert low_s <= quantile_s <= high_s
    assert abs(table.share_under(4.0) - (durations_s < 4.0).mean()) <= 0.001


@given(durations, st.lists(st.floats(0, 1), min_size=2))
def test_quantiles_are_monotone_and_within_the_ends(durations_s, levels):
    table = summarise(durations_s)
    quantiles_s = table.quantile_s(sorted(levels))
    assert (np.diff(quantiles_s) >= 0).all()
    assert table.min_s <= quantiles_s[0] and quantiles_s[-1] <= table.max_s


def test_64600_samples_are_not_under_64600_samples():
    table = summarise(np.array([64_599, 64_600, 64_600, 64_601]) / 16_000)
    assert table.share_under(USUAL_INPUT_S) == 0.25


@given(durations)
def test_a_draw_of_all_is_all(durations_s):
    table = summarise(durations_s)
    np.testing.assert_allclose(draw_durations(table, table.count), table.durations_s)


def test_a_draw_is_the_middles_of_equal_shares():
    table = summarise(np.arange(1, 101))
    assert draw_durations(table, 1) == pytest.approx([50.5])
    assert draw_durations(table, 4) == pytest.approx([13, 38, 63, 88])


@settings(max_examples=30)
@given(durations)
def test_the_mean_of_a_draw_converges_to_the_tables(durations_s):
    table = summarise(durations_s)
    errors_s = [abs(draw_durations(table, n).mean() - table.mean_s) for n in (20, 2_000)]
    spread_s = table.max_s - table.min_s
    assert errors_s[0] <= spread_s / 20 + 1e-9 and errors_s[1] <= spread_s / 2_000 + 1e-9


def test_nothing_cannot_be_drawn():
    with pytest.raises(ValueError, match="0 durations cannot be drawn"):
        draw_durations(summarise([1.0]), 0)


def test_headers_tell_durations_at_any_rate(corpus):
    table = measure_lengths(corpus)
    assert (table.name, table.source, table.licence) == ("corpus", "corpus.csv", None)
    assert table.durations_s == (0.5, 1.0, 2.0)


def test_a_raw_stream_is_decoded(tmp_path):
    (tmp_path / "a.g722").write_bytes(np.random.default_rng(0).bytes(6_000))
    assert measure_lengths(write_manifest(tmp_path, "a.g722")).durations_s == (0.75,)


def test_a_header_without_a_count_is_no_length(tmp_path):
    soundfile.write(tmp_path / "a.flac", np.zeros(12_000), 16_000)
    content = bytearray((tmp_path / "a.flac").read_bytes())
    content[21] &= 0xF0  # the 36 bits of STREAMINFO that count the samples; 0 is unknown
    content[22:26] = bytes(4)
    (tmp_path / "a.flac").write_bytes(content)
    assert measure_lengths(write_manifest(tmp_path, "a.flac")).durations_s == (0.75,)


def test_a_damaged_recording_is_measured_only_if_that_is_allowed(corpus):
    path = corpus.parent / "c.wav"
    path.write_bytes(path.read_bytes()[: 44 + 96_000])  # of 192,000
    with pytest.raises(LengthsError, match=r"c\.wav: damaged: .*1\.000 s of 2\.000 s are there"):
        measure_lengths(corpus)
    table = measure_lengths(corpus, allow_damaged=True)
    assert table.durations_s == (0.5, 1.0, 1.0) and table.made_by.endswith("--allow-damaged")


def test_progress_sees_every_recording(corpus):
    seen = []
    measure_lengths(
        corpus, progress=lambda paths: (seen.append(path.name) or path for path in paths)
    )
    assert seen == ["a.wav", "b.flac", "c.wav"]


def test_all_that_cannot_be_read_is_named_at_the_end(corpus):
    folder = corpus.parent
    (folder / "empty.wav").touch()
    (folder / "text.flac").write_bytes(b"this is no audio" * 99)
    (folder / "headerless.raw").write_bytes(b"\0" * 9_000)
    soundfile.write(folder / "short.wav", np.zeros(399), 16_000)
    bad = ["empty.wav", "text.flac", "headerless.raw", "short.wav"]
    write_manifest(folder, "a.wav", *bad, "c.wav")
    with pytest.raises(LengthsError, match="4 of 6 recordings cannot be used") as caught:
        measure_lengths(corpus)
    lines = str(caught.value).splitlines()[1:]
    assert [name for name, line in zip(bad, lines, strict=True) if name in line] == bad


def test_a_table_is_read_as_it_was_written(tmp_path):
    table = summarise(speech_like_corpus(3_000))
    write_lengths(table, tmp_path / "t.json")
    assert read_lengths(tmp_path / "t.json") == table


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 99}, "has schema 99, but this version reads 1"),
        ({"durations_s": [2.0, 1.0]}, "positive numbers that ascend"),
        ({"min_s": 0.0}, "positive numbers that ascend"),
        ({"max_s": float("nan")}, "max_s: should be a finite number"),
        ({"max_s": 1e300}, "max_s: should be less than"),
        ({"count": 10**400}, "count: should be less than"),
        ({"count": True}, "count: should be a valid integer"),
        ({"name": 1}, "name: should be a valid string, but is 1"),
        ({"licence": 1}, "licence: should be a valid string, but is 1"),
        ({"count": 3}, "2 durations of 3 recordings"),
        ({"durations_s": ["a", "b"]}, "no table of lengths"),
        ({"more": 1}, "no table of lengths"),
    ],
    ids=str,
)
def test_numbers_that_no_corpus_has_are_refused(tmp_path, change, message):
    path = tmp_path / "t.json"
    write_lengths(summarise([1.0, 2.0]), path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(LengthsError, match=message):
        read_lengths(path)


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b"\xff\xfe"])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(LengthsError, match=r"x\.json.* is no table of lengths"):
        read_lengths(tmp_path / "x.json")


def test_an_unknown_name_lists_the_known():
    with pytest.raises(LengthsError, match=r"asvspoof: no such file.*asterisk-prompts-en"):
        read_lengths("asvspoof")


def test_no_durations_are_no_table():
    with pytest.raises(LengthsError, match="no recordings"):
        summarise([])


@pytest.mark.parametrize("name", list_lengths())
def test_tables_that_come_with_the_package_say_where_they_are_from(name):
    table = read_lengths(name)
    assert table.name == name and table.licence and table.source
    assert f"fakemamba lengths {name}.csv" in table.made_by


@pytest.mark.parametrize("language", VOICES)
def test_the_table_of_prompts_is_that_of_the_installed_package(language):
    paths = [
        path
        for path in (SOUNDS / VOICES[language]).rglob("*.g722")
        if "silence" not in path.parts and path.stem not in NO_SPEECH
    ]
    if not paths:
        pytest.skip(f"asterisk-core-sounds-{language}-g722 is not installed")
    sizes = [path.stat().st_size for path in paths]  # 64 kbit/s
    wanted = sorted(size / 8_000 for size in sizes if size)
    found = read_lengths(f"asterisk-prompts-{language}").durations_s
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-7)


def test_the_table_of_all_prompts_is_the_sum_of_the_languages():
    tables = [read_lengths(f"asterisk-prompts-{language}") for language in VOICES]
    pooled = np.sort(np.concatenate([table.durations_s for table in tables]))
    together = read_lengths("asterisk-prompts")
    assert together.durations_s == pytest.approx(summarise(pooled).durations_s, abs=2e-7)
    assert together.count == len(pooled)


def test_reading_lengths_needs_no_torch():
    code = "import sys, fakemamba.data.lengths; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
