"""The attacks of the open corpus, by name."""

from __future__ import annotations

from fakemamba.data.open_speech.attacks import (
    espeak,
    festival,
    flite,
    griffin_lim,
    lpc,
    opus,
    piper,
    world,
)

ATTACKS = {
    attack.name: attack
    for attack in (
        espeak.ATTACK,
        festival.DIPHONES,
        festival.CLUSTER_UNITS,
        griffin_lim.ATTACK,
        lpc.ATTACK,
        flite.ATTACK,
        festival.HTS,
        piper.ATTACK,
        world.COPY,
        world.CONVERSION,
        opus.ATTACK,
    )
}
