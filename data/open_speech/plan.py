"""Which recordings the open corpus has: quartets of one human recording and its forgeries.

A quartet is a human recording and `FORGERIES` spoofs of the same text, in the same language, of
about the same duration, each by another attack. So no split tells its classes apart by text,
language or duration. The test has a speaker, her two languages and attacks of its own and, as all
splits, texts of its own: a text id is in one split only, whatever the language, and so are texts
that read the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import DisjointSet

from fakemamba.data.open_speech.attacks import ATTACKS
from fakemamba.data.open_speech.prompts import Prompt

FORGERIES = 3
# Phases of spliced recordings, by whose material they are of; the test's was the first there was.
PARTIAL = {"train": "partial-train", "dev": "partial-dev", "test": "partial-spoof"}
# They came later: they are numbered last, and spliced with more care, so that the others' ids and
# bytes stay as they were.
LATER = ("partial-dev", "partial-train")
# English and Spanish, read by one person, are together; most synthesizers know English.
LANGUAGES = {"train": ("fr", "it", "ru"), "dev": ("fr", "it", "ru"), "test": ("en", "es")}
SHARES = {"train": 0.4, "dev": 0.15, "test": 0.45}  # of the texts
LETTERS = {"train": "T", "dev": "D", "test": "E"}
LETTERS |= {"partial-train": "PT", "partial-dev": "PD", "partial-spoof": "P"}
SIZES: dict[str, int | None] = {"small": 8, "full": None}  # quartets a language and split


@dataclass(frozen=True, slots=True)
class Forgery:
    """One spoof to make: by which attack, in which of its voices (None: the original's)."""

    trial_id: str
    attack: str
    voice: int | None


@dataclass(frozen=True, slots=True)
class Splice:
    """Two recordings with foreign stretches: of a forgery, and of the same person's other prompt.

    ``forgery`` is the place of the spoof in the quartet. The second one is bona fide throughout, so
    that not every cut is a spoof's.
    """

    trial_id: str
    control_id: str
    forgery: int
    donor: Prompt


@dataclass(frozen=True, slots=True)
class Quartet:
    """A human recording, its forgeries, and what is spliced of them."""

    prompt: Prompt
    phase: str
    trial_id: str
    forgeries: tuple[Forgery, ...]
    splice: Splice


def plan_quartets(prompts: Sequence[Prompt], size: str, seed: int) -> list[Quartet]:
    """The quartets of a corpus; the same for the same prompts, size and seed."""
    phases = split_texts(prompts, np.random.default_rng([seed, 0]))
    chosen = []
    for phase, languages in LANGUAGES.items():
        for language in languages:
            fitting = [
                prompt
                for prompt in prompts
                if prompt.language == language and phases[prompt.text_id] == phase
            ]
            rng = np.random.default_rng([seed, 1, *phase.encode(), *language.encode()])
            order = rng.permutation(len(fitting))[: SIZES[size]]
            chosen += _quartets([fitting[index] for index in order], phase)
    return _named(chosen, np.random.default_rng([seed, 2]))


def split_texts(prompts: Iterable[Prompt], rng: np.random.Generator) -> dict[str, str]:
    """The phase of each text id. Ids whose texts read the same in some language go together."""
    alike = DisjointSet()
    same_words: dict[tuple[str, str], str] = {}
    for prompt in prompts:
        alike.add(prompt.text_id)
        if prompt.samples is None:  # the words of a piece are not known exactly
            words = " ".join(re.findall(r"\w+", prompt.text.lower()))
            first = same_words.setdefault((prompt.language, words), prompt.text_id)
            alike.merge(first, prompt.text_id)
    groups = sorted(sorted(group) for group in alike.subsets())
    edges = np.cumsum([*SHARES.values()]) * sum(map(len, groups))
    phases: dict[str, str] = {}
    placed = 0
    for index in rng.permutation(len(groups)):
        phase = list(SHARES)[min(int(np.searchsorted(edges, placed, "right")), len(SHARES) - 1)]
        phases |= dict.fromkeys(groups[index], phase)
        placed += len(groups[index])
    return phases


def attacks_for(language: str, phase: str) -> list[str]:
    """Names of the attacks that a language has in a split."""
    return [
        attack.name
        for attack in ATTACKS.values()
        if attack.unseen == (phase == "test")
        and (attack.voices is None or language in attack.voices)
    ]


def _quartets(prompts: Sequence[Prompt], phase: str) -> list[Quartet]:
    """Quartets whose attacks take turns, and their voices too; ids are given later."""
    quartets = []
    used = Counter[str]()
    for place, prompt in enumerate(prompts):
        names = attacks_for(prompt.language, phase)
        forgeries = []
        for turn in range(FORGERIES):
            name = names[(place * FORGERIES + turn) % len(names)]
            voices = ATTACKS[name].voices
            voice = None if voices is None else used[name] % len(voices[prompt.language])
            used[name] += 1
            forgeries.append(Forgery("", name, voice))
        donor = prompts[(place + 1) % len(prompts)]
        splice = Splice("", "", place % FORGERIES, donor)
        quartets.append(Quartet(prompt, phase, "", tuple(forgeries), splice))
    return quartets


def _named(quartets: Sequence[Quartet], rng: np.random.Generator) -> list[Quartet]:
    """Ids from a shuffled count, that say neither class nor quartet."""
    totals = Counter[str]()
    for quartet in quartets:
        totals[quartet.phase] += 1 + FORGERIES
        totals[PARTIAL[quartet.phase]] += 2
    phases = sorted(totals, key=lambda phase: (phase in LATER, phase))
    numbers = {phase: iter(rng.permutation(totals[phase])) for phase in phases}

    def new_id(phase: str) -> str:
        return f"OS_{LETTERS[phase]}_{next(numbers[phase]) + 1:05d}"

    named = []
    for quartet in quartets:
        forgeries = tuple(
            Forgery(new_id(quartet.phase), one.attack, one.voice) for one in quartet.forgeries
        )
        splice, partial = quartet.splice, PARTIAL[quartet.phase]
        splice = Splice(new_id(partial), new_id(partial), splice.forgery, splice.donor)
        trial_id = new_id(quartet.phase)
        named.append(Quartet(quartet.prompt, quartet.phase, trial_id, forgeries, splice))
    return named
