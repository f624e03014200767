"""Energy of work whose power is known, from counters and clocks that only pretend."""

import itertools
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fakemamba.bench.instruments import energy_meters
from fakemamba.bench.instruments.energy import measure_energy
from fakemamba.bench.instruments.energy_meters import (
    EnergyUnavailableError,
    PowerIntegral,
    RaplCounter,
    TickingMeter,
)
from fakemamba.nvml import NvmlUnavailableError, Reading

CPU = torch.device("cpu")
GPU = torch.device("cuda")


class Machine:
    """A clock, and a meter that shows the energy as it was at the last tick."""

    method = "pretended"

    def __init__(self, idle_w, tick_s=0.1, started_s=0.0):
        self.idle_w, self.tick_s = idle_w, tick_s
        self.now_s, self.next_tick_s = started_s, tick_s
        self.joules = self.shown_j = 0.0

    def spend(self, seconds, power_w):
        until_s = self.now_s + seconds
        while self.next_tick_s <= until_s:
            self.joules += power_w * (self.next_tick_s - self.now_s)
            self.now_s, self.shown_j = self.next_tick_s, self.joules
            self.next_tick_s += self.tick_s
        self.joules += power_w * (until_s - self.now_s)
        self.now_s = until_s

    def read_joules(self):
        return self.shown_j

    def sleep(self, seconds):
        self.spend(seconds, self.idle_w)

    def monotonic(self):
        return self.now_s

    def measure(self, call, call_s, **options):
        options = {"meter": self, "sleep": self.sleep, "monotonic": self.monotonic} | options
        return measure_energy(call, CPU, call_s, **options)


@settings(max_examples=60)
@given(
    power_w=st.floats(20.0, 1000.0),
    idle_share=st.floats(0.05, 1.0),
    tick_s=st.floats(0.001, 0.1),
    call_s=st.floats(0.005, 7.0),
    started_s=st.floats(0.0, 0.1),
)
def test_a_constant_power_is_measured_within_the_stated_uncertainty(
    power_w, idle_share, tick_s, call_s, started_s
):
    idle_w = power_w * idle_share
    machine = Machine(idle_w, tick_s, min(started_s, tick_s * 0.9))
    energy = machine.measure(lambda: machine.spend(call_s, power_w), call_s)
    assert energy.reason is None and energy.method == "pretended"
    assert abs(energy.energy_j - power_w * call_s) <= energy.uncertainty_j
    assert abs(energy.net_energy_j - (power_w - idle_w) * call_s) <= energy.uncertainty_j
    assert energy.window_s >= 5.0 - 1e-6
    # And the statement says something: two ticks of a window of seconds, not more.
    assert energy.uncertainty_j <= 0.06 * power_w * call_s


def test_what_was_used_before_and_after_the_work_is_not_the_work_s():
    machine = Machine(idle_w=30.0)
    machine.spend(0.05, 100.0)  # the end of a warm-up, which the counter does not show yet
    energy = machine.measure(lambda: machine.spend(0.501, 100.0), 0.501)  # 90 ms before an edge
    assert energy.calls == 10 and energy.window_s == pytest.approx(5.01, abs=0.01)
    assert energy.idle_power_w == pytest.approx(30.0, rel=0.002)
    assert energy.power_w == pytest.approx(100.0, rel=0.002)
    assert energy.energy_j == pytest.approx(50.1, rel=0.002)
    assert energy.net_energy_j == pytest.approx(35.07, rel=0.002)


def test_windows_that_differ_are_less_certain():
    def measure(powers_w):
        machine, steps = Machine(idle_w=30.0), iter(powers_w)
        return machine.measure(lambda: machine.spend(5.0, next(steps)), 5.0)

    steady, unsteady = measure([100.0] * 3), measure([80.0, 100.0, 120.0])
    assert unsteady.energy_j == pytest.approx(steady.energy_j, rel=0.01)
    assert unsteady.uncertainty_j - steady.uncertainty_j == pytest.approx(100.0, rel=0.05)


def test_a_counter_that_stands_still_has_a_reason():
    machine = Machine(idle_w=0.0)
    energy = machine.measure(lambda: None, 1.0)
    assert energy.energy_j is None and energy.reason == "the energy counter has not moved in 2 s"


def test_an_error_of_the_work_passes_through():
    machine = Machine(idle_w=30.0)

    def fail():
        raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck"):
        machine.measure(fail, 1.0)


@pytest.mark.parametrize("options", [{"windows": 1}, {"window_s": 0.0}, {"idle_s": -1.0}])
def test_senseless_windows_are_refused(options):
    with pytest.raises(ValueError, match="two windows"):
        Machine(idle_w=30.0).measure(lambda: None, 1.0, **options)


@pytest.mark.parametrize("tick_s", [0.02, 0.1])
def test_the_tick_of_a_counter_is_found(tick_s):
    machine = Machine(30.0, tick_s)
    meter = TickingMeter("m", machine.read_joules, machine.sleep, machine.monotonic)
    assert meter.tick_s == pytest.approx(tick_s, abs=0.001)


