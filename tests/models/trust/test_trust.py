"""What `auto` does with kernels on a GPU that nobody has tried, and that is only said to be."""

import logging
from types import SimpleNamespace

import pytest
import torch

from fakemamba import kernel_checks
from fakemamba.environment import describe_environment
from fakemamba.kernel_checks import KernelCheck, describe_kernels
from fakemamba.models import trust
from fakemamba.models.execution.fused_norm import uses_kernel
from fakemamba.models.scan import resolve_backend, triton_scan
from fakemamba.models.trust import check_all

triton = pytest.importorskip("triton")
pytestmark = pytest.mark.skipif(
    triton_scan.unavailable() is not None, reason="Triton's kernels cannot run here"
)

CUDA = torch.device("cuda", 0)
PASSED = KernelCheck("passed", None, {"fp32": 2e-7})
FAILED = KernelCheck("failed", "fp32: the output is another", {"fp32": 0.3})
FULL = KernelCheck("not-checked", "no memory is left", {})


class Machine:
    """A GPU, its software, and how checks end on it; ``checked`` are those that were made."""

    def __init__(self, monkeypatch):
        self._patch = monkeypatch
        self.ending, self.checked = PASSED, []
        self.name, self.driver = "Test GPU", "550.1"

    def another_process(self):
        self._patch.setattr(kernel_checks, "_known", {})

    def properties(self, device):
        return SimpleNamespace(name=self.name, major=9, minor=0)

    def check(self, kernel, device):
        self.checked.append((kernel, device))
        return self.ending


@pytest.fixture
def machine(monkeypatch, tmp_path):
    made = Machine(monkeypatch)
    made.another_process()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(torch.cuda, "get_device_properties", made.properties)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    monkeypatch.setattr(trust, "describe_gpu", lambda device: {"driver": made.driver})
    monkeypatch.setattr(trust, "check_in_process", made.check)
    monkeypatch.setattr(trust, "_told", set())
    return made


def kept(tmp_path):
    return list((tmp_path / "cache").glob("fakemamba/kernels/*.json"))


def test_a_kernel_that_passes_is_checked_once_for_all_processes(machine, tmp_path):
    for _ in range(2):
        assert resolve_backend("auto", CUDA) == "triton"
        assert resolve_backend("auto", torch.device("cuda")) == "triton"
        machine.another_process()
    assert machine.checked == [("selective-scan", "cuda:0")]
    assert len(kept(tmp_path)) == 1


def test_each_kernel_is_checked_by_itself(machine):
    assert uses_kernel(CUDA) and resolve_backend("auto", CUDA) == "triton"
    assert [kernel for kernel, _ in machine.checked] == ["fused-norm", "selective-scan"]


def test_where_one_fails_torch_is_used_and_that_is_told_once_a_process(machine, caplog):
    machine.ending = FAILED
    for _ in range(2):
        caplog.clear()
        assert not uses_kernel(CUDA)
        for _ in range(3):
            assert resolve_backend("auto", CUDA) == "torch"
        told = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
        assert len(told) == 2 and "selective-scan is not right here" in told[1]
        for words in (FAILED.error, "torch computes instead", "remove /", "Test GPU", "550.1"):
            assert words in told[1]
        machine.another_process()
    assert len(machine.checked) == 2  # the failure is kept as well


def test_who_removes_the_file_that_is_named_tries_again(machine, tmp_path):
    machine.ending = FAILED
    assert resolve_backend("auto", CUDA) == "torch"
    (path,) = kept(tmp_path)
    path.unlink()
    machine.another_process()
    machine.ending = PASSED
    assert resolve_backend("auto", CUDA) == "triton"


def test_a_backend_that_is_asked_for_is_not_replaced(machine):
    machine.ending = FAILED
    assert resolve_backend("triton", CUDA) == "triton" and machine.checked == []


def test_what_could_not_be_checked_is_tried_by_the_next_process(machine, caplog, tmp_path):
    machine.ending = FULL
    assert resolve_backend("auto", CUDA) == "torch" and kept(tmp_path) == []
    assert "could not be compared with torch: no memory is left" in caplog.text
    assert "the next process tries again" in caplog.text
    machine.another_process()
    machine.ending = PASSED
    assert resolve_backend("auto", CUDA) == "triton" and len(machine.checked) == 2


