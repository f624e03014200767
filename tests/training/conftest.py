"""A corpus of a few short clips whose classes can be told apart, and a recipe that is done soon."""

import numpy as np
import pytest
import soundfile

from fakemamba.data.synthetic import speech_like
from fakemamba.training.recipe import (
    DataRecipe,
    DetectorRecipe,
    OptimizationRecipe,
    Recipe,
    SelectionRecipe,
)


def write_clips(folder, name, count, first_seed):
    """A manifest of clips of 0.25 to 0.5 s; every second one is bona fide, the others hum."""
    lines = ["path,trial_id,label"]
    for number in range(count):
        num_samples = 4_000 + 500 * (number % 9)
        clip = 0.5 * speech_like(num_samples, first_seed + number)
        if number % 2:
            clip = clip + 0.3 * np.sin(np.arange(num_samples) * 0.9)
        path = folder / name / f"{name}{number}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, clip, 16_000)
        label = "spoof" if number % 2 else "bonafide"
        lines.append(f"{name}/{path.name},{path.stem},{label}")
    manifest = folder / f"{name}.csv"
    manifest.write_text("\n".join(lines) + "\n")
    return manifest


@pytest.fixture(scope="session")
def manifests(tmp_path_factory):
    """Manifests of 14 training and 7 validation clips."""
    folder = tmp_path_factory.mktemp("clips")
    return write_clips(folder, "train", 14, 0), write_clips(folder, "dev", 7, 100)


@pytest.fixture
def make_recipe(manifests):
    """Recipes of two epochs of three steps; keywords change fields of their tables."""

    def make(detector="fake-mamba", *, data=None, optimization=None, selection=None, **made):
        options = {"depth": 1, "width": 16} if "options" not in made else made.pop("options")
        return Recipe(
            detector=DetectorRecipe(detector, "xls-r-tiny", options, **made),
            data=DataRecipe(
                train_manifest=manifests[0],
                validation_manifest=manifests[1],
                **{"num_samples": 3_200, "crop": "random", **(data or {})},
            ),
            optimization=OptimizationRecipe(
                **{"learning_rate": 1e-3, "batch_size": 4, **(optimization or {})}
            ),
            selection=SelectionRecipe(
                **{"max_epochs": 2, "averaged": 2, "batch_size": 3, **(selection or {})}
            ),
        )

    return make
