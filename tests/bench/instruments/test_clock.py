"""Clocks against known truths: a simulated GPU whose launches and kernels cost what they are told,
a host clock that is told what time it is, and a call that lasts as long as it says."""

import json
import time
from pathlib import Path

import pytest
import torch

from fakemamba.bench.instruments.clock import (
    QUEUED_CALLS,
    CudaClock,
    CudaTimer,
    HostClock,
    LaunchesShowError,
    NoSuchClockError,
    make_clock,
)

LAUNCH_S, KERNEL_S = 10e-6, 4e-6


class SimulatedEvent:
    def __init__(self, cuda):
        self._cuda = cuda

    def record(self):
        self.done_s = max(self._cuda.host_s, self._cuda.stream_s)

    def synchronize(self):
        self._cuda.host_s = max(self._cuda.host_s, self.done_s)

    def query(self):
        return self._cuda.host_s >= self.done_s

    def elapsed_time(self, other):
        return (other.done_s - self.done_s) * 1e3


class SimulatedCuda:
    """A host and a stream: a launch takes host time, kernels run one after the other when both the
    launch and the kernel before are over."""

    def __init__(self):
        self.host_s = self.stream_s = 0.0
        self.synchronisations = 0

    def Event(self, enable_timing):
        assert enable_timing
        return SimulatedEvent(self)

    def synchronize(self, device):
        self.synchronisations += 1
        self.host_s = max(self.host_s, self.stream_s)

    def _sleep(self, cycles):
        self.run_kernel(cycles / 2e9)

    def rest(self):
        self.synchronize(None)
        self.host_s += 1e-3

    def run_kernel(self, seconds=KERNEL_S):
        self.host_s += LAUNCH_S
        self.stream_s = max(self.host_s, self.stream_s) + seconds


@pytest.fixture
def cuda():
    return SimulatedCuda()


def gpu_clock(cuda, mode):
    return CudaClock(torch.device("cuda", 0), mode, cuda, now=lambda: cuda.host_s)


def call_with(cuda, kernels):
    def call():
        for _ in range(kernels):
            cuda.run_kernel()

    return call


def test_latency_is_bound_by_launches_where_these_are_slower_than_kernels(cuda):
    reading = gpu_clock(cuda, "latency").time(call_with(cuda, 100))
    assert reading.device_s == pytest.approx(100 * LAUNCH_S + KERNEL_S)
    assert reading.host_s == pytest.approx(100 * LAUNCH_S + KERNEL_S)
    assert reading.enqueue_s == pytest.approx(100 * LAUNCH_S)
    assert cuda.synchronisations == 1


def test_the_devices_own_time_has_no_launches_in_it(cuda):
    reading = gpu_clock(cuda, "device").time(call_with(cuda, 100))
    assert reading.device_s == pytest.approx(100 * KERNEL_S)


def test_the_spin_grows_until_it_outlasts_the_launches(cuda):
    clock = gpu_clock(cuda, "device")
    reading = clock.time(call_with(cuda, 5_000))  # 50 ms of launches, far beyond the first spin
    assert reading.device_s == pytest.approx(5_000 * KERNEL_S)
    before = cuda.synchronisations
    clock.time(call_with(cuda, 5_000))
    assert cuda.synchronisations == before + 1, "the second call knows how long to spin"


def test_a_call_that_waits_for_the_gpu_cannot_have_its_launches_hidden(cuda):
    def waiting():
        cuda.run_kernel()
        cuda.synchronize(None)

    with pytest.raises(LaunchesShowError, match="waits for the GPU"):
        gpu_clock(cuda, "device").time(waiting)


def test_throughput_is_a_calls_share_of_those_queued(cuda):
    def one_large_kernel():
        cuda.run_kernel(1e-3)

    reading = gpu_clock(cuda, "throughput").time(one_large_kernel)
    assert reading.device_s == pytest.approx(1e-3, rel=0.01)
    assert reading.enqueue_s == pytest.approx(LAUNCH_S)
    alone = gpu_clock(cuda, "latency").time(one_large_kernel)
    assert alone.device_s > reading.device_s


TIMED_BY_EVENTS = """
from test_clock import SimulatedCuda
from fakemamba.bench.instruments.clock import CudaTimer
import pytest

CUDA = SimulatedCuda()

@pytest.mark.benchmark(timer=CudaTimer(CUDA))
def test_kernel(benchmark):
    # Known: 3 ms on the device, in a round that begins with the host 1 ms late.
    benchmark.pedantic(CUDA.run_kernel, args=(3e-3,), setup=CUDA.rest, rounds=5)
"""


def test_events_are_a_timer_for_pytest_benchmark(run_pytest, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)
    test, result = tmp_path / "test_kernel.py", tmp_path / "out.json"
    test.write_text(TIMED_BY_EVENTS)
    finished = run_pytest(test, f"--benchmark-json={result}")
    assert finished.returncode == 0, finished.stdout
    (entry,) = json.loads(result.read_text())["benchmarks"]
    assert entry["options"]["timer"] == "cuda_events"
    assert entry["stats"]["data"] == pytest.approx([3e-3 + LAUNCH_S] * 5)


def test_a_moment_waits_for_nothing_before_it_is_subtracted(cuda):
    timer = CudaTimer(cuda)
    start = timer()
    cuda.run_kernel(2e-3)
    end = timer()
    assert not end.is_over and cuda.host_s == pytest.approx(LAUNCH_S)
    assert end - start == pytest.approx(2e-3 + LAUNCH_S)
    assert end.is_over and cuda.host_s == pytest.approx(2e-3 + LAUNCH_S)


def test_the_host_clock_counts_what_passes_in_the_call():
    now = [0.0]

    def call():
        now[0] += 0.25

    assert HostClock(now=lambda: now[0]).time(call).device_s == 0.25
    before = now[0]
    assert HostClock("throughput", now=lambda: now[0]).time(call).host_s == pytest.approx(0.25)
    assert now[0] == pytest.approx(before + 0.25 * QUEUED_CALLS)


def test_a_loop_of_known_duration_is_measured_within_a_percent():
    """The loop watches the clock itself, so another process cannot make it a wrong truth."""
    lasted_s = []

    def spin():
        start_s = time.perf_counter()
        while time.perf_counter() - start_s < 0.02:
            pass
        lasted_s.append(time.perf_counter() - start_s)

    readings = [make_clock(torch.device("cpu")).time(spin) for _ in range(9)]
    ratios = sorted(r.device_s / truth for r, truth in zip(readings, lasted_s, strict=True))
    assert ratios[4] == pytest.approx(1.0, rel=0.01)


def test_a_cpu_has_no_clock_without_launches():
    with pytest.raises(NoSuchClockError, match="a CPU queues no launches"):
        make_clock(torch.device("cpu"), "device")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_kernels_of_known_ratio_on_a_gpu():
    device = torch.device("cuda", 0)
    clock = make_clock(device, "device")
    short, long = (
        sorted(clock.time(lambda n=n: torch.cuda._sleep(n)).device_s for _ in range(9))[4]
        for n in (20_000_000, 60_000_000)
    )
    assert long / short == pytest.approx(3.0, rel=0.01)
