"""A sample of a trial list of any length: so many trials of each class, drawn by lot."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable

from fakemamba.data.trials import Trial


def draw_per_class(trials: Iterable[Trial], count: int, seed: int = 0) -> list[Trial]:
    """At most ``count`` trials of each label, each with the same chance, in the list's order.

    The list is passed through once and not kept (reservoir sampling: Vitter 1985, algorithm R).
    The same list and seed give the same sample.

    Raises:
        ValueError: ``count`` is less than one.
    """
    if count < 1:
        raise ValueError(f"{count} trials a class cannot be drawn")
    lot = random.Random(seed)
    seen: dict[str | None, int] = defaultdict(int)
    drawn: dict[str | None, list[tuple[int, Trial]]] = defaultdict(list)
    for place, trial in enumerate(trials):
        seen[trial.label] += 1
        kept = drawn[trial.label]
        if len(kept) < count:
            kept.append((place, trial))
        elif (position := lot.randrange(seen[trial.label])) < count:
            kept[position] = (place, trial)
    together = [entry for kept in drawn.values() for entry in kept]
    return [trial for _, trial in sorted(together, key=lambda entry: entry[0])]
