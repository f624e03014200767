"""The workflows of .github: rights, limits, and that every step can be run without GitHub."""

import inspect
import re
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml

from fakemamba.bench.sweep.options import OPTIONS
from fakemamba.cli.gate import gate
from fakemamba.data.open_speech.packages import debian_packages

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in FILES}
ACTION_FILE = ROOT / ".github" / "actions" / "gate" / "action.yml"
ACTION = yaml.safe_load(ACTION_FILE.read_text())
# What people outside may choose: titles, branches, inputs, and what is taken from them.
FOREIGN = re.compile(r"\$\{\{[^}]*\b(github\.event|github\.head_ref|inputs|vars|steps)\b")


def jobs():
    return [
        pytest.param(workflow, job, id=f"{name}-{job_name}")
        for name, workflow in WORKFLOWS.items()
        for job_name, job in workflow["jobs"].items()
    ]


def parts():
    """Jobs, and the action, which has steps as they have."""
    every = [pytest.param(*one.values, id=one.id) for one in jobs()]
    return [*every, pytest.param(ACTION, ACTION["runs"], id="action")]


def triggers(workflow):
    return workflow[True]  # YAML 1.1 reads the key `on` as a truth value


def rights(workflow, job):
    return job.get("permissions", workflow["permissions"])


def test_there_are_the_workflows_that_the_documentation_names():
    assert set(WORKFLOWS) == {"tests", "gate", "comment", "gate-package"}


@pytest.mark.parametrize(("workflow", "job"), jobs())
def test_every_job_ends_and_has_no_right_that_it_does_not_need(workflow, job):
    assert 0 < job["timeout-minutes"] <= 360
    allowed = {"contents": "read"}
    if workflow["name"] == "comment":
        allowed |= {"actions": "read", "pull-requests": "write"}
    assert rights(workflow, job) == allowed
    assert job.get("concurrency", workflow.get("concurrency")), "two of one kind at one time"


@pytest.mark.parametrize("workflow", WORKFLOWS.values(), ids=WORKFLOWS)
def test_no_workflow_gives_rights_or_secrets_to_code_of_a_fork(workflow):
    events = triggers(workflow)
    assert "pull_request_target" not in events
    assert "secrets." not in yaml.safe_dump(workflow)
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False
                if "workflow_run" in events:
                    default = "${{ github.event.repository.default_branch }}"
                    assert step["with"]["ref"] == default


@pytest.mark.parametrize(("workflow", "job"), parts())
def test_no_script_is_made_of_what_others_may_write(workflow, job):
    """Such values reach a script by its environment: in its text, they could be commands."""
    scripts = [step["run"] for step in job["steps"] if "run" in step]
    assert scripts or workflow["name"] == "gate-package"
    assert [script for script in scripts if "${{" in script] == []
    for step in job["steps"]:
        assert not FOREIGN.search(str(step.get("shell", "")))


@pytest.mark.parametrize(("workflow", "job"), parts())
def test_actions_are_githubs_own_and_named_by_commit(workflow, job):
    used = [step["uses"] for step in job["steps"] if "uses" in step]
    assert used
    if workflow["name"] == "gate-package":
        assert used.pop() == f"./.fakemamba/{ACTION_FILE.parent.relative_to(ROOT)}"
    for name in used:
        assert re.fullmatch(r"actions/[a-z-]+(/[a-z]+)?@[0-9a-f]{40}", name), name


def test_one_commit_of_an_action_is_used_and_its_version_stands_beside_it():
    found = {}
    for path in (*FILES, ACTION_FILE):
        for line in path.read_text().splitlines():
            if "uses: actions/" in line:
                action, version = re.fullmatch(
                    r"\s+(?:- )?uses: actions/([a-z-]+)\S*@([0-9a-f]{40} # v[0-9.]+)", line
                ).groups()
                found.setdefault(action, set()).add(version)
    assert {action: len(versions) for action, versions in found.items()} == dict.fromkeys(found, 1)


def test_every_tox_environment_that_is_run_is_there():
    tox = ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    known = {name.partition(":")[2] for name in tox.sections()} | {tox["tox"]["env_list"]}
    named = set()
    for workflow in WORKFLOWS.values():
        for job in workflow["jobs"].values():
            named |= set(job.get("strategy", {}).get("matrix", {}).get("environment", []))
            for step in job["steps"]:
                named |= set(re.findall(r"tox -e ([a-z-]+)", step.get("run", "")))
    assert named == {"test", "lint", "workflows", "gate", "gate-comment"}
    assert named <= known


def test_the_gate_runs_when_it_is_asked_for_one_at_a_time_and_with_approval():
    events, job = triggers(WORKFLOWS["gate"]), WORKFLOWS["gate"]["jobs"]["gate"]
    assert set(events) == {"pull_request", "schedule", "workflow_dispatch"}
    assert events["pull_request"] == {"types": ["labeled"]}
    assert "github.event.label.name == 'gpu-gate'" in job["if"]
    assert job["runs-on"] == ["self-hosted", "gpu"] and job["environment"] == "gpu-runner"
    assert job["concurrency"] == {"group": "gpu-gate", "cancel-in-progress": False}
    scripts = [step.get("run", "") for step in job["steps"]]
    assert any(script.startswith("nvidia-smi\n") for script in scripts)
    assert any("GITHUB_STEP_SUMMARY" in script for script in scripts)
    budget = re.search(r"--budget-minutes (\d+)", "".join(scripts))
    assert int(budget[1]) < job["timeout-minutes"], "or it is cut short in a block"


