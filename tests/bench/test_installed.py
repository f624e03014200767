"""A sweep without a clone: `fakemamba bench` and `pytest --pyargs fakemamba.bench`, anywhere."""

import json
import os
import subprocess
import sys

import pytest

SMALL = ["--bench-profile", "smoke", "--bench-frontend", "xls-r-tiny", "--bench-time", "0"]
SMALL += ["--bench-visits", "2", "--bench-instruments", "memory", "--bench-parts", "encoder"]
SMALL += ["--bench-durations", "0.25", "--bench-detectors", "xlsr-aasist"]
COMMANDS = {
    "sub-command": ["fakemamba.cli.main", "bench"],
    "pyargs": ["pytest", "-p", "no:cacheprovider", "--pyargs", "fakemamba.bench"],
}
NODE = "bench/bench_detectors.py::bench_detector[xlsr-aasist-xls-r-tiny-encoder-0.25s-"


def run(folder, command, *arguments, **variables):
    return subprocess.run(
        [sys.executable, "-m", *COMMANDS[command], *arguments],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def elsewhere(tmp_path):
    """A folder of somebody's, whose pytest is set up in another way; and a clone's bench/."""
    (tmp_path / "bench").mkdir()
    return tmp_path


@pytest.mark.at_length
@pytest.mark.parametrize("command", ["sub-command", "pyargs"])
def test_a_sweep_elsewhere_has_the_json_of_one_in_a_clone(command, elsewhere):
    if command == "sub-command":
        (elsewhere / "conftest.py").write_text("raise ZeroDivisionError\n")
        (elsewhere / "pytest.ini").write_text("[pytest]\naddopts = --nonsense\n")
    saving = ["--benchmark-json=out.json", "--benchmark-save=first"]
    done = run(elsewhere, command, *SMALL, *saving)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fakemamba sweep: 1 measured" in done.stdout
    content = json.loads((elsewhere / "out.json").read_text())
    assert content["benchmarks"][0]["fullname"].startswith(NODE)
    assert content["fakemamba"]["options"]["commands"][0][0] == "bench/"
    assert len(list((elsewhere / ".benchmarks").rglob("0001_first.json"))) == 1
    assert {one.name for one in elsewhere.iterdir()} <= {
        *("bench", "out.json", ".benchmarks", "conftest.py", "pytest.ini"),
    }


@pytest.mark.at_length
def test_a_module_of_the_folder_is_found_and_statuses_are_pytests(elsewhere):
    (elsewhere / "mine.py").write_text("print('here', flush=True)\n")
    named = run(elsewhere, "sub-command", "-p", "mine", "-q", "--collect-only", f"{NODE}x]", *SMALL)
    assert named.returncode == pytest.ExitCode.USAGE_ERROR and "here" in named.stdout
    assert "not found" in named.stderr


@pytest.mark.at_length
def test_help_has_the_options_and_what_is_wrong_is_one_line(elsewhere):
    told = run(elsewhere, "sub-command", "--help")
    assert told.returncode == 0 and told.stdout.startswith("usage: fakemamba bench ")
    assert "--bench-detectors=NAME,..." in told.stdout and "--benchmark-json" in told.stdout
    wrong = run(elsewhere, "pyargs", "--nonsense")
    assert wrong.returncode == 4 and "unrecognized arguments: --nonsense" in wrong.stderr


def test_what_every_pytest_loads_is_next_to_nothing():
    code = "import sys, fakemamba.bench.entry; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


PLUGIN = """
from fakemamba.models.registry import DETECTORS
DETECTORS["{name}"] = DETECTORS["xlsr-aasist"]
"""


@pytest.mark.at_length
def test_what_plugins_register_is_known_in_processes_of_cells(elsewhere):
    names = {"named": "named.py", "of-variable": "of_variable.py", "conftest": "conftest.py"}
    for name, file in names.items():
        (elsewhere / file).write_text(PLUGIN.format(name=name))
    done = run(
        elsewhere,
        "pyargs",
        *(*SMALL, "--bench-isolate", "--benchmark-json=out.json", "-p", "named"),
        *(f"--bench-detectors={','.join(names)}", "--bench-instruments=resident"),
        PYTEST_PLUGINS="of_variable",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    entries = json.loads((elsewhere / "out.json").read_text())["benchmarks"]
    assert {entry["extra_info"]["cell"]["detector"] for entry in entries} == {*names}
    for info in (entry["extra_info"] for entry in entries):
        reason = info["resident_bytes_reason"]
        assert info["resident_bytes"] is not None or "not readable" in reason


@pytest.mark.at_length
def test_what_a_process_of_a_cell_does_not_know_is_said(elsewhere):
    """A plug-in that registers in a hook, which only pytest calls."""
    hook = PLUGIN.format(name="mine").replace("\nDETEC", "\ndef pytest_addoption():\n    DETEC")
    (elsewhere / "mine_plugin.py").write_text(hook)
    wanted = [*SMALL, "--bench-detectors=mine", "--bench-instruments=resident", "-p", "mine_plugin"]
    done = run(elsewhere, "pyargs", *wanted)
    assert "no resident_bytes of 1 cell: where it was to be measured" in done.stdout
    assert "unknown detector 'mine'" in done.stdout
