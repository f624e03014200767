"""Detectors of others in cells: what can be measured is, and what cannot says why."""

import json
import shutil
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch.utils import flop_counter

from fakemamba.bench.cells import Cell
from fakemamba.bench.instruments.rounds import Effort
from fakemamba.bench.measuring.external import FIXED_LENGTH
from fakemamba.bench.measuring.measure import Measurer
from fakemamba.bench.measuring.preparation import WorkloadCache
from fakemamba.bench.method import Method
from fakemamba.models.execution.modes import COMPILERS

ONCE = Effort(least_visits=1, dear_visits=1, most_visits=1, time_s=0.0, visit_s=0.0, warmup_s=0.0)
NET = """
class Net(nn.Module):
    parts = {"front-end": "filters", "encoder": "layers", "head": "last"}

    def __init__(self, width=4):
        super().__init__()
        self.filters = Filters(width)
        self.layers = nn.Linear(width, width)
        self.last = nn.Linear(width, 2)

    def forward(self, waveforms):
        return self.last(torch.tanh(self.layers(self.filters(waveforms))).mean(1))

class Filters(nn.Conv1d):
    def __init__(self, width):
        super().__init__(1, width, 400, 320)

    def forward(self, waveforms):
        return super().forward(waveforms[:, None]).transpose(1, 2)

def detector(waveforms):
    return waveforms.square().mean(1)
"""


@pytest.fixture
def measured(code):
    """The outcome of a cell of a module of others."""
    names = {}

    def measure(text=NET, name="Net", measurer=None, **changes):
        module = names.setdefault(text, code(text) if text not in names else None)
        cell = Cell(f"{module}:{name}", "own", "end-to-end", 0.2)
        return (measurer or new_measurer()).measure(replace(cell, **changes))

    return measure


def new_measurer(*instruments):
    return Measurer(Method(ONCE, instruments), WorkloadCache())


@pytest.mark.parametrize("part", ["front-end", "encoder", "end-to-end"])
def test_its_parts_are_measured_as_ours_are(measured, part):
    outcome = measured(measurer=new_measurer("memory", "work"), part=part)
    assert outcome.status == "measured", outcome.reason
    figures = outcome.to_json()
    assert figures["latency_s"] > 0 and figures["peak_bytes"] > 0 and figures["flops"] > 0
    assert figures["n_parameters"] == {"front-end": 1_604, "encoder": 20, "end-to-end": 1_634}[part]
    assert figures["fixed_length"] is None and figures["notes"] == []
    assert figures["external"]["parts"]["encoder"] == "layers" and figures["external"]["batches"]
    json.dumps(figures, allow_nan=False)


def test_a_part_that_it_does_not_name_is_unsupported(measured):
    outcome = measured(name="detector", part="encoder")
    assert outcome.status == "unsupported" and outcome.reason.endswith("names no part encoder")
    assert measured(name="detector").status == "measured"


@pytest.mark.parametrize("precision", ["bf16", "int8"])
@pytest.mark.parametrize("part", ["encoder", "end-to-end"])
def test_another_precision_carries_its_error(measured, precision, part):
    outcome = measured(precision=precision, part=part)
    assert outcome.status == "measured", outcome.reason
    assert 0 < outcome.details["relative_error"] < 0.3


def test_it_is_compiled_or_there_is_no_compiler(measured, monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))  # in no time
    outcome = measured(execution="compile")
    has_compiler = any(map(shutil.which, COMPILERS))
    assert outcome.status == ("measured" if has_compiler else "unsupported"), outcome.reason


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"execution": "optimized"}, "is external: execution optimized is for detectors of"),
        ({"attention": "eager"}, "has no front-end of this package, whose attention could be"),
        ({"name": "detector", "precision": "int8"}, "has no linear layers that could be"),
        ({"name": "detector", "part": "training-step"}, "no parameters that could be trained"),
        (
            {"name": "detector", "part": "training-step-frozen"},
            "it names no front-end that could be left as it is",
        ),
    ],
)
def test_what_cannot_be_measured_is_unsupported_with_a_reason(measured, changes, told):
    outcome = measured(**changes)
    assert outcome.status == "unsupported" and told in outcome.reason
    assert outcome.traceback is None and "\n" not in outcome.reason


