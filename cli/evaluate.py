"""``fakemamba evaluate``: score files and a key to metrics with intervals, costs and breakdowns."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console

from fakemamba.cli.evaluation_tables import show, show_differences
from fakemamba.cli.keyed_scores import keyed_scores
from fakemamba.cli.printing import say
from fakemamba.data.keys import AsvScores, read_asv_scores
from fakemamba.evaluation.breakdown import durations_s
from fakemamba.evaluation.calibration import read_calibration
from fakemamba.evaluation.coverage import require_judged
from fakemamba.evaluation.evaluate import evaluate as evaluate_one
from fakemamba.evaluation.metrics.tandem import ASVSPOOF5_ASV_RATES, AsvRates
from fakemamba.evaluation.score_origin import read_origin
from fakemamba.evaluation.uncertainty import Resampling, differences
from fakemamba.files import write_json
from fakemamba.lists import words
from fakemamba.names import visible

STAMP = {"kind": "fakemamba-evaluation", "schema": 1}


def evaluate(
    scores: tyro.conf.Positional[tuple[Path, ...]],
    /,
    key: Path | None = None,
    key_format: str = "auto",
    corpus: str | None = None,
    root: Path | None = None,
    phase: str | None = None,
    drop_other_phases: bool = False,
    label_column: str | None = None,
    score_column: str | None = None,
    id_column: str | None = None,
    asv_scores: Path | None = None,
    asv_rates: Literal["asvspoof5"] | None = None,
    by: str = "",
    threshold: float | None = None,
    calibration: Path | None = None,
    bootstrap: int = 1000,
    cluster: bool = True,
    seed: int = 0,
    allow_inverted: bool = False,
    plots: Path | None = None,
    json_out: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> None:
    """Compute EER, DCFs, Cllr and t-DCFs of score files, with 95 % intervals.

    First it is checked that the scores are those of the key's trials, each once; anything else
    stops. Several files are several systems on the same trials: their differences follow.

    Args:
        scores: Score files; higher scores are more bona fide.
        key: Key of the trials: an ASVspoof protocol, or a CSV or Parquet file with labels.
        key_format: auto, asvspoof2019, asvspoof2021, asvspoof5 or csv.
        corpus: Instead of a key: a corpus, such as asvspoof2021-la, with --root.
        root: Where the corpus is.
        phase: Of the key or the corpus, such as progress; by default eval or test;
            `all` takes every trial of a key.
        drop_other_phases: Leave out scores of the key's other phases.
        label_column: Column of the labels in a key that is a table.
        score_column: Column of the scores: its name, or its number from 1.
        id_column: Column of the ids in the score files, likewise.
        asv_scores: Scores of an ASV system, for t-DCFs and t-EER: lines `id target 1.5`, or
            nontarget or spoof.
        asv_rates: Instead of them: the error rates in the ASVspoof 5 package, for t-DCFs.
        by: Break down by attack, codec, duration, speaker, vocoder or source; comma-separated.
        threshold: Score from which a trial is accepted, in the table by duration and attack; by
            default that of the EER.
        calibration: JSON of `fakemamba calibrate`: what it changes, and its threshold here.
        bootstrap: How often trials are drawn for the intervals; 0 gives none.
        cluster: Draw speakers and attacks where they are known, not single trials.
        seed: Of these draws.
        allow_inverted: Let an EER over 50 % pass.
        plots: Folder for DET curves, errors by duration, and calibration.
        json_out: File to write everything to; rates in it are fractions.
    """
    if not scores:
        raise ValueError("no scores given: fakemamba evaluate SCORES ... --key KEY")
    names = [str(path) for path in scores]
    if len(set(names)) < len(names):
        raise ValueError("a score file is given twice: a system cannot be compared with itself")
    if calibration is not None and len(scores) > 1:
        raise ValueError("--calibration is of one detector, but several score files are given")
    fitted = None if calibration is None else read_calibration(calibration)
    if fitted is not None and (origin := read_origin(scores[0])) is not None:
        fitted.check_origin(origin)
    asv = _asv(asv_scores, asv_rates, phase)
    columns = words(by)
    resampling = Resampling(bootstrap, cluster, seed)
    keyed = keyed_scores(
        scores,
        key=key,
        key_format=key_format,
        corpus=corpus,
        root=root,
        phase=phase,
        drop_other_phases=drop_other_phases,
        label_column=label_column,
        score_column=score_column,
        id_column=id_column,
    )
    if isinstance(asv, AsvScores):
        require_judged(asv.trial_ids, keyed[0].table, str(asv_scores))
    tables = {name: one.table for name, one in zip(names, keyed, strict=True)}
    if "duration" in columns:
        known_s = durations_s(keyed[0].table)
        tables = {name: table.assign(duration_s=known_s) for name, table in tables.items()}
    systems = {
        name: evaluate_one(
            table,
            asv=asv,
            by=columns,
            resampling=resampling,
            calibration=fitted,
            threshold=threshold,
            allow_inverted=allow_inverted,
            name=name,
        )
        for name, table in tables.items()
    }
    found, doubt = differences(tables, resampling)
    console = Console()
    for number, (name, one) in enumerate(zip(names, keyed, strict=True), 1):
        heading = f"{number}: {name}" if len(names) > 1 else name
        console.print(visible(heading), style="bold", markup=False, highlight=False)
        if one.left_out:
            say(f"{one.left_out:,} scores of other phases are left out")
        show(console, systems[name])
    show_differences(console, found, names, doubt)
    if plots is not None:
        from fakemamba.cli.evaluation_pictures import draw  # which needs the extra `report`

        for path in draw(tables, systems, fitted, plots):
            say(path)
    if json_out is not None:
        phases = sorted(keyed[0].table["phase"].dropna().unique())
        written = [
            {"scores": name, "left_out": one.left_out} | systems[name].to_json()
            for name, one in zip(names, keyed, strict=True)
        ]
        content = {
            **STAMP,
            "key": str(key or corpus),
            "phases": phases,
            "differences": [asdict(one) for one in found],
        } | (written[0] if len(written) == 1 else {"systems": written})
        write_json(json_out, content)


def _asv(scores: Path | None, rates: str | None, phase: str | None) -> AsvScores | AsvRates | None:
    if scores is not None and rates is not None:
        raise ValueError("--asv-scores and --asv-rates both describe the ASV system; give one")
    if scores is not None:
        return read_asv_scores(scores, phase)
    return None if rates is None else ASVSPOOF5_ASV_RATES
