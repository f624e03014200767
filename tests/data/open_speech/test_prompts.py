"""The human prompts: which are usable, what they say, and where long ones are cut."""

import gzip
from itertools import pairwise

import numpy as np
import pytest

from fakemamba.data.open_speech import prompts
from fakemamba.data.open_speech.prompts import (
    LONGEST_S,
    READERS,
    PromptError,
    cut_at_pauses,
    in_pieces,
    read_prompts,
    read_transcripts,
    sayable,
)
from fakemamba.data.recordings import real_speech

TRANSCRIPTS = """; Core sounds

added: Aggiunto.
beep: [un suono]
broken: Il numero ? stato con successo...
digits/7: sette
empty: Vuoto.
short: No.
"""


@pytest.fixture
def sounds(tmp_path, monkeypatch):
    """A folder of prompts as a package has it: G.722 has 8,000 bytes a second."""
    monkeypatch.setattr(prompts, "SOUNDS", tmp_path / "sounds")
    monkeypatch.setattr(prompts, "DOCUMENTS", tmp_path / "doc")
    folder = tmp_path / "sounds" / READERS["it"].folder
    (folder / "digits").mkdir(parents=True)
    sizes = {"added": 8_000, "beep": 8_000, "broken": 8_000, "digits/7": 9_000, "empty": 0}
    for name, size in {**sizes, "short": 6_000, "unknown": 8_000}.items():
        (folder / f"{name}.g722").write_bytes(bytes(size))
    listed = tmp_path / "doc" / "asterisk-core-sounds-it" / "core-sounds-it.txt.gz"
    listed.parent.mkdir(parents=True)
    listed.write_bytes(gzip.compress(("\ufeff" + TRANSCRIPTS).encode()))
    return listed


def test_usable_prompts_are_kept_and_the_others_counted(sounds):
    kept, left_out = read_prompts(READERS["it"])
    assert [(one.text_id, one.text) for one in kept] == [
        ("added", "Aggiunto."),
        ("digits/7", "sette"),
    ]
    assert left_out == {
        "shorter than 0.8 s, or empty": 2,
        "without a transcript": 1,
        "no speech, or a doubtful transcript": 2,
    }
    assert len(kept[0].read()) == 16_000 and in_pieces(kept) == kept


def test_without_transcripts_the_remedy_is_named(sounds):
    sounds.unlink()
    with pytest.raises(PromptError, match="apt-get install --reinstall asterisk-core-sounds-it"):
        read_prompts(READERS["it"])


def test_a_line_that_is_no_transcript_is_named(tmp_path):
    path = tmp_path / "list.txt.gz"
    path.write_bytes(gzip.compress(b"; head\na: one\nno colon\n", mtime=0))
    with pytest.raises(PromptError, match=r"list\.txt\.gz, line 3: no ':'"):
        read_transcripts(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("«занято» — нет…", "занято нет."),
        (". 28,8 - да... , нет", "28,8 да. нет"),
        ("It’s 5, isn't it?", "It's 5, isn't it?"),
        ('a "b" \\ {c}_d', "a b c d"),
        ("- ! -", ""),
    ],
)
def test_only_what_can_be_said_is_left(text, said):
    assert sayable(text) == said


def test_long_speech_is_cut_in_its_pauses():
    rng = np.random.default_rng(0)
    parts, pauses, now = [], [], 0
    for seconds in (3.0, 4.0, 2.5, 6.0, 1.0):
        parts += [real_speech(int(16_000 * seconds), 0), 1e-5 * rng.standard_normal(8_000)]
        pauses.append((now + 16_000 * seconds, now + 16_000 * seconds + 8_000))
        now = int(pauses[-1][1])
    spans = cut_at_pauses(np.concatenate(parts).astype(np.float32))
    assert spans[0][0] == 0 and spans[-1][1] == now
    assert all(stop == start for (_, stop), (start, _) in pairwise(spans))
    assert all(stop - start <= LONGEST_S * 16_000 for start, stop in spans)
    assert len(spans) == 3  # 3 + 4, 2.5 + 6, 1; none could take the next part too
    for _, stop in spans[:-1]:
        assert any(first < stop < last for first, last in pauses)


def test_speech_without_a_pause_is_not_cut():
    assert cut_at_pauses(np.ones(16_000 * 12, np.float32)) == [(0, 16_000 * 12)]


def test_the_text_of_a_piece_is_its_share_of_the_words(sounds, monkeypatch):
    (prompt,) = read_prompts(READERS["it"])[0][:1]
    size = 8_000 * 20
    prompt.path.write_bytes(bytes(size))
    long = prompts.Prompt("x", "it", "uno due tre quattro", prompt.path)
    monkeypatch.setattr(prompts, "cut_at_pauses", lambda _: [(0, 80_000), (80_000, 320_000)])
    pieces = in_pieces([long])
    assert [(one.text, one.start, one.samples) for one in pieces] == [("uno", 0, 80_000)]