@pytest.mark.parametrize("options", ["?num_samples=1600", "_cut"])
def test_one_of_a_fixed_length_is_known_not_to_grow(measured, options):
    text = NET + "def detector_cut(waveforms):\n    return waveforms[:, :800].mean(1)\n"
    outcome = measured(text, f"detector{options}")
    assert outcome.status == "measured" and outcome.details["fixed_length"] == FIXED_LENGTH


BY_BATCH = """
class Net(nn.Module):
    parts = {"encoder": "layers"}

    def __init__(self):
        super().__init__()
        self.layers = nn.Linear(1, 2)
        self.sizes = []

    def forward(self, waveforms):
        self.sizes.append(len(waveforms))
        loud = (waveforms - waveforms.mean()).square().mean(1, keepdim=True) / waveforms.var()
        return self.layers(loud + waveforms.mean(1, keepdim=True))
"""


def test_a_batch_of_one_that_depends_on_its_batch_is_measured_row_by_row(measured):
    measurer = new_measurer()
    outcome = measured(BY_BATCH, measurer=measurer, batch_size=2)
    assert outcome.status == "measured", outcome.reason
    (note,) = outcome.details["notes"]
    assert note.startswith("rows are run one at a time: together their logits differ")
    (opened,) = measurer._preparer._detectors.values()
    assert opened.network.sizes.count(2) == 1  # when it was tried
    part = measured(BY_BATCH, measurer=measurer, batch_size=2, part="encoder")
    assert part.status == "unsupported" and "2 times for 2 waveforms" in part.reason


def test_an_operator_of_its_own_is_counted_where_it_has_a_formula(measured):
    text = """
    @torch.library.custom_op("{name}::mix", mutates_args=())
    def mix(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return one @ other

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(100, 100))

        def forward(self, waveforms):
            return mix(waveforms.reshape(-1, 100), self.weight).square().mean()[None]
    """
    plain = measured(text.format(name="theirs_plain"), measurer=new_measurer("work")).details
    assert any("mix" in one for one in plain["uncounted"]) and plain["flop_coverage"] < 1

    formula = """
    from torch.utils.flop_counter import register_flop_formula

    @register_flop_formula(torch.ops.theirs_counted.mix)
    def flops(one, other, *args, out_shape=None, **kwargs):
        return 2 * one[0] * one[1] * other[1]
    """
    text = text.format(name="theirs_counted") + formula
    try:
        counted = measured(text, measurer=new_measurer("work")).details
    finally:
        for operator in [*flop_counter.flop_registry]:
            if "theirs_counted" in str(operator):
                del flop_counter.flop_registry[operator]
    assert counted["flops"] >= plain["flops"] + 2 * 32 * 100 * 100
    assert not any("mix" in one for one in counted["uncounted"])


@pytest.mark.parametrize("part", ["training-step", "training-step-frozen"])
def test_training_steps_change_another_detector_than_the_one_that_is_timed(measured, part):
    measurer = new_measurer()
    text = NET + "\nit = Net()\n"
    outcome = measured(text, "it", measurer, part=part, batch_size=2)
    assert outcome.status == "measured", outcome.reason
    trained = outcome.details["n_trained_parameters"]
    assert trained == (1_634 if part == "training-step" else 1_634 - 1_604)
    after = measured(text, "it", measurer)
    assert after.status == "measured", after.reason
    (detector,) = measurer._preparer._detectors.values()
    assert not detector.network.training
    assert all(one.requires_grad for one in detector.network.parameters())


@pytest.mark.parametrize(
    ("text", "told", "frames"),
    [
        (
            "def it(waveforms):\n    return theirs(waveforms)\n"
            "def theirs(waveforms):\n    raise RuntimeError('first\\nsecond')",
            "it fails on waveforms (1, 16000): RuntimeError: first",
            ["in it", "in theirs"],
        ),
        (
            "def it(fails=True):\n    raise OSError('no weights')",
            "it cannot be made: OSError: no weights",
            ["in it"],
        ),
        ("def it(waveforms):\n    return None", "it: it returns 'NoneType', but should", []),
    ],
)
def test_one_that_fails_ends_in_a_record_with_its_own_traceback(measured, text, told, frames):
    outcome = measured(text, "it")
    assert outcome.status == "failed" and told in outcome.reason and "\n" not in outcome.reason
    told = (outcome.traceback or "").splitlines()
    shown = [line.partition(", ")[2].partition(", ")[2] for line in told if "  File" in line]
    assert shown == frames and "fakemamba" not in (outcome.traceback or "")


