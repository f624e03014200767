"""Which form of a detector runs in real time on so many cores and within so much memory."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

MIB = 1 << 20
LIMITS_BYTES = (512 * MIB, 1024 * MIB, 2048 * MIB)
PRECISIONS = ("fp32", "bf16", "int8")  # the finer, the further in front
REAL_TIME_RTF = 1.0


def best_forms(
    table: pd.DataFrame, limits_bytes: Sequence[int] = LIMITS_BYTES
) -> list[tuple[int, int, dict[str, object] | None]]:
    """For each number of cores and each limit of memory the best form, or None if none fits.

    One fits that takes less time than the audio does, at the 95th percentile, and no more memory.
    The best of them has the least upper end of the rise of EER, where that is known; and then the
    most layers, the finest precision, and the least time.

    Args:
        table: of `unit_table`.
        limits_bytes: of the process, with its engine.
    """
    done = table[table["status"] == "done"].copy()
    duration_s = done["latency_p50_s"] / done["rtf"]
    done["is_in_time"] = done["latency_p95_s"] < REAL_TIME_RTF * duration_s
    done["coarseness"] = done["precision"].map(PRECISIONS.index)
    order = ["eer_rise_high", "layers", "coarseness", "latency_p50_s"]
    found = []
    for threads in sorted(table["threads"].unique(), reverse=True):
        for limit in limits_bytes:
            fit = done[
                (done["threads"] == threads) & done["is_in_time"] & (done["peak_bytes"] <= limit)
            ]
            ranked = fit.sort_values(order, ascending=[True, False, True, True])
            best = None if ranked.empty else ranked.iloc[0].to_dict()
            found.append((int(threads), limit, best))
    return found
