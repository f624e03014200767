"""Where claims are judged: the cells of one device and one front-end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fakemamba.analysis.claims.claim import Claim
from fakemamba.analysis.claims.evidence import LEAST_DURATIONS
from fakemamba.analysis.setting import CLOSE, PARTS, split

OURS, RIVAL = "fake-mamba-l", "xlsr-conformer"
HOW = ("precision", "execution", "attention", "backend")  # in which ways a cell can be run


@dataclass(frozen=True)
class Place:
    """Cells of one device and front-end.

    Attributes:
        device_name: such as ``CPU: AMD EPYC, 2 threads``.
        device: ``cpu`` or ``cuda:0``.
        frontend: such as ``xls-r-300m``.
        cells: rows of results.
    """

    device_name: str
    device: str
    frontend: str
    cells: pd.DataFrame

    @property
    def is_gpu(self) -> bool:
        """Whether the device is one."""
        return self.device.startswith("cuda")

    def select(self, **wanted: Any) -> pd.DataFrame:
        """Cells with these fields; what is None is not asked for."""
        cells = self.cells
        for name, value in wanted.items():
            if name == "duration_s":
                cells = cells[np.isclose(cells[name], value, rtol=CLOSE)]
            elif value is not None:
                cells = cells[cells[name] == value]
        return cells

    def claim(self, **fields: Any) -> Claim:
        """A claim that was judged here."""
        return Claim(device_name=self.device_name, frontend=self.frontend, **fields)


def places(results: pd.DataFrame) -> Iterator[Place]:
    """Every device and front-end of the results, in their order."""
    cells = results[results["part"].isin(PARTS)]
    groups = cells.groupby(["device_name", "device", "frontend"], sort=False)
    for (device_name, device, frontend), group in groups:
        yield Place(str(device_name), str(device), str(frontend), group)


def ways(cells: pd.DataFrame) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Cells by how they were run, plain fp32 first.

    Left out is what was run at one or two durations where others were run at more: a claim about a
    range cannot be judged there.
    """
    groups = list(split(cells, HOW))
    durations = [group["duration_s"].nunique() for _, group in groups]
    least = min(LEAST_DURATIONS, max(durations, default=0))
    kept = [one for one, count in zip(groups, durations, strict=True) if count >= least]
    yield from sorted(kept, key=lambda one: not _is_plain(one[0]))


def _is_plain(how: dict[str, Any]) -> bool:
    """Whether this is fp32 and eager, as published detectors are run."""
    return (how["precision"], how["execution"]) == ("fp32", "eager")
