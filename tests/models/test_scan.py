"""The selective scan: every backend against the recurrence in float64."""

import pytest
import torch
from fakemamba.models.scan import BACKENDS, selective_scan
from hypothesis import given, settings
from hypothesis import strategies as st

FAST = sorted(set(BACKENDS) - {"reference"})
LENGTHS = [1, 2, 3, 15, 16, 17, 255, 257, 3000]


def random_inputs(batch, length, channels, states, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    return {
        "u": normal(batch, length, channels),
        "delta": normal(batch, length, channels) - 2,
        "A": -torch.rand(channels, states, generator=generator, dtype=torch.float64).to(dtype) * 8,
        "B": normal(batch, length, states),
        "C": normal(batch, length, states),
        "D": normal(channels),
        "z": normal(batch, length, channels),
        "delta_bias": normal(channels),
    }


def in_float64(inputs):
    return {name: value.double() for name, value in inputs.items()}


def relative_error(found, wanted):
    return float((found.double() - wanted).norm() / wanted.norm().clamp(min=1e-30))


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("length", LENGTHS)
def test_every_length_matches_the_reference(backend, length):
    inputs = random_inputs(2, length, 6, 16)
    wanted = selective_scan(**in_float64(inputs), backend="reference")
    found = selective_scan(**inputs, backend=backend)
    assert found.dtype == torch.float32
    assert relative_error(found, wanted) < 1e-5


@pytest.mark.parametrize("backend", FAST)
@settings(deadline=None, max_examples=30)
@given(
    st.integers(1, 3),
    st.integers(1, 70),
    st.integers(1, 9),
    st.integers(1, 20),
    st.integers(0, 1000),
)
def test_every_shape_matches_the_reference(backend, batch, length, channels, states, seed):
    inputs = random_inputs(batch, length, channels, states, seed=seed)
    wanted = selective_scan(**in_float64(inputs), backend="reference")
    assert relative_error(selective_scan(**inputs, backend=backend), wanted) < 1e-5


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("missing", ["D", "z", "delta_bias"])
def test_optional_inputs_may_be_left_out(backend, missing):
    inputs = random_inputs(1, 20, 4, 8)
    del inputs[missing]
    wanted = selective_scan(**in_float64(inputs), backend="reference")
    assert relative_error(selective_scan(**inputs, backend=backend), wanted) < 1e-5


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize(
    "extreme",
    [
        {"delta": 50.0, "delta_bias": 0.0},
        {"delta": -18.4, "delta_bias": 0.0},  # softplus gives 1e-8
        {"A": -1e-8},
        {"A": -1e4},
        {"u": 1e4},
    ],
    ids=str,
)
def test_extreme_values_stay_finite_and_right(backend, extreme):
    inputs = random_inputs(1, 300, 4, 8)
    for name, value in extreme.items():
        inputs[name] = torch.full_like(inputs[name], value)
    wanted = selective_scan(**in_float64(inputs), backend="reference")
    found = selective_scan(**inputs, backend=backend)
    assert torch.isfinite(found).all()
    assert relative_error(found, wanted) < 1e-5


@pytest.mark.parametrize("backend", FAST)
def test_inputs_need_not_be_contiguous(backend):
    inputs = random_inputs(2, 40, 6, 8)
    wanted = selective_scan(**inputs, backend=backend)
    for name in ("u", "delta", "B", "C", "z"):
        inputs[name] = inputs[name].transpose(1, 2).contiguous().transpose(1, 2)
        assert not inputs[name].is_contiguous()
    torch.testing.assert_close(selective_scan(**inputs, backend=backend), wanted)


@pytest.mark.parametrize("backend", FAST)
def test_half_precision_inputs_are_scanned_in_fp32(backend):
    inputs = random_inputs(1, 100, 6, 8, dtype=torch.bfloat16)
    wanted = selective_scan(**in_float64(inputs), backend="reference")
    found = selective_scan(**inputs, backend=backend)
    assert found.dtype == torch.bfloat16
    assert relative_error(found, wanted) < 1e-2


@pytest.mark.parametrize("backend", FAST)
def test_gradients_match_the_reference(backend):
    names = list(random_inputs(1, 1, 1, 1))
    gradients = []
    for chosen, dtype in ((backend, torch.float32), ("reference", torch.float64)):
        inputs = random_inputs(2, 50, 5, 8)
        inputs = {name: value.to(dtype).requires_grad_() for name, value in inputs.items()}
        output = selective_scan(**inputs, backend=chosen)
        (
            output * torch.linspace(-1, 1, output.numel(), dtype=dtype).view_as(output)
        ).sum().backward()
        gradients.append([inputs[name].grad for name in names])
    for name, found, wanted in zip(names, *gradients, strict=True):
        assert relative_error(found, wanted) < 1e-5, name


def test_the_torch_backend_passes_gradcheck():
    inputs = random_inputs(1, 7, 2, 3, dtype=torch.float64)
    values = [value.requires_grad_() for value in inputs.values()]

    def scan(*values):
        return selective_scan(**dict(zip(inputs, values, strict=True)), backend="torch")

    assert torch.autograd.gradcheck(scan, values)


def test_an_unknown_backend_lists_those_there_are():
    with pytest.raises(ValueError, match="unknown scan backend 'cuda'; there are auto"):
        selective_scan(**random_inputs(1, 2, 1, 1), backend="cuda")
