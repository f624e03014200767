"""All sub-commands by name. What they work with is imported when one of them runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tyro

from fakemamba.cli import (
    backends,
    calibrate,
    claims,
    compare,
    convert,
    corpus,
    cost,
    crossover,
    detect,
    detectors,
    embed,
    evaluate,
    evaluate_segments,
    evaluate_tandem,
    gate,
    kernels,
    lengths,
    plot,
    profile,
    report,
    scaling,
    score,
    study,
    train,
)

COMMANDS: dict[str, Callable[..., int | None]] = {
    "backends": backends.backends,
    "calibrate": calibrate.calibrate,
    "claims": claims.claims,
    "compare": compare.compare,
    "convert": convert.convert,
    "corpus": corpus.corpus,
    "cost": cost.cost,
    "crossover": crossover.crossover,
    "detect": detect.detect,
    "detectors": detectors.detectors,
    "embed": embed.embed,
    "evaluate": evaluate.evaluate,
    "evaluate-segments": evaluate_segments.evaluate_segments,
    "evaluate-tandem": evaluate_tandem.evaluate_tandem,
    "gate": gate.gate,
    "kernels": kernels.kernels,
    "lengths": lengths.lengths,
    "plot": plot.plot,
    "profile": profile.profile,
    "report": report.report,
    "scaling": scaling.scaling,
    "score": score.score,
    "study": study.study,
    "train": train.train,
}


def run(arguments: Sequence[str]) -> int | None:
    """Run one sub-command; its exit status, None for 0.

    Raises:
        ValueError, OSError, ModuleNotFoundError: it cannot be run; the message says why.
        SystemExit: there is no such command or option, or help was asked for.
    """
    if arguments[:1] == ["train"]:  # its options begin at the values of the recipe it names
        train.train(tuple(arguments[1:]))
        return None
    return tyro.extras.subcommand_cli_from_dict(
        COMMANDS, prog="fakemamba", args=arguments, sort_subcommands=True
    )
