"""The list of sub-commands, and that each is imported alone, with no more than it needs."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from fakemamba.cli import corpus
from fakemamba.cli.commands import COMMANDS
from fakemamba.programs import EXTRAS

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
READING = ("claims", "compare", "cost", "crossover", "gate", "report", "scaling", "weights")
JUDGING = ("calibrate", "corpus_check", "evaluate_segments", "evaluate_tandem")
HEADS = COMMANDS | {f"corpus {name}": head for name, head in corpus.COMMANDS.items()}


ABSENT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in {packages}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Absent())
from fakemamba.cli.main import main
"""


def run_without(packages, code, *arguments):
    """A program's end, where packages are not installed."""
    absent = ABSENT.replace("{packages}", str(sorted(packages)))
    command = [sys.executable, "-c", absent + code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", HEADS)
def test_the_list_has_the_head_of_each_module(name):
    module = ROOT / "cli" / f"{re.sub('[ -]', '_', name)}.py"
    head = ast.get_docstring(ast.parse(module.read_text())).splitlines()[0]
    assert head == f"``fakemamba {name}``: {HEADS[name]}"


def test_help_lists_all_and_imports_none():
    done = run_without(EXTRAS, "main(['--help'])\nprint(*sys.modules, file=sys.stderr)")
    assert done.returncode == 0
    assert {*re.findall(r"^ {4}(\S+)", done.stdout, re.MULTILINE)} >= {*COMMANDS}
    assert not {"numpy", "pandas", "rich", "tyro"} & {*done.stderr.split()}


def test_what_is_no_sub_command_is_refused():
    for arguments in ((), ("scor",), ("--verbose", "score")):
        done = run_without(EXTRAS, "main()", *arguments)
        assert done.returncode == 2 and "fakemamba --help" in done.stderr
        assert done.stdout == "" and "Traceback" not in done.stderr


def test_reading_results_needs_the_base_alone():
    """As all that a sub-command always needs is imported with its module."""
    code = f"for name in {READING + JUDGING}:\n    __import__(f'fakemamba.cli.{{name}}')"
    done = run_without(EXTRAS, code)
    assert done.returncode == 0, done.stderr
    done = run_without(EXTRAS.keys() - {"matplotlib", "seaborn"}, "import fakemamba.cli.plot")
    assert done.returncode == 0, done.stderr


def test_what_is_missing_is_told_with_its_extra():
    needs = {"evaluate": "evaluate", "plot": "report", "score": "models", "train": "models"}
    code = "for name in sys.argv[1:]:\n    assert main([name, '--help']) == 1, name"
    done = run_without(EXTRAS, code, *needs)
    assert done.returncode == 0, done.stderr
    told = r"^fakemamba: error: this needs \w+: pip install -e '\.\[(\w+)\]'$"
    assert re.findall(told, done.stderr, re.MULTILINE) == [*needs.values()]


def test_extras_that_are_told_are_those_of_the_project():
    assert {*EXTRAS.values()} <= PROJECT["optional-dependencies"].keys()
    based = {re.match(r"[\w-]+", one)[0] for one in PROJECT["dependencies"]}
    assert not based & {name.replace("_", "-") for name in EXTRAS}
