"""The open corpus that `fakemamba corpus build open-speech` makes.

Its size depends on the build, so its counts are those of its own manifest.
"""

from __future__ import annotations

from fakemamba.data.corpora.corpus import Description, Part

FAMILIES = dict.fromkeys(
    ("espeak-ng", "festival-clunits", "festival-diphone", "festival-hts", "flite", "piper"),
    "text-to-speech",
)
FAMILIES |= dict.fromkeys(("griffin-lim", "lpc", "opus-10k", "world"), "copy-synthesis")
FAMILIES |= {"world-conversion": "voice-conversion"}

OPEN_SPEECH = Description(
    name="open-speech",
    title="the open speech corpus",
    source="fakemamba corpus build open-speech",
    licence="in its LICENCES.md",
    layout="""\
manifest.csv
audio/**/*.flac""",
    judged="test",
    parts=(
        Part(
            keys=("manifest.csv",),
            phases=dict.fromkeys(
                ("train", "dev", "test", "partial-train", "partial-dev", "partial-spoof")
            ),
        ),
    ),
    families=FAMILIES,
)
