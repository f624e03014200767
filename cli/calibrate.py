"""``fakemamba calibrate``: scores of development trials to a calibration for other trials."""

from __future__ import annotations

from pathlib import Path

import tyro

from fakemamba.cli.keyed_scores import keyed_scores
from fakemamba.cli.printing import say
from fakemamba.data.keys import JUDGED_PHASES
from fakemamba.evaluation.calibration import fit_calibration, write_calibration
from fakemamba.evaluation.coverage import split
from fakemamba.evaluation.score_origin import read_origin


def calibrate(
    scores: tyro.conf.Positional[Path],
    /,
    out: Path,
    key: Path | None = None,
    key_format: str = "auto",
    corpus: str | None = None,
    root: Path | None = None,
    phase: str | None = None,
    drop_other_phases: bool = False,
    label_column: str | None = None,
    score_column: str | None = None,
    id_column: str | None = None,
    pi_spoof: float = 0.5,
) -> None:
    """Fit an affine map from scores to log-likelihood ratios, and the threshold of the EER.

    The map is prior-weighted logistic regression. `fakemamba evaluate --calibration` applies it to
    other trials, and refuses those that it was fitted on.

    Args:
        scores: Score file of development trials.
        out: JSON to write.
        key: Key of these trials.
        key_format: auto, asvspoof2019, asvspoof2021, asvspoof5 or csv.
        corpus: Instead of a key: a corpus, such as asvspoof2019-la, with --root and --phase dev.
        root: Where the corpus is.
        phase: Of the key or the corpus; `all` takes every trial of a key. Phases
            that are for evaluating are refused.
        drop_other_phases: Leave out scores of the key's other phases.
        label_column: Column of the labels in a key that is a table.
        score_column: Column of the scores: its name, or its number from 1.
        id_column: Column of the ids in the score file, likewise.
        pi_spoof: Prior of a spoof at which the map is best; 0.5 gives the least Cllr.
    """
    (keyed,) = keyed_scores(
        [scores],
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
    table = keyed.table
    judged = table["phase"].isin(JUDGED_PHASES)
    if judged.any():
        found_phase = table["phase"][judged].iloc[0]
        raise ValueError(
            f"{judged.sum():,} of these trials are of phase {found_phase}, which is for "
            "evaluating: fit on development trials, such as --phase dev or progress"
        )
    bonafide, spoof = split(table)
    origin = read_origin(scores)
    found = fit_calibration(bonafide, spoof, table["trial_id"], pi_spoof, origin)
    write_calibration(out, found)
    say(f"{found.bonafide:,} bona fide and {found.spoof:,} spoof trials")
    say(f"llr = {found.scale:.6g} * score {found.offset:+.6g}   (pi_spoof {pi_spoof:g})")
    change = f"{found.cllr_bits_before:.4f} -> {found.cllr_bits_after:.4f}"
    say(f"Cllr {change} bits, on these very trials")
    say(f"EER {found.eer:.3%} at a raw score of {found.eer_threshold:.6g}")
    if found.smoothed:
        say(
            "The classes do not overlap, so no finite scale is best: fitted to smoothed targets. "
            "More or harder trials would say more."
        )
    if origin is None:
        say(
            f"{scores}.json does not tell of these scores, so the calibration cannot say of which "
            "detector it is"
        )
    say(out)
