"""What is drawn over duration; of memory all that has to fit, weights too, where they are known."""

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
class Quantity:
    """A figure of a cell.

    Attributes:
        kind: its name in short.
        column: of the results, in ``unit``; those of its 95 % ``interval``, if it has one.
        name: for people; ``aside`` and ``note`` have to be said with it.
        fitted: what `Scaling` calls it, if it is fitted.
    """

    kind: str
    column: str
    name: str
    unit: str
    interval: tuple[str, ...] = ()
    fitted: str | None = None
    aside: str = ""
    note: str = ""

    def of(self, cells: pd.DataFrame) -> Quantity:
        """As it is of cells that are shown together."""
        return shown_memory(cells) if self.kind == "memory" else self


INTERVAL = ("latency_low_s", "latency_high_s")
JOULES = "net_energy_j_per_audio_s"
QUANTITIES = (
    Quantity("rtf", "rtf", "Real-time factor", "latency / duration"),
    Quantity("latency", "latency_s", "Latency", "s", INTERVAL, "latency"),
    Quantity("memory", "peak_bytes", "Peak memory", "B"),
    Quantity("energy", JOULES, "Energy", "J per second of audio", aside=", without idle power"),
)


def shown_memory(cells: pd.DataFrame) -> Quantity:
    """The memory of cells from `read_results` that are shown together, all of the same kind."""
    known = cells[cells["peak_bytes"].notna()]
    has_weights = known["peak_bytes_with_weights"].notna().all()
    words = WITH_WEIGHTS if has_weights else BESIDE
    column = "peak_bytes_with_weights" if has_weights else "peak_bytes"
    note = CPU_NOTES[words]
    if known["device"].str.startswith("cuda").any():
        note = GPU_NOTE
    elif known["part"].str.startswith("training").any():
        note = f"{note} {TRAINING_NOTE}"
    name = f"Peak memory {words}"
    return Quantity("memory", column, name, "B", fitted="peak-memory", note=note)