def test_what_the_gate_ends_with_is_kept_also_if_it_failed():
    steps = {step.get("name"): step for step in WORKFLOWS["gate"]["jobs"]["gate"]["steps"]}
    for name in ("Keep the launches for another attempt", "Summary", "Comparison"):
        assert steps[name]["if"].startswith("always()")
    assert steps["Comparison"]["with"]["path"] == "gate-out/comparison.json"
    key = steps["Launches of an earlier attempt"]["with"]["key"]
    for part in ("gpu.outputs.model", "revisions.outputs.base", "revisions.outputs.head"):
        assert part in key
    assert steps["Keep the launches for another attempt"]["with"]["key"] == key


def test_the_comment_is_of_the_gates_run_and_the_number_is_not_the_artefacts():
    assert triggers(WORKFLOWS["comment"])["workflow_run"]["workflows"] == [
        WORKFLOWS["gate"]["name"]
    ]
    steps = WORKFLOWS["comment"]["jobs"]["comment"]["steps"]
    download = next(step for step in steps if "download-artifact" in step.get("uses", ""))
    assert download["with"]["name"] == "comparison"
    assert download["with"]["path"].startswith("${{ runner.temp }}/"), "not over the checkout"
    post = steps[-1]
    assert "comparison" not in post["run"]
    for name in ("HEAD_OWNER", "HEAD_BRANCH", "HEAD_COMMIT"):
        assert post["env"][name].startswith("${{ github.event.workflow_run.head_")
    assert "github-actions[bot]" in post["run"] and "<!-- fakemamba-gate -->" in post["run"]


def test_machines_get_the_system_packages_that_the_open_corpus_is_made_of():
    listed = (ROOT / ".ci" / "debian-packages").read_text().split()
    assert tuple(listed) == debian_packages()


def test_hooks_of_commits_check_what_tox_lints():
    tox = ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    commands = tox["testenv:lint"]["commands"].split("\n")
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    stages = {hook["entry"]: hook["stages"] for hook in hooks}
    ruff = {one.removesuffix(" {tox_root}") for one in commands if one.startswith("ruff")}
    assert {entry for entry, when in stages.items() if "pre-commit" in when} == ruff
    assert "pre-push" in stages["tox -e lint"]


def yaml_blocks(page):
    text = (ROOT / "docs" / page).read_text()
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]


def test_what_other_repositories_write_is_short_and_has_inputs_that_are_there():
    calling, stepwise = yaml_blocks("ci.md")
    (called,) = calling["jobs"].values()
    path, _, revision = called["uses"].partition("@")
    assert path == "OWNER/fakemamba/.github/workflows/gate-package.yml" and revision
    inputs = triggers(WORKFLOWS["gate-package"])["workflow_call"]["inputs"]
    required = {name for name, one in inputs.items() if one.get("required")}
    assert required <= called["with"].keys() <= inputs.keys()
    assert calling["permissions"] == {"contents": "read"} and "secrets" not in called
    text = (ROOT / "docs" / "ci.md").read_text()
    assert len(re.search(r"```yaml\n(.*?)```", text, re.DOTALL)[1].splitlines()) <= 10

    checkout, step = stepwise["steps"]
    assert checkout["with"] == {"fetch-depth": 0, "persist-credentials": False}
    assert step["uses"].partition("@")[0] == "OWNER/fakemamba/.github/actions/gate"
    assert step["with"].keys() <= ACTION["inputs"].keys()


def test_the_workflow_hands_on_inputs_that_the_action_has_and_the_action_uses_all():
    call = WORKFLOWS["gate-package"]["jobs"]["gate"]["steps"][-1]
    assert call["with"].keys() <= ACTION["inputs"].keys()
    inputs = triggers(WORKFLOWS["gate-package"])["workflow_call"]["inputs"]
    for name, value in call["with"].items():
        assert value == f"${{{{ inputs.{name} }}}}" and name in inputs
        assert inputs[name].get("default") == ACTION["inputs"][name].get("default")
    for name in ACTION["inputs"]:
        assert f"${{{{ inputs.{name} }}}}" in ACTION_FILE.read_text()
    assert {step["shell"] for step in ACTION["runs"]["steps"] if "run" in step} == {"bash"}


def test_options_that_the_action_gives_are_those_of_the_commands():
    text = ACTION_FILE.read_text()
    (command,) = re.findall(r"fakemamba\" gate (.*?)\n\n", text, re.DOTALL)
    own, _, sweep = command.partition(" -- ")
    known = {f"--{name.replace('_', '-')}" for name in inspect.signature(gate).parameters}
    assert {*re.findall(r"--[a-z-]+", own)} <= known
    assert {*re.findall(r"--[a-z-]+", sweep)} <= OPTIONS.keys()
