"""A repository of two revisions, ``base`` and ``slower``, to see what the gate finds.

``base`` is this source tree. In ``slower`` the encoders of block detectors do more work on the
device, as much as makes one of them slower by a given share, measured here and now.
"""

from __future__ import annotations

import shutil
import statistics
import tomllib
from collections.abc import Callable
from pathlib import Path

import torch
import tyro
from torch import Tensor

from fakemamba.bench.cells import Cell
from fakemamba.bench.gate.commands import ask
from fakemamba.bench.instruments.clock import Clock, make_clock
from fakemamba.bench.measuring.preparation import WorkloadCache
from fakemamba.models.device import resolve_device

ROOT = Path(__file__).resolve().parents[2]
BESIDE_PACKAGES = ("pyproject.toml", "README.md", "LICENSE")
CHANGED = Path("models") / "block_detector.py"
PROBED_CALLS = 100  # of the additional work, to know what one costs
ROUNDS = 21
# Appended to the module, so that it fits whatever the module becomes.
ADDED = """

def _slower(forward):
    def encode(self, features, lengths=None):
        frames = forward(self, features, lengths)
        for _ in range({calls}):
            frames.sin()
        return frames

    return encode


BlockEncoder.forward = _slower(BlockEncoder.forward)
"""


def slower_revision(
    folder: tyro.conf.Positional[Path],
    /,
    share: float = 0.05,
    detector: str = "fake-mamba-l",
    frontend: str = "xls-r-300m",
    duration: float = 4.0,
    device: str = "auto",
) -> None:
    """Make the repository, with the tags `base` and `slower`.

    Args:
        folder: Where to make it; what is there is removed.
        share: How much slower the encoder is to be: 0.05 is 5 %.
        detector: Whose encoder it is: a block detector.
        frontend: Before it.
        duration: Of the audio, in seconds.
        device: auto, cpu, or cuda:0 and so on.
    """
    if share <= 0:
        raise ValueError(f"--share {share}: give more than nothing")
    cell = Cell(
        detector, frontend, "encoder", duration, backend="auto", device=str(resolve_device(device))
    )
    calls, call_s, added_s = calls_for(share, cell)
    print(
        f"{detector}, encoder, {duration:g} s: {call_s * 1e3:.3f} ms a call; {calls} times "
        f"{added_s * 1e6:.1f} us are added, {calls * added_s / call_s:.1%}"
    )
    copy_sources(ROOT, folder)
    _git(folder, "init", "--quiet")
    _commit(folder, "base")
    with (folder / CHANGED).open("a") as file:
        file.write(ADDED.format(calls=calls))
    _commit(folder, "slower")


def calls_for(share: float, cell: Cell) -> tuple[int, float, float]:
    """How often the additional work has to be done to cost ``share`` of a call.

    Returns:
        The count, seconds of a call, and seconds of the work done once.
    """
    workload = WorkloadCache().prepare(cell)
    given = workload.inputs()[0]

    def call(times: int) -> Callable[[], None]:
        def run() -> None:
            frames: Tensor = workload.run(given)
            with torch.inference_mode():
                for _ in range(times):
                    frames.sin()

        return run

    clock = make_clock(torch.device(cell.device))
    call_s, longer_s = _medians(clock, (call(0), call(PROBED_CALLS)))
    added_s = (longer_s - call_s) / PROBED_CALLS
    if added_s <= 0:
        raise ValueError("this machine is too noisy to tell what the additional work costs")
    return max(1, round(share * call_s / added_s)), call_s, added_s


def copy_sources(root: Path, folder: Path) -> None:
    """Copy what the package is made of, whether or not git knows it; without caches.

    Args:
        root: of the source tree.
        folder: a new folder, which may be anywhere, also below the root.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    project = tomllib.loads((root / "pyproject.toml").read_text())
    for name in BESIDE_PACKAGES:
        shutil.copy2(root / name, folder / name)
    packages = project["tool"]["setuptools"]["package-dir"].values()
    for package in packages:
        shutil.copytree(root / package, folder / package, ignore=_left_out(folder))
    (folder / ".gitignore").write_text("__pycache__/\n*.egg-info/\n")


def _left_out(target: Path) -> Callable[[str, list[str]], list[str]]:
    """Caches, and folders that the copy itself is in."""

    def names_left_out(folder: str, names: list[str]) -> list[str]:
        return [
            name
            for name in names
            if name == "__pycache__"
            or target.resolve().is_relative_to(Path(folder, name).resolve())
        ]

    return names_left_out


def _medians(clock: Clock, calls: tuple[Callable[[], None], ...]) -> list[float]:
    """Seconds of each call on the device, taken by turns; the first rounds warm up."""
    readings = [[clock.time(call).device_s for call in calls] for _ in range(2 * ROUNDS)]
    return [statistics.median(times) for times in zip(*readings[ROUNDS:], strict=True)]


def _commit(folder: Path, tag: str) -> None:
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--message", tag)
    _git(folder, "tag", tag)


def _git(folder: Path, *arguments: str) -> None:
    """git without the user's name, signature and hooks: these are for people's repositories."""
    settings = ("user.name=fakemamba", "user.email=gate@localhost", "commit.gpgsign=false")
    options = [word for one in (*settings, "core.hooksPath=/dev/null") for word in ("-c", one)]
    ask(["git", *options, *arguments], folder)
