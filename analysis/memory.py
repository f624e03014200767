"""Which peak memory is shown: with the weights, as all of it has to fit, where they are known."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

WITH_WEIGHTS, BESIDE = "with weights", "beside the weights"
GPU_NOTE = "On a GPU memory is all that was allocated in a call, with the weights."
CPU_NOTES = {
    WITH_WEIGHTS: "On a CPU memory is the weights and the growth of the process in a call.",
    BESIDE: "On a CPU memory is the growth of the process in a call, beside the weights, whose "
    "size the results do not record.",
}
TRAINING_NOTE = "A training step's gradients and optimizer state are not in it."


@dataclass(frozen=True)
class ShownMemory:
    """The ``column`` of the results, what it is in ``words``, and what it holds in a ``note``."""

    column: str
    words: str
    note: str


def shown_memory(cells: pd.DataFrame) -> ShownMemory:
    """The memory of cells from `read_results` that are shown together, all of the same kind."""
    known = cells[cells["peak_bytes"].notna()]
    has_weights = known["peak_bytes_with_weights"].notna().all()
    words = WITH_WEIGHTS if has_weights else BESIDE
    column = "peak_bytes_with_weights" if has_weights else "peak_bytes"
    if known["device"].str.startswith("cuda").any():
        return ShownMemory(column, words, GPU_NOTE)
    notes = [CPU_NOTES[words]]
    if known["part"].str.startswith("training").any():
        notes.append(TRAINING_NOTE)
    return ShownMemory(column, words, " ".join(notes))
