"""``fakemamba gate``: is a revision slower than another one, measured here and now?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from fakemamba import __version__, interrupts
from fakemamba.analysis.compare.accepted import read_accepted
from fakemamba.analysis.compare.comparison import compare
from fakemamba.analysis.compare.markdown import to_markdown
from fakemamba.analysis.compare.verdict import CellVerdict, Comparison, Rules
from fakemamba.analysis.compare.wording import headline
from fakemamba.analysis.results import Launch, read_launch
from fakemamba.bench.gate.arms import Workshop, two_arms
from fakemamba.bench.gate.blocks import BlockLimits, Blocks, Decision, Launches, decide
from fakemamba.bench.gate.launches import claim, launcher
from fakemamba.bench.gate.lock import device_asked_for, device_lock
from fakemamba.bench.gate.revisions import cache_folder, repository_root, resolve, snapshot
from fakemamba.files import write_json, write_whole
from fakemamba.locks import sole_writer
from fakemamba.names import visible
from fakemamba.typed import is_clone, project_name

ACCEPTED = Path("bench") / "accepted.toml"
WRITTEN = ("comparison.json", "comparison.md")
NO_ANSWER = 2
STOPPED_BY = {
    "decided": "every cell is decided",
    "blocks": "no more were allowed",
    "budget": "the budget was spent",
}


@dataclass(frozen=True)
class Judged:
    """What launches say, and what the base's launches against itself say of the machine."""

    comparison: Comparison
    control: CellVerdict

    @property
    def undecided_cell_ids(self) -> tuple[str, ...]:
        """Cells of which more launches may decide."""
        return self.comparison.undecided_cell_ids


def gate(
    options: tyro.conf.Positional[tuple[str, ...]] = (),
    /,
    *,
    base: str,
    head: str | None = None,
    out: Path = Path("gate-out"),
    sweep: str = "bench/",
    control: str | None = None,
    budget_minutes: float = 60.0,
    min_blocks: int = 3,
    max_blocks: int = 10,
    min_effect: float = 0.025,
    floor_us: float = 50.0,
    strict: bool = False,
    repository: Path = Path(),
    work_dir: Path | None = None,
    python: Path = Path(sys.executable),
    install_deps: bool = True,
    keep: bool = False,
) -> int:
    """Measure two revisions by turns and judge every cell: 0 no regression, 1 one, 2 no answer.

    Each revision gets a git worktree and an environment of its own. They are launched base, head,
    head, base; then one cell of the base against itself, for what the machine's noise amounts to.
    The same command goes on with what was interrupted. In the repository of another package its
    revisions are installed over the fakemamba that --python has, which measures what
    --bench-detectors names.

    Args:
        options: Of the sweep, after `--`, as for `fakemamba bench`; paths have to be absolute.
        base: Revision to compare with.
        head: Revision to judge; the working tree as it is, if left out.
        out: Folder for launches/*.json, comparison.json and .md, and gate.log.
        sweep: Tests to run, such as bench/bench_scan.py.
        control: Cell id to measure the base against itself with; the middle by latency, if left
            out.
        budget_minutes: No block of launches begins after that.
        min_blocks: Blocks, of two pairs each, before anything is judged.
        max_blocks: Blocks at the most; all after the first ones are of undecided cells only.
        min_effect: The least slowdown that counts, as a share.
        floor_us: And the least in microseconds.
        strict: Cells that stay undecided are an error.
        repository: Any folder of the repository.
        work_dir: Folder for worktrees and environments; in the repository's .git, if left out.
        python: Interpreter to make the environments from.
        install_deps: What the revisions depend on, and what builds another package; otherwise
            --python has all of it.
        keep: Worktrees and environments.
    """
    try:
        rules = Rules(min_effect=min_effect, floor_s=floor_us * 1e-6, strict=strict)
        limits = BlockLimits(budget_minutes * 60, min_blocks, max_blocks)
        out = out.resolve()
        out.mkdir(parents=True, exist_ok=True)
        root = repository_root(repository)
        place = (work_dir or cache_folder(root)).resolve()
        workshop = Workshop(root, place, out / "gate.log", python.absolute(), install_deps, keep)
        commits = resolve(root, base), snapshot(root) if head is None else resolve(root, head)
        launch = launcher(options, workshop.log)
        plan = {
            **{"base": commits[0], "head": commits[1], "sweep": sweep, "options": options},
            **{"control": control, "python": str(python), "install_deps": install_deps},
        }
        measured: tuple[str, ...] = ()
        if not is_clone(root):
            project = project_name(root) or root.name
            plan |= {"package": project, "fakemamba": __version__}
            measured = (f"{project}: base {commits[0]}, head {commits[1]}",)
        named = head or "working tree"
        _tell(f"base {commits[0][:12]} ({base}), head {commits[1][:12]} ({named})")
        with (
            interrupts.as_exceptions(),
            sole_writer(out, is_folder=True),
            device_lock(device_asked_for(options), _tell),
            two_arms(workshop, *commits, _tell) as arms,
        ):
            claim(out / "launches", plan)
            for written in WRITTEN:
                (out / written).unlink(missing_ok=True)
            blocks = Blocks(*arms, sweep, launch, out / "launches", _tell, control)
            judge = _make_judge(arms[1].folder / ACCEPTED, rules)
            return _write(decide(blocks, judge, limits), out, measured)
    except (ValueError, OSError) as error:
        _tell(f"no answer: {error}")
        return NO_ANSWER
    except KeyboardInterrupt:
        _tell(f"interrupted; the same command goes on with {out / 'launches'}")
        return interrupts.status()


