"""In-the-Wild: public figures, bona fide and faked, as found on the web; one list, one phase.

Müller et al., Does audio deepfake detection generalize?, Interspeech 2022, arXiv 2203.16263.
"""

from __future__ import annotations

from fakemamba.data.corpora.corpus import Description, Part
from fakemamba.data.trial_counts import IN_THE_WILD as COUNTS

IN_THE_WILD = Description(
    name="in-the-wild",
    title="In-the-Wild",
    source="deepfake-total.com/in_the_wild (release_in_the_wild.zip)",
    licence="not stated here; read the site's terms",
    layout="""\
release_in_the_wild/meta.csv (file,speaker,label)
release_in_the_wild/*.wav""",
    judged="eval",
    parts=(Part(keys=("release_in_the_wild/meta.csv", "meta.csv"), phases=COUNTS),),
)