def test_power_is_integrated_by_the_trapezoid_until_it_cannot_be_read():
    times_s, powers_w = itertools.count(0.0, 0.5), iter([100.0, 300.0, 100.0, 300.0, 100.0])
    sampled, read = threading.Event(), threading.Event()

    def read_power_w():
        power_w = next(powers_w, None)
        if power_w is None:
            sampled.set()
            read.wait(10.0)
            return Reading(None, "NVML: GPU is lost")
        return Reading(power_w)

    with PowerIntegral(read_power_w, monotonic=lambda: next(times_s)) as integral:
        assert sampled.wait(10.0)
        assert integral.read_joules() == pytest.approx(4 * 0.5 * 200.0)
        read.set()
    with pytest.raises(EnergyUnavailableError, match="GPU is lost"):
        integral.read_joules()


def open_pretended_gpu(monkeypatch, *, mig=False, energy=None, power=None):
    @contextmanager
    def open_gpu(device):
        yield SimpleNamespace(
            identity=lambda: SimpleNamespace(mig=mig),
            total_energy_j=energy or (lambda: Reading(None, "NVML: Not Supported")),
            power_w=power or (lambda: Reading(None, "NVML: GPU is lost")),
        )

    monkeypatch.setattr(energy_meters, "open_gpu", open_gpu)


def test_a_gpu_s_counter_comes_first(monkeypatch):
    counts = itertools.count(1.0)
    open_pretended_gpu(monkeypatch, energy=lambda: Reading(next(counts)))
    with energy_meters.open_meter(GPU) as meter:
        assert meter.method == "nvml-total-energy"
        assert meter.read_joules() < meter.read_joules()


def test_without_a_counter_its_power_is_integrated_and_says_so(monkeypatch):
    open_pretended_gpu(monkeypatch, power=lambda: Reading(200.0))
    with energy_meters.open_meter(GPU) as meter:
        assert meter.method == "nvml-power-integrated"


def test_a_part_of_a_gpu_has_no_energy_of_its_own(monkeypatch):
    open_pretended_gpu(monkeypatch, mig=True, energy=lambda: Reading(1.0))
    energy = measure_energy(lambda: None, GPU, 1.0)
    assert energy.energy_j is None and energy.reason.startswith("MIG is on")


def test_a_gpu_that_tells_nothing_has_a_reason(monkeypatch):
    open_pretended_gpu(monkeypatch)
    assert measure_energy(lambda: None, GPU, 1.0).reason == "NVML: GPU is lost"

    def fail(device):
        raise NvmlUnavailableError("NVML does not start: Driver Not Loaded")

    monkeypatch.setattr(energy_meters, "open_gpu", fail)
    energy = measure_energy(lambda: None, GPU, 1.0)
    assert energy.reason == "NVML does not start: Driver Not Loaded"


def powercap(root, **energies_uj):
    for name, energy_uj in energies_uj.items():
        folder = root / {"package0": "intel-rapl:0", "package1": "intel-rapl:1"}.get(name, name)
        folder.mkdir(exist_ok=True)
        (folder / "name").write_text(f"{name.replace('package', 'package-')}\n")
        (folder / "energy_uj").write_text(f"{energy_uj}\n")
        (folder / "max_energy_range_uj").write_text("262143328850\n")
    return root


def test_packages_are_added_and_their_parts_are_not(tmp_path):
    dram = {"intel-rapl:0:0": 5_000_000, "intel-rapl:2": 9_000_000}
    root = powercap(tmp_path, package0=1_000_000, package1=2_000_000, **dram)
    counter = RaplCounter(root)
    assert counter.read_joules() == 0.0
    powercap(root, package0=4_000_000, package1=2_500_000, **{"intel-rapl:0:0": 8_000_000})
    assert counter.read_joules() == pytest.approx(3.5)


def test_a_counter_that_wraps_around_goes_on(tmp_path):
    counter = RaplCounter(powercap(tmp_path, package0=262_143_328_850 - 2_000_000))
    powercap(tmp_path, package0=3_000_000)
    assert counter.read_joules() == pytest.approx(5.0)
    powercap(tmp_path, package0=4_000_000)
    assert counter.read_joules() == pytest.approx(6.0)


def test_a_processor_without_a_counter(tmp_path):
    with pytest.raises(EnergyUnavailableError, match="no processor's RAPL counter"):
        RaplCounter(tmp_path)


def test_a_counter_that_only_root_may_read(tmp_path):
    file = powercap(tmp_path, package0=1) / "intel-rapl:0" / "energy_uj"
    file.unlink()
    file.mkdir()  # not readable, for root neither
    with pytest.raises(
        EnergyUnavailableError, match=f"{file} is not readable .*chmod a\\+r {file}"
    ):
        RaplCounter(tmp_path)