def test_one_that_fails_only_when_it_is_timed_ends_in_a_record(measured):
    text = (
        "calls = []\ndef it(waveforms):\n    calls.append(1)\n"
        "    if len(calls) > 5: raise RuntimeError('tired')\n    return waveforms.mean(1)"
    )
    outcome = measured(text, "it")
    assert outcome.status == "failed" and "RuntimeError: tired" in outcome.reason


ON_OURS = """
class Net(nn.Module):
    def __init__(self, frontend, layers=None):
        super().__init__()
        self.features = frontend
        if layers is not None:
            del frontend.model.encoder.layers[layers:]
        self.head = nn.Linear(frontend.config.hidden_size, 2)

    def forward(self, waveforms):
        return self.head(self.features(waveforms)[0].mean(1))

class Hidden(nn.Module):
    def __init__(self, frontend):
        super().__init__()
        self.features = lambda waveforms: frontend(waveforms)[0]
        self.head = nn.Linear(frontend.config.hidden_size, 2)

    def forward(self, waveforms):
        return self.head(self.features(waveforms).mean(1))
"""


def test_on_a_frontend_of_ours_its_parts_are_known(measured):
    for part in ("front-end", "end-to-end"):
        outcome = measured(ON_OURS, frontend="xls-r-tiny", part=part)
        assert outcome.status == "measured", outcome.reason
        assert not outcome.details["external"]["own_frontend"]
    outcome = measured(ON_OURS, frontend="xls-r-tiny", attention="eager")
    assert outcome.status == "measured", outcome.reason


def test_a_frontend_of_ours_that_is_hidden_is_no_part(measured):
    outcome = measured(ON_OURS, "Hidden", new_measurer("memory"), frontend="xls-r-tiny")
    assert outcome.status == "measured", outcome.reason


def test_what_others_do_to_a_frontend_is_not_done_to_ours(measured):
    measurer = new_measurer("memory", "work")
    ours = Cell("fake-mamba-s", "xls-r-tiny", "front-end", 0.2, backend="torch")
    before = new_measurer("memory", "work").measure(ours).details
    cut = measured(
        ON_OURS, "Net?layers=1", measurer, frontend="xls-r-tiny", part="front-end"
    ).details
    after = measurer.measure(ours).details
    for figure in ("flops", "n_parameters", "peak_bytes"):
        assert after[figure] == before[figure]
    assert cut["n_parameters"] < before["n_parameters"] and cut["flops"] < before["flops"]


def test_an_onnx_graph_is_measured_as_it_was_exported_only(tmp_path):
    pytest.importorskip("onnxruntime", reason="ONNX Runtime runs these")
    path = tmp_path / "a.onnx"
    path.write_bytes(bytes.fromhex(ONNX))
    cell = Cell(str(path), "own", "end-to-end", 0.2)
    measurer = new_measurer("memory", "work")
    outcome = measurer.measure(cell)
    assert outcome.status == "measured", outcome.reason
    for changes in ({"precision": "bf16"}, {"precision": "int8"}, {"execution": "compile"}):
        outcome = measurer.measure(replace(cell, **changes))
        assert outcome.status == "unsupported" and "as it was exported" in outcome.reason


# The sums of absolute values of rows, as tests/models/external/test_exported.py writes it.
ONNX = (
    "08083a88010a3b0a0977617665666f726d73120673636f72657322085265647563654c312a0f0a086b656570"
    "64696d731800a001022a0b0a04617865734001a00107120567726170685a270a0977617665666f726d73121a"
    "0a18080112140a07120562617463680a09120773616d706c657362190a0673636f726573120f0a0d08011209"
    "0a071205626174636842040a00100b"
)