def _make_judge(accepted: Path, rules: Rules) -> Callable[[Launches], Judged]:
    entries = read_accepted(accepted) if accepted.exists() else []
    known: dict[Path, Launch] = {}

    def read(paths: Sequence[Path]) -> list[Launch]:
        for path in paths:
            if path not in known:
                known[path] = read_launch(path)
        return [known[path] for path in paths]

    def judge(launches: Launches) -> Judged:
        itself = compare(read(launches.control_base), read(launches.control_head), rules)
        control = _latency_of(itself)
        floor = replace(rules, noise_floor=_noise_floor(control))
        found = compare(read(launches.base), read(launches.head), floor, entries)
        return Judged(found, control)

    return judge


def _latency_of(control: Comparison) -> CellVerdict:
    """The control's verdict by latency.

    Raises:
        ValueError: it has no interval, so that it is not known what this machine can tell apart.
    """
    latencies = [cell for cell in control.cells if cell.quantity in ("latency", "status")]
    for cell in latencies:
        if cell.ratio_low is not None and cell.ratio_high is not None:
            return cell
    reasons = [*(one.reason for one in control.problems), *(one.reason for one in latencies)]
    raise ValueError(
        f"the noise floor is unknown, as base against itself has no interval ({'; '.join(reasons)})"
        ". Remove launches/*-control-*.json, and give the same command again when the machine is "
        "quiet: only these are launched again"
    )


def _noise_floor(control: CellVerdict) -> float:
    """The largest effect, as a share, that identical code may have by the control's interval."""
    assert control.ratio_low is not None and control.ratio_high is not None
    return max(control.ratio_high, 1 / control.ratio_low) - 1


def _write(decision: Decision[Judged], out: Path, measured: tuple[str, ...]) -> int:
    comparison, control = decision.judgement.comparison, decision.judgement.control
    floor = _noise_floor(control)
    notes = (
        f"after {decision.blocks} of {decision.max_blocks} blocks: "
        f"{STOPPED_BY[decision.stopped_by]}",
        f"noise floor {floor:.2%}: in {control.cell_id}, base takes {control.ratio:.4f} times "
        f"({control.ratio_low:.4f} to {control.ratio_high:.4f}, {control.pairs} pairs) as long as "
        "itself",
        *measured,
    )
    comparison = replace(comparison, notes=(*notes, *comparison.notes))
    write_json(out / WRITTEN[0], comparison.to_json())
    write_whole(out / WRITTEN[1], to_markdown(comparison))
    for line in (*(out / name for name in WRITTEN), *notes):
        print(visible(str(line)))
    print(headline(comparison))
    return comparison.exit_code


def _tell(text: str) -> None:
    print(f"fakemamba gate: {visible(text)}", file=sys.stderr, flush=True)
