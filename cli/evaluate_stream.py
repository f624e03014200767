"""``fakemamba evaluate-stream``: how soon a fake is known, and how often the alarm is false."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import tyro

from fakemamba.cli.keyed_scores import keyed_trials
from fakemamba.cli.printing import say
from fakemamba.cli.stream_tables import show
from fakemamba.data.trials import BONA_FIDE
from fakemamba.evaluation.calibration import Calibration, fit_calibration
from fakemamba.evaluation.coverage import join, split
from fakemamba.evaluation.streams.decisions import Decisions, decisions_of
from fakemamba.evaluation.streams.evaluate import (
    PREFIXES_S,
    StreamEvaluation,
    evaluate_streams,
    finite,
)
from fakemamba.evaluation.streams.window_files import read_made, read_windows
from fakemamba.evaluation.streams.windowing import Rule, Windowing
from fakemamba.evaluation.uncertainty import Resampling
from fakemamba.files import write_json
from fakemamba.lists import numbers
from fakemamba.models.registry import DETECTORS

COSTS = (
    *("system", "detector", "window_s", "hop_s", "cached", "status", "reason", "decisions"),
    *("cost_s_per_s", "cost_low_s_per_s", "cost_high_s_per_s", "latency_p50_s", "latency_p95_s"),
)
USUAL_PREFIXES = ",".join(map("{:g}".format, PREFIXES_S))
STAMP = {"kind": "fakemamba-stream-evaluation", "schema": 1}


def evaluate_stream(
    windows: tyro.conf.Positional[tuple[Path, ...]],
    /,
    dev: tuple[Path, ...],
    key: Path | None = None,
    dev_key: Path | None = None,
    corpus: str | None = None,
    root: Path | None = None,
    phase: str | None = None,
    dev_phase: str = "dev",
    rule: Rule | None = None,
    period: float | None = None,
    false_alarms: float = 0.01,
    lasting: int = 2,
    prefixes: str = USUAL_PREFIXES,
    cost: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="RESULT")] = (),
    bootstrap: int = 1000,
    cluster: bool = True,
    seed: int = 0,
    plots: Path | None = None,
    json_out: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> None:
    """Say how soon a detector that listens knows a fake, with 95 % intervals.

    An alarm is raised where the score has been under a threshold in --lasting decisions in a row.
    Bona fide development trials choose the threshold, so that --false-alarms of them have one.

    Args:
        windows: Tables of scored windows, one a system: the OUT.windows.csv of `fakemamba score
            --windows`.
        dev: The same of development trials, in the same order.
        key: Key of the trials: an ASVspoof protocol, or a CSV or Parquet file with labels.
        dev_key: Key of the development trials.
        corpus: Instead of keys: a corpus, such as asvspoof2019-la, with --root.
        root: Where the corpus is.
        phase: Of the corpus; by default eval or test.
        dev_phase: Of the development trials in the corpus.
        rule: What a decision is of, see `fakemamba score --windows`; by default what the windows
            were scored with. evidence takes its calibration of windows from --dev.
        period: Seconds of the rule; by default the same.
        false_alarms: Share of bona fide development trials that may have an alarm.
        lasting: Decisions in a row that make an alarm.
        prefixes: Seconds after which error rates are given; comma-separated.
        cost: Results of `pytest bench/ --bench-stream`: what each window and hop costs.
        bootstrap: How often trials are drawn for the intervals; 0 gives none.
        cluster: Draw speakers and attacks where they are known, not single trials.
        seed: Of these draws.
        plots: Folder for the pictures: errors over time, time to an alarm, and its cost.
        json_out: File to write everything to; rates in it are fractions.
    """
    if not windows or len(dev) != len(windows):
        raise ValueError(
            f"{len(windows)} tables of windows and {len(dev)} of development trials: give as many "
            "of --dev, in the same order"
        )
    if lasting < 1:
        raise ValueError(f"--lasting {lasting}: an alarm needs one decision at the least")
    wanted = "seconds over 0, each once, such as 0.5,1,2"
    prefixes_s = sorted(numbers("--prefixes", prefixes, float, lambda s: 0 < s < np.inf, wanted))
    resampling = Resampling(bootstrap, cluster, seed)
    trials, _ = keyed_trials(key, corpus, root, phase)
    dev_trials, _ = keyed_trials(dev_key, corpus, root, dev_phase if corpus else "all")
    systems: dict[str, StreamEvaluation] = {}
    facts: list[dict[str, Any]] = []
    for path, dev_path in zip(windows, dev, strict=True):
        made, dev_made = read_made(path), read_made(dev_path)
        if replace(made, checkpoint="") != replace(dev_made, checkpoint=""):
            raise ValueError(
                f"{path} is of {made.detector}, {made.windowing}; but {dev_path} is of "
                f"{dev_made.detector}, {dev_made.windowing}: score both alike"
            )
        windowing = _by_rule(made.windowing, rule, period)
        calibration, of_dev, dev_table = _of_dev(dev_path, windowing, dev_trials)
        found = decisions_of(read_windows(path), windowing, calibration)
        table, silent = _joined(found, trials, path)
        is_bonafide = dev_table["label"] == BONA_FIDE
        name = _unique(made.detector, systems)
        systems[name] = evaluate_streams(
            table,
            found,
            [of_dev[one] for one in dev_table["trial_id"][is_bonafide]],
            prefixes_s=prefixes_s,
            lasting=lasting,
            false_alarms=false_alarms,
            resampling=resampling,
        )
        facts.append(
            {
                "system": name,
                "windows": str(path),
                "dev": str(dev_path),
                "made": asdict(made),
                "windowing": asdict(windowing),
                "silent": silent,
            }
        )
        show(name, windowing, systems[name], silent)
    costs = _costs(cost, facts)
    if plots is not None:
        from fakemamba.cli.stream_pictures import draw  # of the extra `report`

        for picture in draw(systems, costs, plots):
            say(picture)
    if json_out is not None:
        write_json(
            json_out,
            {
                **STAMP,
                "key": str(key or corpus),
                "costs": None if costs is None else finite(costs.to_dict("records")),
                "systems": [told | systems[told["system"]].to_json() for told in facts],
            },
        )
        say(json_out)


def _by_rule(made: Windowing, rule: Rule | None, period: float | None) -> Windowing:
    return replace(made, rule=rule or made.rule, period=made.period if period is None else period)


def _of_dev(
    path: Path, windowing: Windowing, trials: pd.DataFrame
) -> tuple[Calibration | None, dict[str, Decisions], pd.DataFrame]:
    """What development trials say: of the rule ``evidence``, what a window is worth, too."""
    windows = read_windows(path)
    calibration = None
    if windowing.rule == "evidence":
        latest = decisions_of(windows, replace(windowing, rule="latest"))
        table, _ = _joined(latest, trials, path)
        calibration = fit_calibration(*split(table), table["trial_id"])
    found = decisions_of(windows, windowing, calibration)
    table, _ = _joined(found, trials, path)
    return calibration, found, table


def _joined(
    decisions: dict[str, Decisions], trials: pd.DataFrame, path: Path
) -> tuple[pd.DataFrame, int]:
    """The key's trials with their last scores, and how many have none as they are silent."""
    silent = {name for name, one in decisions.items() if not len(one.scores)}
    scores = pd.DataFrame(
        [(name, one.scores[-1]) for name, one in decisions.items() if name not in silent],
        columns=["trial_id", "score"],
    )
    heard = trials[~trials["trial_id"].isin(silent)]
    table = join(scores, heard, name=str(path))
    return table, len(silent)


