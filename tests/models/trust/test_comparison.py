"""What is found of a kernel that is right, gives wrong numbers, raises, crashes, or hangs."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fakemamba.kernel_checks import KernelCheck
from fakemamba.models.scan import SSD_SCANS, chunked, triton_scan, triton_ssd
from fakemamba.models.scan.convolution import causal_conv_silu
from fakemamba.models.trust import comparison, process
from fakemamba.models.trust.cases import BOUNDS, KERNELS, Case, Kernel
from fakemamba.models.trust.comparison import check_on
from fakemamba.models.trust.process import check_in_process

CPU = torch.device("cpu")
IS_INTERPRETED = not torch.cuda.is_available() and triton_scan.unavailable() is None
interpreted = pytest.mark.skipif(not IS_INTERPRETED, reason="for Triton's interpreter on a CPU")


def square(x):
    return (x.square(),)


def kernel_of(call, what=square, gradients=True):
    def cases(dtype):
        x = torch.arange(1.0, 9.0).to(dtype)
        yield Case("the first", {"x": x.clone()}, square, square)
        yield Case("the square", {"x": x}, call, what, gradients)

    return Kernel(cases, ())


@pytest.fixture
def small(monkeypatch):
    """Tiles that the interpreter is done with in time, in one precision."""
    for name, size in (("TILE_FRAMES", 2), ("BLOCK_CHANNELS", 1), ("JOINED_TILES", 2)):
        monkeypatch.setattr(triton_scan, name, size)
    monkeypatch.setattr(triton_ssd, "CHUNK_FRAMES", 16)
    for name in ("NUM_STATES", "SSD_STATES", "SSD_CHANNELS"):
        monkeypatch.setattr(f"fakemamba.models.trust.cases.{name}", 2)
    monkeypatch.setattr(comparison, "PRECISIONS", {"fp32": torch.float32})


def test_a_kernel_that_is_right_passes_with_what_it_differs_by():
    check = check_on(kernel_of(lambda x: (x.square() * 1.00001,)), CPU)
    assert check.status == "passed" and check.error is None
    assert list(check.differences) == ["fp32", "bf16", "fp16"]
    assert 0 < check.differences["fp32"] < BOUNDS[torch.float32]


def test_one_that_gives_other_numbers_fails_and_says_which():
    check = check_on(kernel_of(lambda x: (torch.cat([x[:-1].square(), x[:1]]),)), CPU)
    assert check.status == "failed" and check.differences["fp32"] > 0.1
    assert check.error.startswith("fp32: output 0 of the square differs from torch's by 0.")
    assert check.error.endswith("of its norm, but may by 0.0001")


def test_one_that_is_wrong_in_a_half_precision_alone_fails():
    def call(x):
        return (x.square() * (1 if x.dtype == torch.float32 else 1.1),)

    check = check_on(kernel_of(call), CPU)
    assert check.status == "failed" and check.error.startswith("bf16: ")
    assert check.differences["fp32"] < 1e-6


def test_one_whose_gradients_are_wrong_fails():
    check = check_on(kernel_of(lambda x: (x.detach().square() + 0 * x,)), CPU)
    assert check.status == "failed" and "the gradient of x of the square" in check.error


def test_one_that_leaves_something_undefined_fails():
    check = check_on(kernel_of(lambda x: (torch.cat([x[1:], x[:1] * float("nan")]),)), CPU)
    assert check.status == "failed" and "by inf of its norm" in check.error
    assert check.differences == {}  # JSON has no infinity


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (RuntimeError("no such\ninstruction"), "failed", r"no such\ninstruction"),
        (torch.OutOfMemoryError("all is taken"), "not-checked", "all is taken"),
        (RuntimeError("CUDA error: out of memory"), "not-checked", "out of memory"),
        (RuntimeError("out of resource: shared memory"), "failed", "shared memory"),
    ],
)
def test_one_that_raises_fails_but_where_memory_ended(error, status, told):
    def call(x):
        raise error

    check = check_on(kernel_of(call), CPU)
    assert check.status == status
    assert check.error.startswith(f"fp32: {type(error).__name__}: ") and told in check.error


def test_a_device_that_cannot_be_used_says_nothing_of_the_kernel(monkeypatch):
    def full(*_, **__):
        raise RuntimeError("devices are busy or unavailable")

    monkeypatch.setattr(torch, "zeros", full)
    check = check_on(kernel_of(square), CPU)
    assert check.status == "not-checked" and "busy or unavailable" in check.error


@interpreted
def test_the_scan_and_its_convolution_pass(small):
    assert check_on(KERNELS["selective-scan"], CPU).status == "passed"


@pytest.mark.at_length
@interpreted
def test_the_ssd_scan_passes_and_a_wrong_one_fails(small, monkeypatch):
    assert check_on(KERNELS["ssd-scan"], CPU).status == "passed"
    right = triton_ssd.scan
    wrong = {**SSD_SCANS, "triton": lambda inputs: right(inputs._replace(exclusive=False))}
    monkeypatch.setattr("fakemamba.models.scan.SSD_SCANS", wrong)
    check = check_on(KERNELS["ssd-scan"], CPU)
    assert check.status == "failed" and "of the SSD scan, one frame late" in check.error


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (lambda i: i._replace(reverse=(False, False)), "of the scan"),
        (lambda i: i._replace(lengths=None), "of the scan"),
        (lambda i: i._replace(z=-i.z), "of the scan"),
        (lambda i: i._replace(B=i.B.detach() + 0 * i.B), "the gradient of B of the scan"),
        (lambda i: i._replace(D=i.D.detach() + 0 * i.D), "the gradient of D of the scan"),
        (None, "output 0 of the convolution"),
    ],
)
def test_a_scan_that_is_wrong_in_one_thing_fails(small, monkeypatch, fault, told):
    def convolution(x, weight, bias, reverse, lengths):
        kept = lengths if fault else lengths.clamp(max=2)
        return causal_conv_silu(x, weight, bias, reverse=reverse, lengths=kept, backend="torch")

    def scan(inputs):
        return chunked.scan(fault(inputs) if fault else inputs)

    monkeypatch.setattr(triton_scan, "unavailable", lambda: None)
    monkeypatch.setattr(triton_scan, "scan", scan)
    monkeypatch.setattr(triton_scan, "causal_conv_silu", convolution)
    check = check_on(KERNELS["selective-scan"], CPU)
    assert check.status == "failed" and told in check.error


@interpreted
def test_the_norm_passes_in_a_process_of_its_own():
    check = check_in_process("fused-norm", "cpu")
    assert check == KernelCheck("passed", None, check.differences)
    assert list(check.differences) == ["fp32", "bf16", "fp16"]
    for precision, dtype in comparison.PRECISIONS.items():
        assert 0 < check.differences[precision] < BOUNDS[dtype] / 3


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Puts another program into the place of the one that compares."""
    monkeypatch.syspath_prepend(tmp_path)

    def put(text):
        (tmp_path / "in_its_place.py").write_text(text)
        monkeypatch.setattr(process, "PROGRAM", "in_its_place")

    return put


