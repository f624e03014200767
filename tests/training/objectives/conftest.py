"""Recordings with something to be learned in parts of them, or of the systems that made them."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from fakemamba.data.synthetic import speech_like
from fakemamba.training.recipe import TargetRecipe
from fakemamba.training.run import train


@pytest.fixture(scope="session")
def spliced(tmp_path_factory):
    """Manifests of 8 and 4 recordings, of which a stretch hums in every second one, and an RTTM."""
    folder = tmp_path_factory.mktemp("spliced")
    segments, manifests = [], []
    for part, count in (("train", 8), ("dev", 4)):
        lines = ["path"]
        for number in range(count):
            name, samples = f"{part}{number}", 4_800 + 640 * number
            clip = 0.5 * speech_like(samples, 10 * len(manifests) + number)
            cuts = [0, 1_600, 4_000, samples]
            kinds = ["bonafide", "spoof" if number % 2 else "bonafide", "bonafide"]
            if number % 2:
                clip[1_600:4_000] += 0.3 * np.sin(np.arange(2_400) * 0.9)
            soundfile.write(folder / f"{name}.wav", clip, 16_000)
            lines.append(f"{name}.wav")
            segments += [
                f"SPEAKER {name} 1 {begin / 16_000} {(end - begin) / 16_000} <NA> <NA> {kind}\n"
                for begin, end, kind in zip(cuts, cuts[1:], kinds, strict=False)
            ]
        manifests.append(folder / f"{part}.csv")
        manifests[-1].write_text("\n".join(lines) + "\n")
    (folder / "truth.rttm").write_text("".join(segments))
    return *manifests, folder / "truth.rttm"


@pytest.fixture(scope="session")
def of_systems(tmp_path_factory):
    """Manifests of 8 and 5 recordings: two systems, one of which hums, and one bona fide."""
    folder = tmp_path_factory.mktemp("systems")
    manifests = []
    for part, count in (("train", 8), ("dev", 5)):
        lines = ["path,trial_id,label,attack,language"]
        for number in range(count):
            samples = 4_000 + 500 * number
            clip = 0.5 * speech_like(samples, 20 * len(manifests) + number)
            system = ["clean", "hum"][number % 2]
            if number % 2:
                clip = clip + 0.3 * np.sin(np.arange(samples) * 0.9)
            label = "spoof"
            if number == count - 1:
                label, system = "bonafide", ""
            soundfile.write(folder / f"{part}{number}.wav", clip, 16_000)
            lines.append(f"{part}{number}.wav,{part}{number},{label},{system},en")
        manifests.append(folder / f"{part}.csv")
        manifests[-1].write_text("\n".join(lines) + "\n")
    return manifests


@pytest.fixture(scope="session")
def teach(make_recipe):
    """Recipes of another target."""

    def recipe(manifests, target, *, selection=None, **changes):
        made = make_recipe(**changes)
        first, second = manifests[:2]
        return replace(
            made,
            data=replace(made.data, train_manifest=first, validation_manifest=second),
            target=TargetRecipe(**target),
            selection=replace(made.selection, **(selection or {})),
        )

    return recipe


@pytest.fixture(scope="session")
def train_here():
    """Train on the CPU, reading in this process."""

    def run(recipe, folder, **how):
        return train(recipe, folder, **{"device": "cpu", "workers": 0, **how})

    return run
