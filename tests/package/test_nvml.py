"""NVML's answers as values or reasons: a recorded session stands in for the driver's library."""

import copy
import json
import os
from pathlib import Path
from types import SimpleNamespace

import psutil
import pynvml
import pytest
import torch

from fakemamba.nvml import NvmlUnavailableError, open_gpu

SESSION = json.loads(Path(__file__).with_name("nvml_session.json").read_text())
GPU = torch.device("cuda")
MIB = 1 << 20


class Recording:
    """Answers NVML's calls as a recorded GPU did, or as it did in a recorded event."""

    def __init__(self, name):
        self.gpu = copy.deepcopy(SESSION["gpus"][name])
        self.uuid = self.gpu["calls"]["nvmlDeviceGetUUID"]
        self.every_call = None
        self.open = 0

    def happen(self, event):
        event = SESSION["events"][event]
        self.gpu["calls"].update(event.get("calls", {}))
        self.gpu["fields"].update(event.get("fields", {}))
        self.every_call = event.get("every_call")

    def run(self, *processes):
        self.gpu["calls"]["nvmlDeviceGetComputeRunningProcesses"] = list(processes)

    def answer(self, name, *key):
        given = self.every_call or self.gpu["calls"][name]
        if isinstance(given, dict) and "error" in given:
            raise pynvml.NVMLError(given["error"])
        return given[str(key[0])] if key else given

    def fields(self, fields):
        answers = []
        for field in fields:
            given = self.every_call or self.gpu["fields"][str(field)]
            if isinstance(given, dict):
                answers.append(SimpleNamespace(nvmlReturn=given["error"]))
            else:
                value = SimpleNamespace(**{("uiVal", "ulVal", "ullVal")[given[1] - 1]: given[0]})
                answers.append(
                    SimpleNamespace(nvmlReturn=pynvml.NVML_SUCCESS, valueType=given[1], value=value)
                )
        return answers

    def find(self, uuid):
        if self.every_call:
            raise pynvml.NVMLError(self.every_call["error"])
        if uuid != self.uuid:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return self

    def count(self, change):
        self.open += change


@pytest.fixture
def replay(monkeypatch):
    """Make torch and pynvml speak of a recorded GPU."""

    def start(name, *events):
        recording = Recording(name)
        for event in events:
            recording.happen(event)
        uuid = recording.uuid.removeprefix("GPU-")
        monkeypatch.setattr(
            torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid=uuid)
        )
        for call in recording.gpu["calls"]:
            monkeypatch.setattr(pynvml, call, lambda *_, call=call: recording.answer(call))
        for call in ("nvmlDeviceGetClockInfo", "nvmlDeviceGetMaxClockInfo"):
            monkeypatch.setattr(
                pynvml, call, lambda _, clock, call=call: recording.answer(call, clock)
            )
        memory = "nvmlDeviceGetMemoryInfo"
        monkeypatch.setattr(
            pynvml, memory, lambda _, version: SimpleNamespace(**recording.answer(memory))
        )
        processes = "nvmlDeviceGetComputeRunningProcesses"
        monkeypatch.setattr(
            pynvml,
            processes,
            lambda _: [
                SimpleNamespace(pid=pid, usedGpuMemory=used)
                for pid, used in recording.answer(processes)
            ],
        )
        monkeypatch.setattr(
            pynvml, "nvmlDeviceGetFieldValues", lambda _, ids: recording.fields(ids)
        )
        monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByUUID", recording.find)
        monkeypatch.setattr(pynvml, "nvmlInit", lambda: recording.count(1))
        monkeypatch.setattr(pynvml, "nvmlShutdown", lambda: recording.count(-1))
        return recording

    return start


def test_an_idle_h200(replay):
    recording = replay("h200")
    with open_gpu(GPU) as gpu:
        assert gpu.total_energy_j().value == 126272101.025
        assert gpu.power_w().value == 74.58
        assert gpu.sm_clock_mhz().value == 345 and gpu.max_sm_clock_mhz().value == 1980
        assert gpu.memory_clock_mhz().value == 3199 and gpu.max_memory_clock_mhz().value == 3201
        assert gpu.idle().value is True
        assert gpu.throttle_reasons().value == []
        assert gpu.temperature_c().value == 28
        assert gpu.memory_used_bytes().value == MIB
        assert gpu.foreign_pids().value == []
    assert recording.open == 0


def test_its_identity(replay):
    replay("h200")
    with open_gpu(GPU) as gpu:
        identity = gpu.identity()
    assert identity.name == "NVIDIA H200" and identity.uuid.startswith("GPU-cb3dfa52")
    assert identity.driver == "550.90.12" and identity.cuda_driver == "12.4"
    assert identity.power_limit_w == 700.0
    assert (identity.mig, identity.ecc, identity.persistence) == (False, True, True)
    assert identity.reasons == {}


