"""What each study trains beside the recipe's own detector, and what the paper says of it.

A variant differs from the recipe in its detector alone. What only others quote of the Fake-Mamba
paper (arXiv 2508.09294) says so; figures themselves are in the table of published results.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from fakemamba.models.frontend import FRONTEND_SIZES
from fakemamba.models.frontend_sources import frontend_config
from fakemamba.models.frontends.choices import split_source
from fakemamba.models.registry import DETECTORS, family_name
from fakemamba.training.recipe import DetectorRecipe, Option, Recipe

OWN = "recipe"  # what all others are compared with
FAKE_MAMBA, DEPTH = "fake-mamba", 7  # blocks of the family unless said
SMALLEST = "xls-r-tiny"
OURS = "not in the paper"
CLEARLY_WORSE = "clearly worse, no figure known"
WORSE = "worse on all metrics, no figure known"
TABLE_3 = "Table III, as quoted, not verified"
TABLE_4 = "Table IV and summaries by others, as quoted, not verified"


class StudyError(ValueError):
    """A study cannot be made of this recipe, or not in this folder; the message says why."""


@dataclass(frozen=True)
class Variant:
    """A detector that a study trains.

    Attributes:
        name: of its folder and its rows.
        detector: instead of the recipe's.
        about: what is different, in words.
        paper: what the paper says of it in words, where no figure is known.
        source: where that is from.
        published: where a figure is known, its system in the table of published results.
    """

    name: str
    detector: DetectorRecipe
    about: str
    paper: str = ""
    source: str = ""
    published: str = ""


def study_variants(study: str, recipe: Recipe) -> tuple[Variant, ...]:
    """The variants of a study, the recipe's own first, and of equal ones the first alone.

    Args:
        study: one of `STUDIES`.
        recipe: what they are variants of.

    Raises:
        StudyError: no such study, or this recipe has nothing for it to vary.
    """
    if study not in STUDIES:
        raise StudyError(f"no study is called {study!r}, but {', '.join(STUDIES)} are")
    if recipe.target.kind != "recording":
        raise StudyError(
            f'target.kind is "{recipe.target.kind}", but a study judges detectors by their scores '
            'of whole recordings: take a recipe of kind "recording"'
        )
    own = recipe.detector
    variants = [Variant(OWN, own, f"{own.name} as in the recipe"), *STUDIES[study](own)]
    detectors = [variant.detector for variant in variants]
    return tuple(one for n, one in enumerate(variants) if one.detector not in detectors[:n])


def _ablations(own: DetectorRecipe) -> Iterable[Variant]:
    """The rows of Table III, and one of ours."""
    if family_name(own.name) != FAKE_MAMBA:
        raise StudyError(
            f"the ablations take parts out of Fake-Mamba, but the recipe's detector is {own.name}: "
            "take a recipe of Fake-Mamba"
        )

    def without(**options: Option) -> DetectorRecipe:
        return replace(own, options=own.options | options)

    return (
        Variant(
            "no-norms",
            without(norms=False),
            "without the LayerNorms of its blocks",
            published="Fake-Mamba without its three layer norms",
        ),
        Variant(
            "forward-only",
            without(directions="forward"),
            "its Mamba runs forwards only",
            published="Fake-Mamba, unidirectional",
        ),
        Variant(
            "no-feed-forward",
            without(feed_forward=False),
            "without the feed-forward layers of its blocks",
            paper=CLEARLY_WORSE,
            source=TABLE_3,
        ),
        Variant(
            "no-pooling",
            without(summary="first-frame"),
            "the first frame instead of attention pooling",
            paper=CLEARLY_WORSE,
            source=TABLE_3,
        ),
        Variant(
            "separate-mambas",
            without(directions="separate"),
            "a Mamba of its own for each direction",
            paper=OURS,
        ),
    )


def _durations(own: DetectorRecipe) -> Iterable[Variant]:
    """The encoders of Table IV on the same front-end, the reconstructed ones as deep as the own."""
    family = family_name(own.name)
    depth: dict[str, Option] = {}
    if family == FAKE_MAMBA:
        preset = DETECTORS[own.name.partition("?")[0]].preset.get("depth", DEPTH)
        depth = {"depth": own.options.get("depth", preset)}
    encoders = (
        Variant("pn-bimamba", replace(own, name="fake-mamba-l", options={}), "Fake-Mamba(L)"),
        Variant(
            "con-bimamba",
            replace(own, name="con-bimamba", options=depth),
            "ConBiMamba, a reconstruction",
            paper=f"{WORSE}; may win below 3 s",
            source=TABLE_4,
        ),
        Variant(
            "trans-bimamba",
            replace(own, name="trans-bimamba", options=depth),
            "TransBiMamba, a reconstruction",
            paper=WORSE,
            source=TABLE_4,
        ),
        Variant(
            "xlsr-conformer",
            replace(own, name="xlsr-conformer", options={}),
            "XLSR-Conformer, four blocks and a class token as published",
            published="XLSR-Conformer against Fake-Mamba(L)",
        ),
    )
    return [one for one in encoders if family_name(one.detector.name) != family]


def _frontends(own: DetectorRecipe) -> Iterable[Variant]:
    """The front-end loaded, from random weights and in small, trained and frozen; all ours."""
    size = _named_size(own.frontend)
    whole = replace(own, tuned="all", tuned_layers=0)
    frozen = replace(own, tuned="none", tuned_layers=0)
    return (
        Variant("frozen", frozen, f"{own.frontend}, not trained", OURS),
        Variant("random", replace(whole, frontend=size), f"{size} from random weights", OURS),
        Variant(
            "random-frozen",
            replace(frozen, frontend=size),
            f"{size} of random weights, not trained",
            OURS,
        ),
        Variant("tiny", replace(whole, frontend=SMALLEST), f"{SMALLEST} from random weights", OURS),
    )


def _named_size(frontend: str) -> str:
    """The name of the sizes that a front-end has, by which it can be made with random weights."""
    source, _ = split_source(frontend)
    if source in FRONTEND_SIZES:
        return frontend
    sizes, choices = frontend_config(source), frontend.removeprefix(source)
    for name, known in FRONTEND_SIZES.items():
        if replace(sizes, name=name) == known:
            return f"{name}{choices}"
    raise StudyError(
        f"the front-end {frontend} has sizes of its own, which cannot be had with random weights: "
        f"take one of the sizes of {', '.join(FRONTEND_SIZES)}"
    )


STUDIES = {
    "ablations": _ablations,
    "durations": _durations,
    "frontend-from-scratch": _frontends,
    "seeds": lambda own: (),
}
