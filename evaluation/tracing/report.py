"""What was found of tracing, as JSON, and whether it is confounded, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from fakemamba.evaluation.embedding_files import EmbeddingOrigin
from fakemamba.evaluation.tracing.confounds import MOST_FREQUENT, Confound
from fakemamba.evaluation.tracing.figures import TracingEvaluation
from fakemamba.evaluation.tracing.intervals import TracingFigure
from fakemamba.evaluation.tracing.layers import LayerAccuracy

STAMP = {"kind": "fakemamba-tracing", "schema": 1}
RULE = (
    "A confound does as well as tracing if the 95 % interval of how far tracing's accuracy is "
    "above it, on the same trials and draws of them, has zero or less in it. "
    "Guess: the most frequent system of the same language, speaker, ... among the "
    "trials that were fitted to. Probe: the language, speaker, ... itself, told by the same "
    "embeddings, classifier and folds."
)
MEANING = {
    "accuracy": "share of trials of seen systems that are named rightly, if one has to be named",
    "macro_f1": "mean of the systems' F1",
    "auroc": "chance that a seen trial is more like what was fitted to than an unseen one",
    "fpr_at_95_tpr": "share of unseen trials that pass where 95 % of seen ones do",
    "eer": "equal error rate, a share of one, seen trials (or pairs of one system) being accepted",
    "right": "share of a seen system's trials that are named rightly, if one has to be named",
    "behind": "accuracy of tracing less that of the guess or probe, on the same trials",
    "added": "accuracy of the detector's own embedding less that of the layer, on the same trials",
    "refused": 'share of a system\'s trials that are answered by "none of these"',
}


def to_json(
    evaluation: TracingEvaluation,
    origin: EmbeddingOrigin | None,
    failures: Sequence[str] = (),
    layers: Sequence[LayerAccuracy] = (),
) -> dict[str, Any]:
    """All of it as JSON knows it; shares are of one."""
    confounds = [asdict(one) | {"does_as_well": one.does_as_well} for one in evaluation.confounds]
    content = asdict(evaluation) | {"confounds": confounds}
    verdict = {"is_confounded": bool(evaluation.confounding), "verdict": verdict_of(evaluation)}
    return {
        **STAMP,
        "origin": None if origin is None else asdict(origin),
        **verdict,
        **content,
        "layers": [asdict(one) for one in layers],
        "failures": list(failures),
        "rule": RULE,
        "meaning": MEANING,
    }


def verdict_of(evaluation: TracingEvaluation) -> str:
    """Whether the accuracy may be that of something else, in a sentence or two."""
    tracing = evaluation.closed["accuracy"]
    if not evaluation.confounding:
        unknown = dict.fromkeys(one.column for one in evaluation.confounds if not one.is_known)
        lacking = f" They do not say their {' or '.join(unknown)}, so that is not ruled out."
        return (
            f"Tracing ({shown(tracing)}) is not confounded by what the trials say."
            f"{lacking if unknown else ''}"
        )
    reasons = "; ".join(_reason(one) for one in evaluation.confounding)
    hint = ""
    if all(one.kind == "probe" for one in evaluation.confounding):
        hint = (
            " No guess does as well: the embeddings hold this as clearly as the system, which is "
            "no proof that the system is known by it."
        )
    return f"CONFOUNDED: tracing ({shown(tracing)}) is not clearly better than {reasons}.{hint}"


def shown(estimate: TracingFigure | None) -> str:
    """A share of one in per cent, with its interval where there is one."""
    if estimate is None:
        return "–"
    value = f"{100 * estimate.value:.1f}"
    if estimate.low is None or estimate.high is None:
        return f"{value} %"
    return f"{value} % ({100 * estimate.low:.1f}–{100 * estimate.high:.1f})"


def _reason(confound: Confound) -> str:
    if confound.column == MOST_FREQUENT:
        return f"naming the most frequent system each time ({shown(confound.accuracy)})"
    if confound.kind == "guess":
        return f"guessing the system from the {confound.column} alone ({shown(confound.accuracy)})"
    return f"telling the {confound.column} by the same embeddings ({shown(confound.accuracy)})"
