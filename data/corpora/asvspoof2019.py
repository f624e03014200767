"""ASVspoof 2019 LA (logical access): speech synthesis and conversion, attacks A01 to A19.

Wang et al., ASVspoof 2019: a large-scale public database of synthesized, converted and replayed
speech, Computer Speech and Language 2020, arXiv 1911.01601.
"""

from __future__ import annotations

from fakemamba.data.corpora.corpus import Description, Part
from fakemamba.data.trial_counts import ASVSPOOF2019_LA as COUNTS

PROTOCOLS = "ASVspoof2019_LA_cm_protocols/ASVspoof2019.LA.cm"
LISTS = {"train": "train.trn.txt", "dev": "dev.trl.txt", "eval": "eval.trl.txt"}
# Table 1 of the paper; what converts the speech of a synthesizer is a family of its own.
FAMILIES = dict.fromkeys(
    ("A01", "A02", "A03", "A04", "A07", "A08", "A09", "A10", "A11", "A12", "A16"), "text-to-speech"
)
FAMILIES |= dict.fromkeys(("A13", "A14", "A15"), "text-to-speech-and-conversion")
FAMILIES |= dict.fromkeys(("A05", "A06", "A17", "A18", "A19"), "voice-conversion")


def _part(phase: str) -> Part:
    key = f"{PROTOCOLS}.{LISTS[phase]}"
    audio = f"ASVspoof2019_LA_{phase}/flac"
    return Part(
        keys=(f"LA/{key}", key),
        phases={phase: COUNTS[phase]},
        audio=(f"LA/{audio}", audio),
        surplus="enrolment utterances of the speaker verification task",
    )


ASVSPOOF2019_LA = Description(
    name="asvspoof2019-la",
    title="ASVspoof 2019 LA",
    source="Edinburgh DataShare, doi 10.7488/ds/2555 (LA.zip), or Zenodo record 6906306",
    licence="ODC-By",
    layout="""\
LA/
  ASVspoof2019_LA_cm_protocols/ASVspoof2019.LA.cm.{train.trn,dev.trl,eval.trl}.txt
  ASVspoof2019_LA_{train,dev,eval}/flac/LA_[TDE]_*.flac""",
    judged="eval",
    parts=tuple(_part(phase) for phase in COUNTS),
    families=FAMILIES,
)
