"""The ``fakemamba`` command: sub-commands by name, and errors as one line, not a traceback."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence

import tyro

from fakemamba.cli import backends, convert, cost, detectors, kernels, lengths, plot, profile, score

COMMANDS: dict[str, Callable[..., int | None]] = {
    "backends": backends.backends,
    "convert": convert.convert,
    "cost": cost.cost,
    "detectors": detectors.detectors,
    "kernels": kernels.kernels,
    "lengths": lengths.lengths,
    "plot": plot.plot,
    "profile": profile.profile,
    "score": score.score,
}
# Optional packages, and the extra that brings each.
EXTRAS = dict.fromkeys(("pandas", "matplotlib", "seaborn"), "report")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command; 0 if all went well, 1 if something that was asked for is missing."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
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
