"""The machine's state as it is read, and what two states say about what lay between them."""

import json
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch

from fakemamba.bench.instruments import machine
from fakemamba.bench.instruments.machine import (
    GpuState,
    MachineState,
    disturbances,
    read_state,
)
from fakemamba.nvml import NvmlUnavailableError, Reading

CPU = torch.device("cpu")
QUIET = MachineState(
    device_type="cpu",
    unix_time_s=1.7e9,
    monotonic_s=100.0,
    cpu_threads=4,
    cpu_governor="performance",
    cpu_frequency_mhz=3000.0,
    load_average=0.5,
    cpu_busy_s=1000.0,
    cpu_stolen_s=50.0,
    process_cpu_s=20.0,
    gpu=None,
    reasons={},
)
BUSY_GPU = GpuState(
    sm_clock_mhz=1980,
    max_sm_clock_mhz=1980,
    memory_clock_mhz=3201,
    max_memory_clock_mhz=3201,
    temperature_c=60,
    power_w=500.0,
    idle=False,
    throttle_reasons=[],
    throttled_s={"power": 3.0, "thermal": 0.0},
    foreign_pids=[],
    memory_used_bytes=1 << 30,
    process_memory_bytes=1 << 30,
    reasons={},
)
ON_GPU = replace(QUIET, device_type="cuda", gpu=BUSY_GPU)


def later(state, interval_s, *, own_s=0.0, others_s=0.0, stolen_s=0.0):
    return replace(
        state,
        monotonic_s=state.monotonic_s + interval_s,
        cpu_busy_s=state.cpu_busy_s + own_s + others_s,
        process_cpu_s=state.process_cpu_s + own_s,
        cpu_stolen_s=state.cpu_stolen_s + stolen_s,
    )


def gpu_later(interval_s=10.0, **changes):
    return replace(later(ON_GPU, interval_s), gpu=replace(BUSY_GPU, **changes))


def test_work_of_ones_own_is_no_disturbance():
    assert disturbances(QUIET, later(QUIET, 10.0, own_s=40.0)) == []


@pytest.mark.parametrize(
    ("others_s", "found"),
    [(3.6, []), (4.8, ["other processes used 12% of the CPU"])],
    ids=["9%", "12%"],
)
def test_others_may_use_a_tenth_of_all_cores(others_s, found):
    assert disturbances(QUIET, later(QUIET, 10.0, own_s=20.0, others_s=others_s)) == found


@pytest.mark.parametrize(
    ("stolen_s", "found"),
    [(0.7, []), (2.0, ["the host took 5% of the CPU from this virtual machine"])],
    ids=["1.75%", "5%"],
)
def test_stolen_time_may_be_a_fiftieth(stolen_s, found):
    assert disturbances(QUIET, later(QUIET, 10.0, stolen_s=stolen_s)) == found


def test_ticks_of_a_short_interval_are_not_judged():
    assert disturbances(QUIET, later(QUIET, 0.049, others_s=0.2)) == []
    # One tick a core may be the count's own: 0.04 of 0.24 core seconds here.
    assert disturbances(QUIET, later(QUIET, 0.06, others_s=0.04)) == []
    assert len(disturbances(QUIET, later(QUIET, 0.06, others_s=0.24))) == 1


def test_what_is_not_known_is_not_judged():
    unknown = replace(QUIET, cpu_stolen_s=None)
    assert disturbances(unknown, replace(later(QUIET, 10.0), cpu_stolen_s=None)) == []
    no_gpu = replace(ON_GPU, gpu=None, reasons={"gpu": "NVML: GPU is lost"})
    assert disturbances(ON_GPU, no_gpu) == []
    blank = {"throttle_reasons": None, "throttled_s": None, "foreign_pids": None}
    assert disturbances(ON_GPU, gpu_later(idle=None, sm_clock_mhz=345, **blank)) == []


def test_a_gpu_at_work_and_alone_is_not_disturbed():
    assert disturbances(ON_GPU, gpu_later(throttled_s={"power": 3.09, "thermal": 0.0})) == []


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"throttle_reasons": ["hardware slowdown"]}, "GPU throttled: hardware slowdown"),
        ({"throttle_reasons": ["software power cap"]}, "GPU throttled: software power cap"),
        (
            {"throttled_s": {"power": 5.0, "thermal": 0.0}},
            "GPU held back by its power limit for 20% of the time",
        ),
        ({"sm_clock_mhz": 1200}, "GPU clock at 1200 MHz under load, 61% of its 1980 MHz"),
        ({"foreign_pids": [4711, 4712]}, "other processes on the GPU: 4711, 4712"),
    ],
)
def test_what_disturbs_a_gpu(changes, found):
    assert disturbances(ON_GPU, gpu_later(**changes)) == [found]


def test_what_disturbed_a_gpu_before_counts_too():
    before = replace(ON_GPU, gpu=replace(BUSY_GPU, foreign_pids=[7], throttle_reasons=["x"]))
    assert disturbances(before, gpu_later()) == [
        "GPU throttled: x",
        "other processes on the GPU: 7",
    ]


def test_clocks_that_are_low_for_want_of_work_or_set_by_their_owner_are_no_disturbance():
    assert disturbances(ON_GPU, gpu_later(sm_clock_mhz=345, idle=True)) == []
    set_by_owner = {"throttle_reasons": ["applications clocks setting"], "sm_clock_mhz": 1600}
    assert disturbances(ON_GPU, gpu_later(**set_by_owner)) == []


def test_a_state_is_read_here_and_is_json():
    state = read_state(CPU)
    content = json.loads(json.dumps(state.to_json()))
    assert content["device_type"] == "cpu" and content["gpu"] is None
    assert state.cpu_threads >= 1 and state.cpu_busy_s > state.process_cpu_s > 0
    assert all(state.to_json()[name] is None for name in state.reasons)
    assert "gpu" not in state.reasons


def test_a_child_s_cpu_time_is_this_process_s_own():
    before = read_state(CPU)
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", burn], check=True)
    after = read_state(CPU)
    assert after.process_cpu_s - before.process_cpu_s >= 0.25


class AnsweringGpu:
    """Answers every question with its name's length, but for those it refuses."""

    def __getattr__(self, question):
        refused = Reading(None, "NVML: Not Supported")
        return lambda: refused if question == "throttled_s" else Reading(len(question))


def test_a_gpu_s_state_is_in_the_machine_s(monkeypatch):
    monkeypatch.setattr(machine, "open_gpu", lambda device: nullcontext(AnsweringGpu()))
    gpu = read_state(torch.device("cuda")).gpu
    assert gpu.sm_clock_mhz == len("sm_clock_mhz")
    assert gpu.foreign_pids == len("foreign_pids")
    assert gpu.throttled_s is None
    assert gpu.reasons == {"throttled_s": "NVML: Not Supported"}


def test_a_gpu_without_nvml_has_a_reason(monkeypatch):
    def fail(device):
        raise NvmlUnavailableError("NVML does not start: Driver Not Loaded")

    monkeypatch.setattr(machine, "open_gpu", fail)
    state = read_state(torch.device("cuda"))
    assert state.gpu is None
    assert state.reasons["gpu"] == "NVML does not start: Driver Not Loaded"