@pytest.mark.parametrize(
    ("event", "names"),
    [
        ("busy", ["software power cap"]),
        ("overheated", ["hardware slowdown", "hardware thermal slowdown"]),
        ("reason-of-a-later-driver", ["reason 0x1000"]),
    ],
)
def test_what_holds_the_clocks_down(replay, event, names):
    replay("h200", event)
    with open_gpu(GPU) as gpu:
        assert gpu.throttle_reasons().value == names
        assert gpu.idle().value is False


def test_limits_that_a_gpu_does_not_count_are_not_zero(replay):
    replay("h200")
    with open_gpu(GPU) as gpu:
        assert gpu.throttled_s().value == {"power": 0.165687, "thermal": 0.903158}
    replay("a100-mig")
    with open_gpu(GPU) as gpu:
        assert gpu.throttled_s().value is None
        assert gpu.throttled_s().reason == "NVML: Not Supported"


def test_power_of_a_gpu_without_the_instantaneous_field(replay):
    replay("a100-mig")
    with open_gpu(GPU) as gpu:
        assert gpu.power_w().value == 67.03


def test_an_answer_that_is_refused_is_none_with_its_reason(replay):
    replay("a100-mig", "no-energy-counter")
    with open_gpu(GPU) as gpu:
        energy, memory = gpu.total_energy_j(), gpu.memory_used_bytes()
    assert (energy.value, energy.reason) == (None, "NVML: Not Supported")
    assert (memory.value, memory.reason) == (None, "NVML: Insufficient Permissions")


def test_a_gpu_that_is_lost_on_the_way(replay):
    recording = replay("h200")
    with open_gpu(GPU) as gpu:
        recording.happen("lost")
        questions = [
            getattr(gpu, name)
            for name in vars(type(gpu))
            if not name.startswith("_") and name not in ("close", "identity")
        ]
        answers = [ask() for ask in questions]
        identity = gpu.identity()
    assert len(answers) == 13
    assert all(answer.value is None for answer in answers)
    assert {answer.reason for answer in answers} == {"NVML: GPU is lost"}
    assert identity.name is None and identity.reasons["name"] == "NVML: GPU is lost"
    with pytest.raises(NvmlUnavailableError, match="GPU is lost"):
        open_gpu(GPU)
    assert recording.open == 0


def test_other_processes_are_foreign_and_this_one_is_not(replay):
    recording = replay("h200")
    recording.run((os.getpid(), 3 * MIB), (os.getppid(), MIB))
    with open_gpu(GPU) as gpu:
        assert gpu.foreign_pids().value == [os.getppid()]
        assert gpu.process_memory_bytes().value == 3 * MIB
        recording.run((os.getpid(), None))
        assert gpu.foreign_pids().value == []
        assert gpu.process_memory_bytes().value is None
        assert "does not tell" in gpu.process_memory_bytes().reason
        recording.run((os.getppid(), MIB))  # this process has no context yet
        assert gpu.foreign_pids().value == [os.getppid()]
        assert "does not list this process" in gpu.process_memory_bytes().reason


def test_process_numbers_of_a_host_are_not_judged(replay, monkeypatch):
    replay("h200", "in-a-container")
    monkeypatch.setattr(psutil, "pid_exists", lambda pid: False)
    with open_gpu(GPU) as gpu:
        assert gpu.foreign_pids().value is None
        assert "host" in gpu.foreign_pids().reason


def test_a_mig_part_is_found_by_its_own_uuid_and_is_the_whole_gpu(replay, monkeypatch):
    recording = replay("a100-mig")
    parts = {"MIG-" + recording.uuid.removeprefix("GPU-"): "part"}

    def find(uuid):
        if uuid not in parts:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return parts[uuid]

    asked = []
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByUUID", find)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetDeviceHandleFromMigDeviceHandle", asked.append)
    with open_gpu(GPU) as gpu:
        assert gpu.identity().mig is True
    assert asked == ["part"]


def test_a_gpu_that_nvml_does_not_know(replay):
    recording = replay("h200")
    recording.uuid = "GPU-of-another-machine"
    with pytest.raises(NvmlUnavailableError, match="does not give GPU cb3dfa52"):
        open_gpu(GPU)
    assert recording.open == 0


@pytest.mark.parametrize(
    "code",
    [
        pynvml.NVML_ERROR_LIBRARY_NOT_FOUND,
        pynvml.NVML_ERROR_DRIVER_NOT_LOADED,
        pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH,
    ],
)
def test_a_driver_that_is_not_there(replay, monkeypatch, code):
    replay("h200")

    def fail():
        raise pynvml.NVMLError(code)

    monkeypatch.setattr(pynvml, "nvmlInit", fail)
    with pytest.raises(NvmlUnavailableError, match="NVML does not start: "):
        open_gpu(GPU)


def test_a_cpu_is_no_gpu():
    with pytest.raises(NvmlUnavailableError, match="cpu is not an NVIDIA GPU"):
        open_gpu(torch.device("cpu"))


def test_every_part_of_the_session_says_where_it_is_from():
    sources = [source for gpu in SESSION["gpus"].values() for source in gpu["sources"].values()]
    sources += [event["source"] for event in SESSION["events"].values()]
    assert all("https://" in source for source in sources)
