"""Commands that are printed work where they are read."""

import pytest

from fakemamba.typed import install_command, is_clone, project_name, sweep_command


@pytest.fixture
def clone(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "fakemamba"\n')
    return tmp_path


def test_a_sweep_is_typed_as_pytest_in_a_clone_and_as_a_sub_command_elsewhere(clone, tmp_path):
    words, other = ["bench/", "-k", "not a"], tmp_path / "other"
    assert sweep_command(words, clone) == "pytest bench/ -k 'not a'"
    assert sweep_command(words, other) == "fakemamba bench -k 'not a'"
    assert sweep_command(["bench/bench_scan.py"], other) == "fakemamba bench bench/bench_scan.py"
    assert sweep_command(folder=other) == "fakemamba bench"
    assert install_command("models", clone) == "pip install -e '.[models]'"
    assert install_command("models", other) == "pip install 'fakemamba[models]'"


@pytest.mark.parametrize(
    "text",
    ["", "[project]", "project = 3", "[project]\nname = 3", "name = ", '"\\ud800"'],
    ids=repr,
)
def test_what_has_not_our_name_is_no_clone(text, tmp_path):
    (tmp_path / "pyproject.toml").write_text(text)
    assert not is_clone(tmp_path) and project_name(tmp_path) is None
    (tmp_path / "pyproject.toml").write_bytes(b"\xff")
    assert project_name(tmp_path) is None and project_name(tmp_path / "absent") is None
