"""What is told about the machine and the software that a figure was measured with."""

import subprocess
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

from fakemamba import environment
from fakemamba.environment import (
    cpu_governor,
    describe_checkout,
    describe_environment,
    describe_gpu,
    package_versions,
)
from fakemamba.nvml import GpuIdentity, NvmlUnavailableError

CPU = torch.device("cpu")


def git(folder, *arguments):
    author = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    subprocess.run(["git", "-C", folder, *author, *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "code.py").write_text("a = 1\n")
    git(tmp_path, "init")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "-m", "first")
    return tmp_path


def test_cuda_is_left_alone_for_a_cpu(monkeypatch):
    def fail():
        raise AssertionError("CUDA was initialised")

    monkeypatch.setattr(torch.cuda, "_lazy_init", fail)
    facts = describe_environment(CPU)
    assert facts["gpu"] is None
    assert facts["packages"]["pytest-benchmark"]
    assert facts["float32_matmul_precision"] in {"highest", "high", "medium"}
    assert (facts["cpu_governor"] is None) == (facts["cpu_governor_reason"] is not None)


def test_a_gpu_s_identity_or_the_reason(monkeypatch):
    identity = GpuIdentity("H", "GPU-1", "550", "12.4", 700.0, False, True, True, {})
    gpu = SimpleNamespace(identity=lambda: identity)
    monkeypatch.setattr(environment, "open_gpu", lambda device: nullcontext(gpu))
    assert describe_gpu(torch.device("cuda"))["power_limit_w"] == 700.0

    def fail(device):
        raise NvmlUnavailableError("no driver")

    monkeypatch.setattr(environment, "open_gpu", fail)
    assert describe_gpu(torch.device("cuda")) == {"reason": "no driver"}


def test_packages_that_are_not_installed_are_left_out():
    assert package_versions(["pytest", "no-such-package"]) == {"pytest": pytest.__version__}


def test_a_checkout_is_dirty_once_a_tracked_file_differs(checkout):
    clean = describe_checkout(checkout / "code.py")
    assert len(clean["commit"]) == 40 and clean["dirty"] is False and clean["reason"] is None
    (checkout / "figures.json").write_text("{}")
    assert describe_checkout(checkout / "code.py") == clean
    (checkout / "code.py").write_text("a = 2\n")
    assert describe_checkout(checkout / "code.py") == clean | {"dirty": True}


def test_a_package_that_only_lies_in_a_checkout_is_not_of_its_commit(checkout):
    installed = checkout / "code_installed.py"
    installed.write_text("a = 1\n")
    told = describe_checkout(installed)
    assert told["commit"] is None and told["dirty"] is None
    assert "code_installed.py" in told["reason"]


def test_no_checkout_and_no_git(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert "not a git repository" in describe_checkout(tmp_path / "code.py")["reason"]
    monkeypatch.setenv("PATH", "")
    told = describe_checkout(tmp_path / "code.py")
    assert told["commit"] is None and "git" in told["reason"]


def test_the_governor_of_all_cores(tmp_path):
    assert cpu_governor(tmp_path).value is None
    assert "no governor" in cpu_governor(tmp_path).reason
    for core, governor in enumerate(["performance", "performance", "powersave"]):
        folder = tmp_path / f"cpu{core}" / "cpufreq"
        folder.mkdir(parents=True)
        (folder / "scaling_governor").write_text(f"{governor}\n")
    assert cpu_governor(tmp_path).value == "performance, powersave"
