"""The options that name error rates, the same for every command that has them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fakemamba.analysis.error_rates import published_eer as rates_on
from fakemamba.analysis.error_rates import read_eer
from fakemamba.analysis.published import read_published


def read_rates(eer: Path | None, published_eer: str | None) -> tuple[pd.DataFrame | None, str]:
    """Error rates of a CSV or as published on a data set, and what they are of.

    Raises:
        ValueError: both are given, or one cannot be had.
    """
    if eer is not None and published_eer is not None:
        raise ValueError("--eer and --published-eer both name error rates; give one of them")
    if eer is not None:
        return read_eer(eer), eer.name
    if published_eer is not None:
        return rates_on(read_published(), published_eer), f"published, {published_eer}"
    return None, ""
