"""How many trials the publishers' own key files have, so that one that was cut cannot pass.

A file is known by its name and the number of its columns. Counts are bona fide and spoof.
"""

from __future__ import annotations

ASVSPOOF2019_LA = {
    "train": (2_580, 22_800),
    "dev": (2_548, 22_296),
    "eval": (7_355, 63_882),
}
ASVSPOOF2021_LA = {
    "progress": (1_676, 14_788),
    "eval": (14_816, 133_360),
    "hidden": (1_960, 14_966),
}
ASVSPOOF2021_DF = {
    "progress": (5_768, 53_557),
    "eval": (14_869, 519_059),
    "hidden": (1_980, 16_596),
}
ASVSPOOF5 = {
    "train": (18_797, 163_560),
    "dev": (31_334, 109_616),
    "eval": (138_688, 542_086),
}
IN_THE_WILD = {"eval": (19_963, 11_816)}

# File name and columns -> counts a phase; "" where the file is one phase and does not say which.
PUBLISHED = {
    # The other phases' counts are of the paper, not counted; they refuse no key.
    ("trial_metadata.txt", 8): {"eval": ASVSPOOF2021_LA["eval"]},
    ("trial_metadata.txt", 13): {"eval": ASVSPOOF2021_DF["eval"]},
    ("ASVspoof2019.LA.cm.train.trn.txt", 5): {"": ASVSPOOF2019_LA["train"]},
    ("ASVspoof2019.LA.cm.dev.trl.txt", 5): {"": ASVSPOOF2019_LA["dev"]},
    ("ASVspoof2019.LA.cm.eval.trl.txt", 5): {"": ASVSPOOF2019_LA["eval"]},
    ("ASVspoof5.train.tsv", 10): {"": ASVSPOOF5["train"]},
    ("ASVspoof5.dev.track_1.tsv", 10): {"": ASVSPOOF5["dev"]},
    ("ASVspoof5.eval.track_1.tsv", 10): {"": ASVSPOOF5["eval"]},
}
