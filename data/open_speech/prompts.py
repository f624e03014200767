"""The human recordings: telephone prompts in five languages, each with its text.

They are the Asterisk core sounds, as Debian packages them (``asterisk-core-sounds-*-g722``): G.722
at 16 kHz. A prompt's file name, ``digits/7``, is the same in all languages, and so is what it says:
it is the prompt's text id.
"""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from fakemamba.data.audio import SAMPLE_RATE_HZ, Waveform, read_audio
from fakemamba.data.open_speech.channel import frame_power

SOUNDS = Path("/usr/share/asterisk/sounds")
DOCUMENTS = Path("/usr/share/doc")
BYTES_PER_S = 8_000  # of G.722 at 64 kbit/s
SHORTEST_S = 0.8  # of a file: speech of 0.6 s and its silence
LONGEST_S = 10.0  # longer prompts are cut at their pauses
PAUSE_FRAMES = 20  # 10 ms each: a pause to cut at is 0.2 s long
PAUSE_DB = 35.0  # a pause's frames are so far below the loudest one

REMARK = re.compile(r"[\[(]")  # what was recorded besides speech, and how it is to be said
LOST_LETTER = re.compile(r"\?(?=\s*[a-zà-ÿ])")  # "non ? valido": an accent that was lost
UNSAYABLE = re.compile(r"[^\w\s.,;:?!'-]|_|(?<!\w)[.,;:?!'-]+")


class PromptError(ValueError):
    """The human recordings cannot be used; the message names the file and the remedy."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A person who read the prompts of one language. One person may have read several."""

    language: str
    speaker: str
    author: str
    licence: str
    folder: str

    @property
    def package(self) -> str:
        """The Debian package with the recordings."""
        return f"{self.texts_package}-g722"

    @property
    def texts_package(self) -> str:
        """The Debian package with the transcripts."""
        return f"asterisk-core-sounds-{self.language}"


READERS = {
    reader.language: reader
    for reader in (
        Reader("en", "allison", "Allison Smith, 2003-2010", "CC-BY-SA-3.0", "en_US_f_Allison"),
        Reader("es", "allison", "Allison Smith, 2003-2010", "CC-BY-SA-3.0", "es_MX_f_Allison"),
        Reader("fr", "june", "June Wallack, 2006-2008", "CC-BY-SA-3.0", "fr_CA_f_June"),
        Reader("it", "carlo", "Carlo Flora, 2012", "CC-BY-3.0", "it_IT_m_Carlo"),
        Reader("ru", "ivrvoice-ru", "Maxim Topal, 2010", "CC-BY-3.0", "ru_RU_f_IvrvoiceRU"),
    )
}


@dataclass(frozen=True, slots=True)
class Prompt:
    """A human recording, or a piece of a long one: ``samples`` from ``start`` on at 16 kHz.

    ``samples`` is None where the piece goes on to the end. The text of a piece is its share of the
    words, by duration.
    """

    text_id: str
    language: str
    text: str
    path: Path
    start: int = 0
    samples: int | None = None

    @property
    def reader(self) -> Reader:
        """Who reads."""
        return READERS[self.language]

    def read(self) -> Waveform:
        """The waveform (samples,) float32 at 16 kHz."""
        stop = None if self.samples is None else self.start + self.samples
        return read_audio(self.path)[self.start : stop]


def read_prompts(reader: Reader) -> tuple[list[Prompt], Counter[str]]:
    """All usable prompts of a language, sorted by text id, and how many are left out and why.

    Raises:
        PromptError: no transcripts, or a line of them that is none.
    """
    texts = read_transcripts(_transcripts(reader))
    folder = SOUNDS / reader.folder
    prompts, left_out = [], Counter[str]()
    for path in sorted(folder.rglob("*.g722")):
        text_id = path.relative_to(folder).with_suffix("").as_posix()
        text = texts.get(text_id)
        if path.stat().st_size < SHORTEST_S * BYTES_PER_S:
            left_out["shorter than 0.8 s, or empty"] += 1
        elif text is None:
            left_out["without a transcript"] += 1
        elif REMARK.search(text) or LOST_LETTER.search(text) or not sayable(text):
            left_out["no speech, or a doubtful transcript"] += 1
        else:
            prompts.append(Prompt(text_id, reader.language, sayable(text), path))
    return prompts, left_out


def read_transcripts(path: Path) -> dict[str, str]:
    """What each prompt says, of a gzipped list with lines ``text id: text``; ``;`` is a comment.

    Raises:
        PromptError: a line that is neither, with its number.
    """
    texts: dict[str, str] = {}
    lines = gzip.decompress(path.read_bytes()).decode("utf-8-sig").splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith(";"):
            continue
        text_id, colon, text = line.partition(":")
        if not colon:
            raise PromptError(f"{path}, line {number}: no ':' after a text id in {line!r}")
        texts.setdefault(text_id.strip(), text.strip())
    return texts


def sayable(text: str) -> str:
    """The text in letters, digits and punctuation that every synthesizer knows."""
    plain = UNSAYABLE.sub(" ", text.replace("’", "'").replace("…", "."))
    return " ".join(plain.split())


def in_pieces(prompts: Iterable[Prompt]) -> list[Prompt]:
    """The prompts, those over 10 s cut at their pauses into pieces of at most that, if they can."""
    pieces = []
    for prompt in prompts:
        if prompt.path.stat().st_size <= LONGEST_S * BYTES_PER_S:
            pieces.append(prompt)
            continue
        waveform = prompt.read()
        spans = cut_at_pauses(waveform)
        ends = np.array([stop for _, stop in spans]) / len(waveform)
        words = prompt.text.split()
        edges = [0, *np.rint(ends * len(words)).astype(int)]
        pieces += [
            replace(prompt, text=" ".join(words[first:last]), start=start, samples=stop - start)
            for (start, stop), (first, last) in zip(spans, pairwise(edges), strict=True)
            if last > first and stop - start <= LONGEST_S * SAMPLE_RATE_HZ
        ]
    return pieces


def cut_at_pauses(waveform: Waveform) -> list[tuple[int, int]]:
    """Spans of samples that make up the waveform, each the longest of at most 10 s.

    They end in the middle of a pause; where there is none in 10 s, a span is longer.
    """
    power = frame_power(waveform)
    quiet = power < power.max() * 10 ** (-PAUSE_DB / 10)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], quiet, [0]])))
    pauses = edges.reshape(-1, 2)  # first frame, frame after the last
    long = pauses[pauses[:, 1] - pauses[:, 0] >= PAUSE_FRAMES]
    frame = len(waveform) // len(power)
    middles = [int(middle) for middle in long.mean(axis=1) * frame] + [len(waveform)]
    spans, start = [], 0
    for here, following in zip(middles, [*middles[1:], None], strict=True):
        if following is None or following - start > LONGEST_S * SAMPLE_RATE_HZ:
            spans.append((start, here))
            start = here
    return spans


def _transcripts(reader: Reader) -> Path:
    name = f"core-sounds-{reader.language}.txt.gz"
    path = DOCUMENTS / reader.texts_package / name
    if not path.is_file():
        raise PromptError(
            f"{path}: no transcripts; a system that leaves out documents when it installs packages "
            f"(dpkg's path-exclude) needs that folder: apt-get install --reinstall "
            f"{reader.texts_package} with a path-include for it"
        )
    return path
