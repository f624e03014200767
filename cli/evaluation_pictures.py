"""The pictures of ``fakemamba evaluate --plots``: what was evaluated, handed to those who draw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fakemamba.analysis.pictures.calibration import ScoreSet, plot_calibration
from fakemamba.analysis.pictures.det import plot_det
from fakemamba.analysis.pictures.duration_errors import plot_confusion, plot_duration_eer
from fakemamba.evaluation.calibration import Calibration
from fakemamba.evaluation.coverage import split
from fakemamba.evaluation.evaluate import Evaluation, Figures
from fakemamba.evaluation.metrics.costs import DCF_ASVSPOOF5
from fakemamba.evaluation.metrics.detection import cllr_bits, equal_error, error_rates


def draw(
    tables: Mapping[str, pd.DataFrame],
    systems: Mapping[str, Evaluation],
    calibration: Calibration | None,
    folder: Path,
) -> Iterator[Path]:
    """Draw DET curves; errors by duration, if asked for; scores before and after calibration.

    Args:
        tables: of each system by its name, from `join`.
        systems: their evaluations.
        calibration: of the one system, if it was given.
        folder: to write to.

    Yields:
        Each file that was written.
    """
    titles = _titles(list(tables))
    curves = {}
    for name, table in tables.items():
        rates = error_rates(*split(table))
        curves[titles[name]] = rates.miss, rates.false_accept
    yield plot_det(curves, folder / "det.png")
    rows = [
        _duration_row(titles[name], bucket, figures)
        for name, one in systems.items()
        for bucket, figures in one.by.get("duration", {}).items()
    ]
    if any(row["eer"] is not None for row in rows):
        yield plot_duration_eer(pd.DataFrame(rows), folder / "duration-eer.png")
    for number, (name, one) in enumerate(systems.items(), 1):
        ending = f"-{number}" if len(systems) > 1 else ""
        if one.confusion is not None:
            path = folder / f"duration-confusion{ending}.png"
            yield plot_confusion(one.confusion, titles[name], one.threshold, path)
        states = _score_sets(tables[name], calibration)
        yield plot_calibration(states, titles[name], folder / f"scores{ending}.png")


def _titles(names: Sequence[str]) -> dict[str, str]:
    """File names without folders, which leave no room for what differs, if they are different."""
    short = [Path(name).name for name in names]
    return dict(zip(names, short if len(set(short)) == len(names) else names, strict=True))


def _duration_row(name: str, bucket: str, figures: Figures) -> dict[str, object]:
    interval = figures.intervals.get("eer")
    return {
        **{"system": name, "bucket": bucket, "eer": figures.metrics["eer"]},
        "low": None if interval is None else interval.low,
        "high": None if interval is None else interval.high,
        **{"bonafide": figures.bonafide, "spoof": figures.spoof},
    }


def _score_sets(table: pd.DataFrame, calibration: Calibration | None) -> list[ScoreSet]:
    """Raw scores, and calibrated ones if there is a calibration."""
    raw = split(table)
    own = equal_error(*raw).threshold
    bayes = {"Bayes": DCF_ASVSPOOF5.bayes_threshold}
    if calibration is None:
        return [ScoreSet("raw scores", *raw, cllr_bits(*raw), {"EER": own} | bayes)]
    at_dev = calibration.eer_threshold
    before = {"EER": own, "development EER": at_dev} | bayes
    llrs = calibration.llr(raw[0]), calibration.llr(raw[1])
    mapped = calibration.llr(np.array([own, at_dev])).tolist()
    after = dict(zip(("EER", "development EER"), mapped, strict=True)) | bayes
    return [
        ScoreSet("raw scores", *raw, cllr_bits(*raw), before),
        ScoreSet("calibrated", *llrs, cllr_bits(*llrs), after),
    ]