def test_one_that_hangs_is_ended_with_all_that_it_began(program, tmp_path):
    began = tmp_path / "began"
    program(
        "import os, subprocess, time\n"
        "compiler = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(began)!r}, 'w').write(str(compiler.pid))\n"
        "time.sleep(600)\n"
    )
    check = check_in_process("a", "cpu", limit_s=2.0)
    assert check == KernelCheck("failed", "it was not done after 2 s", {})
    until_s = time.monotonic() + 10
    while is_running(began.read_text()) and time.monotonic() < until_s:
        time.sleep(0.01)
    assert not is_running(began.read_text())


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("ending", "status", "told"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "failed", "ended by SIGSEGV (so far)"),
        ("os.abort()", "failed", "ended by SIGABRT"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "not-checked", "ended by SIGKILL"),
        ("raise ImportError('no torch')", "not-checked", "ImportError: no torch"),
        ("print('nothing')", "not-checked", "the process that was to check it ended: so far"),
    ],
)
def test_how_its_process_ends_says_whose_fault_it_is(program, ending, status, told):
    program(f"import os, signal, sys\nprint('so far', file=sys.stderr, flush=True)\n{ending}\n")
    check = check_in_process("a", "cpu")
    assert check.status == status and told in check.error


def test_what_a_kernel_prints_is_no_answer(program):
    program("""
print('{"status": "failed"}')
print('{"status": "passed", "error": null, "differences": {}}')
""")
    assert check_in_process("a", "cpu") == KernelCheck("passed", None, {})


def test_a_python_that_cannot_be_started_says_nothing_of_the_kernel(monkeypatch):
    monkeypatch.setattr("sys.executable", "/no/such/python")
    check = check_in_process("a", "cpu")
    assert check.status == "not-checked" and "/no/such/python" in check.error


def test_a_kernel_may_have_bounds_of_its_own():
    kernel = replace(kernel_of(lambda x: (x.square() * 1.05,)), bounds=dict.fromkeys(BOUNDS, 0.1))
    assert check_on(kernel, CPU).status == "passed"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_all_pass_on_the_gpu_that_is_here():
    for kernel in KERNELS:
        check = check_in_process(kernel, "cuda:0")
        assert check.status == "passed", (kernel, check)
