"""Launches in blocks, base head head base, until every cell is decided or the budget is spent.

A slow drift of the machine hits both arms alike in such a block, as each comes first once and last
once. Two neighbours are a pair. After each block the same pattern is launched with one cell, the
control, where "head" is the base as well: what its pairs differ by is the machine's own noise.

Once there are the fewest blocks that statistics can use, the pairs are judged, and more blocks are
launched of the undecided cells only. The method is that of duet benchmarking (Bulej et al., "Duet
Benchmarking: Improving Measurement Accuracy in the Cloud", ICPE 2020), with processes in turn
instead of side by side, as they would share a GPU.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from fakemamba.bench.gate.commands import GateError
from fakemamba.bench.gate.environments import Arm
from fakemamba.bench.gate.launches import Launcher, is_disturbed, middle_cell, node_ids

ORDERS = (("base", "head"), ("head", "base"))  # of the pairs of a block


class JudgedLaunches(Protocol):
    """What a judge says of launches."""

    @property
    def undecided_cell_ids(self) -> Collection[str]:
        """Cells of which more launches may decide."""
        ...


AnyJudged = TypeVar("AnyJudged", bound=JudgedLaunches)


@dataclass(frozen=True)
class Launches:
    """JSONs of the launches so far; base and head pair up by position, and so do the controls'."""

    base: tuple[Path, ...] = ()
    head: tuple[Path, ...] = ()
    control_base: tuple[Path, ...] = ()
    control_head: tuple[Path, ...] = ()


@dataclass(frozen=True)
class BlockLimits:
    """How much may be measured: no block begins after ``duration_s`` or ``max_blocks``."""

    duration_s: float
    min_blocks: int = 3
    max_blocks: int = 10

    def __post_init__(self) -> None:
        if not 3 <= self.min_blocks <= self.max_blocks:
            raise GateError(
                f"{self.min_blocks} to {self.max_blocks} blocks: an interval needs at least 3 (6 "
                "pairs), and the most cannot be fewer than the least"
            )
        if not self.duration_s > 0:
            raise GateError(f"a budget of {self.duration_s:g} s is spent before it begins")


@dataclass(frozen=True)
class Decision(Generic[AnyJudged]):
    """The last judgement, and how it was come by.

    Attributes:
        judgement: of all launches.
        launches: that it is of.
        control_cell_id: the cell that the base was measured against itself with.
        blocks: that were launched, of at most ``max_blocks``.
        stopped_by: ``decided``, ``blocks`` or ``budget``.
        duration_s: of this run; launches that an earlier one had made took no time.
    """

    judgement: AnyJudged
    launches: Launches
    control_cell_id: str
    blocks: int
    max_blocks: int
    stopped_by: str
    duration_s: float