def another_driver(machine, monkeypatch, tmp_path):
    machine.driver = "560.2"


def another_gpu(machine, monkeypatch, tmp_path):
    machine.name = "Other GPU"


def another_torch(machine, monkeypatch, tmp_path):
    monkeypatch.setattr(torch, "__version__", "9.9+cu1")


def another_triton(machine, monkeypatch, tmp_path):
    monkeypatch.setattr(triton, "__version__", "9.9")


def another_kernel(machine, monkeypatch, tmp_path):
    for name in ("scan/triton_kernels.py", "scan/triton_scan.py", "scan/convolution.py"):
        copy = tmp_path / "models" / name
        copy.parent.mkdir(exist_ok=True, parents=True)
        copy.write_bytes((trust.MODELS / name).read_bytes())
    (tmp_path / "models" / "trust").mkdir()
    (tmp_path / "models" / "trust" / "cases.py").write_bytes(b"")
    monkeypatch.setattr(trust, "MODELS", tmp_path / "models")


@pytest.mark.parametrize(
    "change", [another_driver, another_gpu, another_torch, another_triton, another_kernel]
)
def test_a_check_holds_only_where_it_was_made(machine, monkeypatch, tmp_path, change):
    resolve_backend("auto", CUDA)
    machine.another_process()
    change(machine, monkeypatch, tmp_path)
    resolve_backend("auto", CUDA)
    assert len(machine.checked) == 2 and len(kept(tmp_path)) == 2


def test_without_a_known_driver_a_check_holds_for_its_process(machine, tmp_path):
    machine.driver = None
    for _ in range(2):
        resolve_backend("auto", CUDA)
        resolve_backend("auto", CUDA)
        machine.another_process()
    assert len(machine.checked) == 2 and kept(tmp_path) == []


def test_elsewhere_nothing_is_checked(machine):
    assert resolve_backend("auto", torch.device("cpu")) != "triton"
    assert resolve_backend("auto", torch.device("mps")) == "torch"
    assert resolve_backend("auto", CUDA, torch.float64) == "torch"
    assert not uses_kernel(torch.device("cpu"))
    assert check_all(torch.device("cpu")) == {} and machine.checked == []
    assert describe_kernels(torch.device("cpu")) == {}
    assert describe_environment(torch.device("cpu"))["kernels"] == {}


def test_while_a_graph_is_captured_nothing_is_checked_and_torch_computes(
    machine, monkeypatch, caplog
):
    with monkeypatch.context() as capture:
        capture.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
        assert resolve_backend("auto", CUDA) == resolve_backend("auto", CUDA) == "torch"
        assert machine.checked == []
        assert caplog.text.count("make one call before it is captured") == 1
    assert resolve_backend("auto", CUDA) == "triton"
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    assert resolve_backend("auto", CUDA) == "triton"  # decided before


def test_while_it_is_compiled_nothing_is_checked_and_a_later_check_counts(machine):
    def which(x):
        return x + (1.0 if resolve_backend("auto", CUDA) == "triton" else 2.0)

    compiled = torch.compile(which, fullgraph=True, backend="eager")
    x = torch.zeros(3)
    assert float(compiled(x)[0]) == 2.0 and machine.checked == []
    assert float(which(x)[0]) == 1.0 and len(machine.checked) == 1
    assert float(compiled(x)[0]) == 1.0
    torch.compiler.reset()


def test_all_kernels_can_be_checked_and_are_in_the_environment(machine):
    machine.ending = FAILED
    checks = check_all(CUDA)
    assert checks == dict.fromkeys(("selective-scan", "ssd-scan", "fused-norm"), FAILED)
    assert describe_kernels(CUDA)["fused-norm"] == {
        "status": "failed",
        "error": FAILED.error,
        "differences": {"fp32": 0.3},
    }
    assert describe_kernels(torch.device("cuda", 1)) == {}
    assert check_all(CUDA) == checks and len(machine.checked) == 3
