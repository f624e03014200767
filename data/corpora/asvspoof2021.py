"""ASVspoof 2021 LA and DF (deepfake): 2019's attacks and others, through codecs and transmission.

Both are tests alone: one key with the phases progress, eval and hidden (without pauses). Published
results are of eval. Liu et al., ASVspoof 2021: towards spoofed and deepfake speech detection in the
wild, IEEE/ACM TASLP 2023, arXiv 2210.02437.
"""

from __future__ import annotations

from fakemamba.data.corpora.asvspoof2019 import FAMILIES
from fakemamba.data.corpora.corpus import Description, Part
from fakemamba.data.trial_counts import ASVSPOOF2021_DF as DF_COUNTS
from fakemamba.data.trial_counts import ASVSPOOF2021_LA as LA_COUNTS


def _keys(track: str) -> tuple[str, ...]:
    key = f"keys/{track}/CM/trial_metadata.txt"
    return key, f"{track}-keys-full/{key}", "keys/CM/trial_metadata.txt"


ASVSPOOF2021_LA = Description(
    name="asvspoof2021-la",
    title="ASVspoof 2021 LA",
    source="Zenodo record 4837263 (audio); LA-keys-full.tar.gz of asvspoof.org (keys)",
    licence="ODC-By",
    layout="""\
ASVspoof2021_LA_eval/flac/LA_E_*.flac
keys/LA/CM/trial_metadata.txt""",
    judged="eval",
    parts=(
        Part(
            keys=_keys("LA"),
            phases=LA_COUNTS,
            audio=(
                "ASVspoof2021_LA_eval/flac",
                "ASVspoof2021_LA_eval/ASVspoof2021_LA_eval/flac",
            ),
        ),
    ),
    families=FAMILIES,  # the attacks are those of 2019's eval phase
)

ASVSPOOF2021_DF = Description(
    name="asvspoof2021-df",
    title="ASVspoof 2021 DF",
    source="Zenodo record 4835108 (audio); DF-keys-full.tar.gz of asvspoof.org (keys)",
    licence="ODC-By",
    layout="""\
ASVspoof2021_DF_eval/flac/DF_E_*.flac
  or ASVspoof2021_DF_eval_part0{0,1,2,3}/ASVspoof2021_DF_eval/flac/DF_E_*.flac
keys/DF/CM/trial_metadata.txt""",
    judged="eval",
    parts=(
        Part(
            keys=_keys("DF"),
            phases=DF_COUNTS,
            audio=(
                "ASVspoof2021_DF_eval/flac",
                "ASVspoof2021_DF_eval_part0[0-3]/ASVspoof2021_DF_eval/flac",
            ),
        ),
    ),
)
