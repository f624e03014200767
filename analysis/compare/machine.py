"""Whether launches were made by one machine in one way, and what there is to know about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from fakemamba.analysis.compare.verdict import Problem
from fakemamba.analysis.results import Launch
from fakemamba.kernel_checks import unused_kernels
from fakemamba.result_schema import WITH_VISITS

# Versions of the software may differ: a new torch may be what is to be judged.
MACHINE = ("device", "cpu", "cpu_governor", "torch_threads")
GPU = ("name", "uuid", "driver", "power_limit_w")


def differences(launches: Sequence[Launch]) -> Iterator[Problem]:
    """What is not the same in all launches, although it has to be."""
    facts = {name: [launch.environment.get(name) for launch in launches] for name in MACHINE}
    for name in GPU:
        facts[f"gpu {name}"] = [_gpu(launch).get(name) for launch in launches]
    yield from _differing("other-machine", facts, launches)
    method: dict[str, list[Any]] = {
        "method": [launch.identity.get("method") for launch in launches],
        # Before, a cell was visited once and a CPU's memory was the growth of the process.
        "schema": [f"{'from' if one.has_visits else 'before'} {WITH_VISITS}" for one in launches],
        "isolate": [launch.options.get("isolate") for launch in launches],
    }
    yield from _differing("other-method", method, launches)


def describe(launches: Sequence[Launch]) -> dict[str, str]:
    """Facts about the machine and software of one side; several, where its launches differ."""
    facts: dict[str, dict[str, None]] = {}
    for launch in launches:
        for name, value in _facts(launch):
            if value is not None:
                facts.setdefault(name, {})[str(value)] = None
    return {name: ", ".join(values) for name, values in facts.items()}


def took_turns(base: Sequence[Launch], head: Sequence[Launch]) -> bool | None:
    """Whether each pair was over before the next began; None where files do not say when."""
    both = zip(base, head, strict=True)
    pairs = [(before.created, after.created) for before, after in both]
    known = [(before, after) for before, after in pairs if before and after]
    if len(known) < len(pairs):
        return None
    # Times of one zone in ISO 8601 sort as texts.
    return all(max(one) < min(other) for one, other in pairwise(known))


def _facts(launch: Launch) -> Iterator[tuple[str, Any]]:
    environment, gpu = launch.environment, _gpu(launch)
    git = environment.get("git") or {}
    yield "device", environment.get("device")
    yield "GPU driver", gpu.get("driver")
    yield "kernels", "; ".join(unused_kernels(environment.get("kernels") or {})) or None
    yield "system", environment.get("system")
    yield "python", environment.get("python")
    yield "torch", (environment.get("packages") or {}).get("torch")
    commit = git.get("commit")
    yield "commit", f"{commit} with changes" if commit and git.get("dirty") else commit


def _gpu(launch: Launch) -> dict[str, Any]:
    return launch.environment.get("gpu") or {}


def _differing(
    code: str, facts: dict[str, list[Any]], launches: Sequence[Launch]
) -> Iterator[Problem]:
    for name, values in facts.items():
        for launch, value in zip(launches, values, strict=True):
            if value != values[0]:
                yield Problem(
                    code,
                    f"{name} is {value} in {launch.path.name}, but {values[0]} in "
                    f"{launches[0].path.name}; measure both on one machine in one way",
                )
                break
