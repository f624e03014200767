"""What a figure was measured on: processor, GPU, memory, versions, commit, torch's relevant flags.

These are the machine's and the software's lasting facts: two figures with the same ones can be
compared. What changes from minute to minute is read by ``bench.instruments.machine``. torch is
imported only when it is asked about.
"""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from fakemamba.kernel_checks import describe_kernels
from fakemamba.nvml import NvmlUnavailableError, Reading, open_gpu

if TYPE_CHECKING:
    import torch

_CPU_ROOT = Path("/sys/devices/system/cpu")

PACKAGES = (
    "fakemamba",
    "torch",
    "transformers",
    "numpy",
    "numba",
    "triton",
    "mamba-ssm",
    "causal-conv1d",
    "pytest-benchmark",
    "nvidia-ml-py",
)


def describe_environment(device: torch.device) -> dict[str, Any]:
    """Facts about the machine and the software, as JSON. CUDA is left alone for a CPU."""
    import torch

    governor = cpu_governor()
    return {
        "device": describe_device(device),
        "gpu": describe_gpu(device),
        "kernels": describe_kernels(device),
        "cpu": cpu_name(),
        "cpu_cores": psutil.cpu_count(logical=False),
        "cpu_threads": psutil.cpu_count(logical=True),
        "cpu_governor": governor.value,
        "cpu_governor_reason": governor.reason,
        "torch_threads": torch.get_num_threads(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": package_versions(PACKAGES),
        "git": describe_checkout(Path(__file__)),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if torch.backends.cudnn.is_available() else None,
        "tf32_matmul": torch.backends.cuda.matmul.allow_tf32,
        "tf32_cudnn": torch.backends.cudnn.allow_tf32,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
    }


def describe_device(device: torch.device) -> str:
    """A line that a figure can be labelled with: the GPU's name, or the CPU's and its threads."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU: {cpu_name()}, {torch.get_num_threads()} threads"


def describe_gpu(device: torch.device) -> dict[str, Any] | None:
    """A GPU's ``GpuIdentity``, or the ``reason`` why it is not known; None for a CPU."""
    if device.type == "cpu":
        return None
    try:
        with open_gpu(device) as gpu:
            return asdict(gpu.identity())
    except NvmlUnavailableError as error:
        return {"reason": str(error)}


def package_versions(names: Sequence[str]) -> dict[str, str]:
    """Versions of those packages that are installed."""
    versions = {}
    for name in names:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


def describe_checkout(file: Path) -> dict[str, Any]:
    """The git ``commit`` that a source file is of, and whether the tree is ``dirty``.

    Dirty is a tree of which a tracked file differs from the commit. Both are None with a ``reason``
    without git, and for a file that git does not track: one that was installed into an environment
    which only happens to lie in somebody's checkout.
    """
    try:
        _git(file, "ls-files", "--error-unmatch", file.name)
        commit = _git(file, "rev-parse", "HEAD")
        changes = _git(file, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError) as error:
        told = getattr(error, "stderr", None) or str(error)
        return {"commit": None, "dirty": None, "reason": told.strip().splitlines()[0]}
    return {"commit": commit, "dirty": bool(changes), "reason": None}


def cpu_name() -> str:
    """The processor's model name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def cpu_governor(root: Path = _CPU_ROOT) -> Reading[str]:
    """The policy that sets the cores' frequency (Linux); several, joined, where cores differ."""
    files = sorted(root.glob("cpu[0-9]*/cpufreq/scaling_governor"))
    try:
        governors = sorted({file.read_text().strip() for file in files})
    except OSError as error:
        return Reading(None, f"the governor is not readable: {error}")
    if not governors:
        return Reading(None, f"no governor under {root}: a virtual machine, or no cpufreq")
    return Reading(", ".join(governors))


def _git(file: Path, *arguments: str) -> str:
    command = ["git", "--no-optional-locks", "-C", str(file.parent), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.strip()
