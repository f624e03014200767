"""Three ways of speaking of Festival: diphones, cluster units and hidden Markov models."""

from __future__ import annotations

import numpy as np

from fakemamba.data.audio import Waveform
from fakemamba.data.open_speech.attacks.attack import Attack, Original, Voice, at_duration
from fakemamba.data.open_speech.attacks.programs import spoken
from fakemamba.data.open_speech.attacks.tempo import at_tempo

# Said before the voice is used, at a rate. Units that are played as they are have none.
RATE_COMMANDS = {
    "diphone": "(Parameter.set 'Duration_Stretch {stretch:.4f})",
    "hts": '(set! hts_engine_params (append hts_engine_params (list (list "-r" {rate:.4f}))))',
}
SCRIPT = """(voice_{voice})
{rate}
(set! said (Utterance Text "{text}"))
(utt.synth said)
(utt.wave.rescale said 0.5 t)
(utt.save.wave said "{{output}}" 'riff)
"""


def _forge(original: Original, voice: Voice | None, rng: np.random.Generator) -> Waveform:
    assert voice is not None
    command = RATE_COMMANDS.get(voice.name.rpartition("_")[2])
    encoding = "utf-8" if original.language == "ru" else "latin-1"

    def at_rate(rate: float) -> Waveform:
        setting = (command or "").format(rate=rate, stretch=1 / rate)
        script = SCRIPT.format(voice=voice.name, rate=setting, text=original.text)
        return spoken(["festival", "-b", "{input}"], script.encode(encoding, errors="ignore"))

    if command is not None:
        return at_duration(at_rate, len(original.speech))
    own = at_rate(1.0)
    return at_duration(lambda rate: at_tempo(own, rate), len(original.speech))


DIPHONES = Attack(
    name="festival-diphone",
    kind="diphone synthesis",
    vocoder="residual-excited lpc",
    unseen=False,
    forge=_forge,
    voices={
        "it": (
            Voice("lp_diphone", "istc-lp", "festvox-italp16k", "GPL-2.0-or-later"),
            Voice("pc_diphone", "istc-pc", "festvox-itapc16k", "GPL-2.0-or-later"),
        )
    },
    debian=("festival", "festvox-italp16k", "festvox-itapc16k"),
)
CLUSTER_UNITS = Attack(
    name="festival-clunits",
    kind="unit selection",
    vocoder="concatenation",
    unseen=False,
    forge=_forge,
    voices={"ru": (Voice("msu_ru_nsh_clunits", "msu-nsh", "festvox-ru", "LicenseRef-festvox-ru"),)},
    debian=("festival", "festvox-ru"),
)
HTS = Attack(
    name="festival-hts",
    kind="statistical parametric synthesis (HTS)",
    vocoder="mlsa",
    unseen=True,
    forge=_forge,
    voices={
        "en": (
            Voice(
                "cmu_us_slt_arctic_hts", "cmu-slt", "festvox-us-slt-hts", "LicenseRef-CMU-arctic"
            ),
        )
    },
    debian=("festival", "festvox-us-slt-hts"),
)
