"""Sub-commands by their names: each is imported when it is called, and none to list them all.

The sub-command ``a-b`` is the function ``a_b`` of a module that is called so, too.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib import import_module
from typing import Any


def run_one_of(
    summaries: Mapping[str, str],
    modules: str,
    prog: str,
    arguments: Sequence[str],
    *,
    parsing_themselves: Collection[str] = (),
) -> int | None:
    """Run the sub-command that is named first.

    Args:
        summaries: what each one does, in a line.
        modules: where they are, with {} for the name, such as ``fakemamba.cli.{}``.
        prog: the program's name.
        arguments: the sub-command's name, and its arguments.
        parsing_themselves: those that take their arguments as they are.

    Returns:
        Its exit status, None for 0.

    Raises:
        ValueError, OSError, ModuleNotFoundError: it cannot be run; the message says why.
        SystemExit: there is no such sub-command or option, or help on one was asked for.
    """
    name, *its_own = arguments or ("",)
    if name in ("-h", "--help"):
        print(_help(summaries, prog), end="")
        return None
    import tyro  # no earlier: it takes longer than all else that lists sub-commands

    if name not in summaries:
        listed = {one: _listed(text) for one, text in summaries.items()}
        return tyro.extras.subcommand_cli_from_dict(
            listed, prog=prog, args=arguments, sort_subcommands=True
        )
    place = modules.format(name.replace("-", "_"))
    command = getattr(import_module(place), place.rpartition(".")[2])
    if name in parsing_themselves:
        return command(its_own)
    return tyro.cli(command, prog=f"{prog} {name}", args=its_own)


def _help(summaries: Mapping[str, str], prog: str) -> str:
    parser = ArgumentParser(prog)
    listed = parser.add_subparsers(title="sub-commands", metavar="SUB-COMMAND")
    for name, summary in summaries.items():
        listed.add_parser(name, help=summary.replace("%", "%%"))
    return parser.format_help()


def _listed(summary: str) -> Callable[[], Any]:
    """What stands for a sub-command in the list of them."""

    def listed() -> None: ...

    listed.__doc__ = summary
    return listed