def _costs(paths: Sequence[Path], facts: Sequence[dict[str, Any]]) -> pd.DataFrame | None:
    """What a second of audio costs each system with its windows, as far as it was measured."""
    if not paths:
        return None
    from fakemamba.analysis.results import read_results
    from fakemamba.analysis.streams import stream_costs

    known = stream_costs(read_results(paths))
    found = []
    for one in facts:
        windowing, made = one["windowing"], one["made"]
        is_it = known["detector"].map(lambda name, made=made: _is_of(name, made)).astype(bool)
        is_it &= np.isclose(known["window_s"], windowing["window"])
        is_it &= np.isclose(known["hop_s"], windowing["hop"])
        if not is_it.any():
            raise ValueError(
                f"{', '.join(map(str, paths))}: nothing of {one['made']['detector']} with windows "
                f"of {windowing['window']:g} s every {windowing['hop']:g} s; measure it with: "
                f"pytest bench/ --bench-detectors {one['made']['detector']} --bench-stream "
                f"{windowing['window']:g},{windowing['hop']:g}"
            )
        measured = known["detector"][is_it].unique()
        if len(measured) > 1:
            raise ValueError(
                f"{' and '.join(measured)} were measured, and {one['windows']} may be of either: "
                "give a result of one of them"
            )
        found.append(known[is_it].assign(system=one["system"])[[*COSTS]])
    return pd.concat(found, ignore_index=True)


def _is_of(measured: str, made: dict[str, Any]) -> bool:
    """Whether a benchmark's detector is that of some windows: by name, checkpoint or class."""
    if measured in (made["detector"], made["checkpoint"]):
        return True
    both = [DETECTORS.get(one) for one in (measured, made["detector"])]
    classes = [None if one is None else one.load() for one in both]
    return classes[0] is not None and classes[0] is classes[1]


def _unique(name: str, taken: dict[str, StreamEvaluation]) -> str:
    """A system's name: that of its detector, numbered if there are several."""
    number = sum(one == name or one.startswith(f"{name} (") for one in taken)
    return name if not number else f"{name} ({number + 1})"