@dataclass
class Blocks:
    """Blocks of two arms, launched one after the other, whose JSONs are kept in a folder.

    A pair that is there is not launched again; of a pair that was interrupted both are, as only
    neighbours in time are a pair. A pair with a disturbed cell is launched once more, and the first
    kept as ``*.disturbed``: of dozens of launches one is easily disturbed, and its cells would be
    judged by the other pairs alone.

    Attributes:
        base: the arm that is compared with.
        head: the arm that is judged.
        sweep: the tests of a whole sweep, as pytest takes them: ``bench/``.
        launch: makes one launch.
        folder: for the launches' JSONs; those that are in it are used.
        tell: is told the progress.
        control_cell_id: the cell that the base is measured against itself with; the one in the
            middle by latency, once the first pair is there, if none is given.
        count: of the blocks that are done.
    """

    base: Arm
    head: Arm
    sweep: str
    launch: Launcher
    folder: Path
    tell: Callable[[str], None]
    control_cell_id: str | None = None
    count: int = 0
    _pairs: list[tuple[Path, Path]] = field(default_factory=list)
    _control_pairs: list[tuple[Path, Path]] = field(default_factory=list)

    def add(self, cell_ids: Collection[str] | None = None) -> Launches:
        """Launch one more block; of some cells only, if they are given.

        Returns:
            The launches of all blocks.

        Raises:
            GateError: a launch failed, or there is no such cell.
        """
        number = self.count + 1
        arms, tests = {"base": self.base, "head": self.head}, {"base": [self.sweep]}
        tests["head"] = tests["base"]
        if cell_ids is not None:
            first = dict(zip(("base", "head"), self._pairs[0], strict=True))
            tests = {name: _tests_of(sorted(cell_ids), path) for name, path in first.items()}
        self._pairs += self._launch_pairs(f"{number:02}-sweep", arms, tests)

        first_base = self._pairs[0][0]
        self.control_cell_id = self.control_cell_id or middle_cell(first_base)
        control = _tests_of([self.control_cell_id], first_base)
        same, tests = dict.fromkeys(arms, self.base), dict.fromkeys(arms, control)
        self._control_pairs += self._launch_pairs(f"{number:02}-control", same, tests)
        self.count = number
        return Launches(*zip(*self._pairs, strict=True), *zip(*self._control_pairs, strict=True))

    def _launch_pairs(
        self, name: str, arms: Mapping[str, Arm], tests: Mapping[str, list[str]]
    ) -> Iterator[tuple[Path, Path]]:
        """The JSONs of a block's two pairs, the base's first."""
        for turn, order in enumerate(ORDERS, start=1):
            paths = {arm: self.folder / f"{name}-{turn}-{arm}.json" for arm in order}
            if not all(path.exists() for path in paths.values()):
                self._launch_pair(paths, arms, tests)
                if any(map(is_disturbed, paths.values())):
                    self.tell(f"{name}-{turn} was disturbed; both are launched once more")
                    for path in paths.values():
                        path.replace(path.with_suffix(".disturbed"))
                    self._launch_pair(paths, arms, tests)
            yield paths["base"], paths["head"]

    def _launch_pair(
        self, paths: Mapping[str, Path], arms: Mapping[str, Arm], tests: Mapping[str, list[str]]
    ) -> None:
        for arm, path in paths.items():
            self.tell(f"launching {path.stem}")
            self.launch(arms[arm], path, tests[arm])


def decide(
    blocks: Blocks,
    judge: Callable[[Launches], AnyJudged],
    limits: BlockLimits,
    now: Callable[[], float] = time.monotonic,
) -> Decision[AnyJudged]:
    """Launch blocks until the judge has decided of every cell, or the budget is spent.

    Raises:
        GateError: a launch failed, there is no such control cell, or the budget was spent before
            the fewest blocks were there.
    """
    start_s = now()
    while blocks.count < limits.min_blocks:
        if now() - start_s >= limits.duration_s:
            raise GateError(
                f"the budget of {limits.duration_s / 60:g} minutes was spent after {blocks.count} "
                f"of at least {limits.min_blocks} blocks. The same command goes on from there; or "
                "give a larger budget, or a smaller sweep"
            )
        launches = blocks.add()
    judgement = judge(launches)
    while undecided := judgement.undecided_cell_ids:
        blocks.tell(f"{len(undecided)} cells undecided after {blocks.count} blocks")
        if blocks.count == limits.max_blocks or now() - start_s >= limits.duration_s:
            break
        launches = blocks.add(undecided)
        judgement = judge(launches)
    assert blocks.control_cell_id is not None
    return Decision(
        judgement,
        launches,
        blocks.control_cell_id,
        blocks.count,
        limits.max_blocks,
        _why_stopped(undecided, blocks.count == limits.max_blocks),
        now() - start_s,
    )


def _why_stopped(undecided: Collection[str], at_most: bool) -> str:
    if not undecided:
        return "decided"
    return "blocks" if at_most else "budget"


def _tests_of(cell_ids: Sequence[str], result: Path) -> list[str]:
    tests = node_ids(result)
    for cell_id in cell_ids:
        if cell_id not in tests:
            raise GateError(f"{result} has no cell {cell_id}; its cells are {', '.join(tests)}")
    return [tests[cell_id] for cell_id in cell_ids]
