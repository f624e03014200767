"""The reference results of a GPU by one command, ``bash bench/gpu.sh``; docs/gpu.md explains it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from fakemamba import interrupts
from fakemamba.bench.programs.gpu_steps import (
    GPU,
    READING_S,
    REHEARSAL,
    Scale,
    measuring_steps,
    reading_steps,
)
from fakemamba.bench.programs.steps import Step, StepsError, run_steps
from fakemamba.models.device import DeviceError, resolve_device

ROOT = Path(__file__).resolve().parents[2]


def gpu_study(
    out: tyro.conf.Positional[Path | None] = None,
    /,
    *,
    rehearse: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    only: Annotated[str | None, tyro.conf.arg(metavar="STEP,...")] = None,
    minutes: float | None = None,
) -> int:
    """Measure a GPU into a folder: results, figures, a report, logs, and how every step ended.

    The same command goes on with what failed, was cut, or had no time. It ends with 0 if every step
    ended well, and with 1 if one did not.

    Args:
        out: The folder; gpu-out, or gpu-rehearsal-out, if left out.
        rehearse: The same steps on the CPU, small and short, to try them all.
        only: Some steps.
        minutes: For all of them, 10 if left out, 45 of a rehearsal; the most important come first.
    """
    scale = REHEARSAL if rehearse else GPU
    out = (out or Path("gpu-rehearsal-out" if rehearse else "gpu-out")).resolve()
    device = _device(scale)
    measuring = measuring_steps(scale, out)
    names = _names(only, [*measuring, *reading_steps(scale, out)])
    reading_s = READING_S * scale.patience
    budget_s = (minutes or scale.minutes) * 60 - reading_s
    with interrupts.gone_on_with(f"the same command goes on with {out}"):
        endings = run_steps(_chosen(measuring, names), out, ROOT, device, budget_s, _tell)
        reading = _chosen(reading_steps(scale, out), names)  # of the results that there are now
        endings += run_steps(reading, out, ROOT, device, reading_s, _tell, again=True)
    lacking = [f"{ending.step} ({ending.outcome})" for ending in endings if not ending.is_done]
    if lacking:
        _tell(f"{out} lacks {', '.join(lacking)}: its log/ says why. The same command goes on")
        return 1
    _tell(f"all is in {out}")
    return 0


def _device(scale: Scale) -> str:
    try:
        return str(resolve_device(scale.device))
    except DeviceError as error:
        raise DeviceError(
            f"{error}. Without a GPU, --rehearse tries all steps on the CPU"
        ) from error


def _names(only: str | None, steps: Sequence[Step]) -> list[str]:
    known = [step.name for step in steps]
    if only is None:
        return known
    names = [name.strip() for name in only.split(",")]
    for name in names:
        if name not in known:
            raise StepsError(f"unknown step {name!r}; there are {', '.join(known)}")
    return names


def _chosen(steps: Sequence[Step], names: Sequence[str]) -> list[Step]:
    return [step for step in steps if step.name in names]


def _tell(text: str) -> None:
    print(f"gpu study: {text}", file=sys.stderr, flush=True)
