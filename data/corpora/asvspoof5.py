"""ASVspoof 5, track 1: crowdsourced speech of about 2,000 speakers, 32 attacks, coded in the test.

Wang et al., ASVspoof 5: crowdsourced speech data, deepfakes, and adversarial attacks at scale,
ASVspoof Workshop 2024, arXiv 2408.08739.
"""

from __future__ import annotations

from fakemamba.data.corpora.corpus import Description, Part
from fakemamba.data.trial_counts import ASVSPOOF5 as COUNTS

LISTS = {"train": "train", "dev": "dev.track_1", "eval": "eval.track_1"}
FOLDERS = {"train": "flac_T", "dev": "flac_D", "eval": "flac_E_eval"}


def _part(phase: str) -> Part:
    key = f"ASVspoof5.{LISTS[phase]}.tsv"
    archives = f"flac_{phase[0].upper()}_a[a-j]"
    return Part(
        keys=(f"ASVspoof5_protocols/{key}", key),
        phases={phase: COUNTS[phase]},
        audio=(FOLDERS[phase], f"{archives}/{FOLDERS[phase]}"),
        surplus="" if phase == "train" else "enrolment utterances of track 2",
    )


ASVSPOOF5 = Description(
    name="asvspoof5",
    title="ASVspoof 5, track 1",
    source="Zenodo record 14498691",
    licence="ODC-By; its bona fide recordings CC BY 4.0; read the record's own terms",
    layout="""\
ASVspoof5_protocols/ASVspoof5.{train,dev.track_1,eval.track_1}.tsv, or without that folder
flac_T/T_*.flac  flac_D/D_*.flac  flac_E_eval/E_*.flac""",
    judged="eval",
    parts=tuple(_part(phase) for phase in COUNTS),
)
