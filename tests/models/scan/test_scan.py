"""The selective scan: every backend against the recurrence in float64."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakemamba.models.scan import (
    BackendUnavailableError,
    directional_scan,
    resolve_backend,
    selective_scan,
    triton_scan,
    unavailable_backends,
)
from fakemamba.models.scan.convolution import causal_conv_silu
from tests.models.scan.scans import (
    AVAILABLE,
    DEVICE,
    EXTREMES,
    FAST,
    INTERPRETED,
    in_float64,
    relative_error,
)

pytestmark = pytest.mark.usefixtures("two_threads", "poisoned_memory")
LENGTHS = [1, 2, 3, 15, 16, 17, 255, 257, 3000]
INTERPRETED_LENGTHS = [1, 2, 3, 7, 8, 9, 31, 33, 65]  # around tiles of 8 and joins of 4 tiles


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    """Triton's interpreter takes each element of a scan by itself: smaller tiles, less padding."""
    if INTERPRETED:
        monkeypatch.setattr(triton_scan, "TILE_FRAMES", 8)
        monkeypatch.setattr(triton_scan, "BLOCK_CHANNELS", 2)
        monkeypatch.setattr(triton_scan, "JOINED_TILES", 4)


def is_interpreted(backend):
    return backend == "triton" and INTERPRETED


def sizes(backend, length=1, channels=6, states=16):
    """Sizes of a test, cut down where a backend runs in Triton's interpreter: several tiles, joins
    and blocks of channels are left, the last of each not full.
    """
    if is_interpreted(backend):
        return min(length, 65), min(channels, 3), min(states, 3)
    return length, channels, states


def random_inputs(batch, length, channels, states, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(DEVICE, dtype)

    return {
        "u": normal(batch, length, channels),
        "delta": normal(batch, length, channels) - 2,
        "A": -8 * torch.sigmoid(normal(channels, states)),
        "B": normal(batch, length, states),
        "C": normal(batch, length, states),
        "D": normal(channels),
        "z": normal(batch, length, channels),
        "delta_bias": normal(channels),
    }


@pytest.mark.parametrize(
    ("backend", "length"),
    [
        (backend, length)
        for backend in FAST
        for length in (INTERPRETED_LENGTHS if is_interpreted(backend) else LENGTHS)
    ],
)
def test_every_length_matches_the_reference(backend, length):
    inputs = random_inputs(2, *sizes(backend, length))
    wanted = selective_scan(**in_float64(inputs), backend="reference")
    found = selective_scan(**inputs, backend=backend)
    assert found.dtype == torch.float32
    assert relative_error(found, wanted) < 1e-5


@pytest.mark.parametrize("backend", FAST)
@settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.integers(1, 3),
    st.integers(1, 70),
    st.integers(1, 9),
    st.integers(1, 20),
    st.integers(0, 1000),
)
def test_every_shape_matches_the_reference(backend, batch, length, channels, states, seed):
    inputs = random_inputs(batch, *sizes(backend, length, channels, states), seed=seed)
    wanted = selective_scan(**in_float64(inputs), backend="reference")
    assert relative_error(selective_scan(**inputs, backend=backend), wanted) < 1e-5


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("missing", ["D", "z", "delta_bias"])
def test_optional_inputs_may_be_left_out(backend, missing):
    inputs = random_inputs(1, *sizes(backend, 20, 4, 8))
    del inputs[missing]
    wanted = selective_scan(**in_float64(inputs), backend="reference")
    assert relative_error(selective_scan(**inputs, backend=backend), wanted) < 1e-5


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("extreme", [*EXTREMES, {"u": 1e4}], ids=str)
def test_extreme_values_stay_finite_and_right(backend, extreme):
    inputs = random_inputs(1, *sizes(backend, 300, 4, 8))
    for name, value in extreme.items():
        inputs[name] = torch.full_like(inputs[name], value)
    wanted = selective_scan(**in_float64(inputs), backend="reference")
    found = selective_scan(**inputs, backend=backend)
    assert torch.isfinite(found).all()
    assert relative_error(found, wanted) < 1e-5


@pytest.mark.parametrize("backend", FAST)
def test_inputs_need_not_be_contiguous(backend):
    inputs = random_inputs(2, *sizes(backend, 40, 6, 8))
    wanted = selective_scan(**inputs, backend=backend)
    for name in ("u", "delta", "B", "C", "z"):
        inputs[name] = inputs[name].transpose(1, 2).contiguous().transpose(1, 2)
        assert not inputs[name].is_contiguous()
    torch.testing.assert_close(selective_scan(**inputs, backend=backend), wanted)


@pytest.mark.parametrize("backend", FAST)
def test_half_precision_inputs_are_scanned_in_fp32(backend):
    inputs = random_inputs(1, *sizes(backend, 100, 6, 8), dtype=torch.bfloat16)
    wanted = selective_scan(**in_float64(inputs), backend="reference")
    found = selective_scan(**inputs, backend=backend)
    assert found.dtype == torch.bfloat16
    assert relative_error(found, wanted) < 1e-2


@pytest.mark.parametrize("backend", AVAILABLE)
def test_autocast_does_not_reach_into_the_scan(backend):
    inputs = random_inputs(1, *sizes(backend, 20, 3, 3))
    wanted = selective_scan(**inputs, backend=backend)
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        found = selective_scan(**inputs, backend=backend)
    torch.testing.assert_close(found, wanted, rtol=0, atol=0)


@pytest.mark.parametrize("backend", FAST)
def test_gradients_match_the_reference(backend):
    names = list(random_inputs(1, 1, 1, 1))
    gradients = []
    for chosen, dtype in ((backend, torch.float32), ("reference", torch.float64)):
        inputs = random_inputs(2, *sizes(backend, 50, 5, 8))
        inputs = {name: value.to(dtype).requires_grad_() for name, value in inputs.items()}
        output = selective_scan(**inputs, backend=chosen)
        weights = torch.linspace(-1, 1, output.numel(), dtype=dtype, device=DEVICE)
        (output.flatten() * weights).sum().backward()
        gradients.append([inputs[name].grad for name in names])
    for name, found, wanted in zip(names, *gradients, strict=True):
        assert relative_error(found, wanted) < 1e-5, name


def test_the_torch_backend_passes_gradcheck():
    inputs = random_inputs(1, 7, 2, 3, dtype=torch.float64)
    values = [value.requires_grad_() for value in inputs.values()]

    def scan(*values):
        return selective_scan(**dict(zip(inputs, values, strict=True)), backend="torch")

    assert torch.autograd.gradcheck(scan, values)


def at_length_in_triton(backends):
    """Backends; the interpreter is slow."""
    slow = {"triton": pytest.mark.at_length}
    return [pytest.param(name, marks=slow.get(name, ())) for name in backends]


def with_and_without(backends):
    """Backends with weights that directions share, and with their own; the interpreter is slow."""
    return [
        pytest.param(
            *(backend, shared),
            marks=pytest.mark.at_length if backend == "triton" else (),
            id=f"{backend}-{'shared' if shared else 'separate'}",
        )
        for backend in backends
        for shared in (True, False)
    ]


def bidirectional_inputs(backend, shared):
    """Two directions: own frames each, and weights that are shared (expanded) or their own."""
    ahead, back = (random_inputs(3, *sizes(backend, 40, 6, 8), seed=seed) for seed in (1, 2))
    weights = ("A", "D", "delta_bias", "z") if shared else ()
    return {
        name: ahead[name][None].expand(2, *(-1,) * ahead[name].ndim)
        if name in weights
        else torch.stack([ahead[name], back[name]])
        for name in ahead
    }


@pytest.mark.parametrize(("backend", "shared"), with_and_without(AVAILABLE))
def test_both_directions_at_once_are_the_two_alone(backend, shared):
    inputs = bidirectional_inputs(backend, shared)
    lengths = torch.tensor([40, 1, 23], device=DEVICE)
    both = directional_scan(**inputs, lengths=lengths, backend=backend)
    for direction, flipped in enumerate((False, True)):
        for row, length in enumerate(lengths.tolist()):
            alone = {
                name: value[direction]
                if name in ("A", "D", "delta_bias")
                else value[direction, row : row + 1, :length]
                for name, value in inputs.items()
            }
            if flipped:
                alone = {n: v.flip(1) if v.ndim == 3 else v for n, v in alone.items()}
            wanted = selective_scan(**in_float64(alone), backend="reference")
            wanted = wanted.flip(1) if flipped else wanted
            assert relative_error(both[direction, row : row + 1, :length], wanted) < 1e-5
            assert not both[direction, row, length:].any()


@pytest.mark.parametrize(("backend", "shared"), with_and_without(FAST))
def test_gradients_of_both_directions_match_the_reference(backend, shared):
    gradients = []
    for chosen, dtype in ((backend, torch.float32), ("reference", torch.float64)):
        inputs = bidirectional_inputs(backend, shared)
        inputs = {name: value.to(dtype).detach().requires_grad_() for name, value in inputs.items()}
        lengths = torch.tensor([40, 1, 23], device=DEVICE)
        output = directional_scan(**inputs, lengths=lengths, backend=chosen)
        output.mul(torch.linspace(-1, 1, 40, dtype=dtype, device=DEVICE)[:, None]).sum().backward()
        gradients.append({name: value.grad for name, value in inputs.items()})
    for name in gradients[0]:
        assert relative_error(gradients[0][name], gradients[1][name]) < 1e-5, name


@pytest.mark.parametrize("backend", at_length_in_triton(FAST))
def test_what_lies_beyond_an_utterance_changes_nothing(backend):
    inputs = bidirectional_inputs(backend, False)
    lengths = torch.tensor([40, 1, 23], device=DEVICE)
    before = directional_scan(**inputs, lengths=lengths, backend=backend)
    for name in ("u", "delta", "B", "C", "z"):
        for row, length in enumerate(lengths.tolist()):
            inputs[name][:, row, length:] = 1e3
    after = directional_scan(**inputs, lengths=lengths, backend=backend)
    torch.testing.assert_close(after, before, rtol=0, atol=0)


MANY = dict.fromkeys(  # of channels and states; the interpreter's are cut down to one case
    (backend, *sizes(backend, 5, channels, states))
    for backend in FAST
    for channels in (6, 33, 100, 288)
    for states in (4, 16, 64)
)


@pytest.mark.parametrize(("backend", "length", "channels", "states"), MANY)
def test_channels_and_states_may_be_many(backend, length, channels, states):
    inputs = random_inputs(1, length, channels, states)
    wanted = selective_scan(**in_float64(inputs), backend="reference")
    assert relative_error(selective_scan(**inputs, backend=backend), wanted) < 1e-5


def plain_convolution(x, weight, bias, flipped):
    """SiLU of a causal convolution of one utterance (time, channels), frame by frame."""
    x = x.flip(0) if flipped else x
    outputs = []
    for t in range(len(x)):
        total = bias.clone()
        for k in range(weight.shape[1]):
            source = t - (weight.shape[1] - 1 - k)
            if source >= 0:
                total = total + weight[:, k] * x[source]
        outputs.append(torch.nn.functional.silu(total))
    y = torch.stack(outputs)
    return y.flip(0) if flipped else y


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "separate"])
@pytest.mark.parametrize("with_gradient", [False, True])
@pytest.mark.parametrize("backend", FAST)
def test_the_convolution_is_causal_in_each_direction(backend, shared, with_gradient):
    torch.manual_seed(0)
    lengths = torch.tensor([12, 2, 7], device=DEVICE)
    values = [
        torch.randn(shape, dtype=torch.float64).to(DEVICE)
        for shape in ((1 if shared else 2, 3, 12, 5), (2, 5, 4), (2, 5))
    ]
    results = []
    for dtype in (torch.float32, torch.float64):
        x, weight, bias = (v.to(dtype).detach().requires_grad_(with_gradient) for v in values)
        if dtype == torch.float32:
            y = causal_conv_silu(
                x, weight, bias, reverse=(False, True), lengths=lengths, backend=backend
            )
        else:
            y = torch.zeros(2, 3, 12, 5, dtype=dtype, device=DEVICE)
            for g, row in ((g, row) for g in range(2) for row in range(3)):
                length = int(lengths[row])
                frames = x[0 if shared else g, row, :length]
                y[g, row, :length] = plain_convolution(frames, weight[g], bias[g], bool(g))
        own = torch.arange(12, device=DEVICE) < lengths[:, None]
        y = y[:, own]
        if with_gradient:
            y.pow(2).sum().backward()
            results.append([y, x.grad, weight.grad, bias.grad])
        else:
            results.append([y])
    for found, wanted in zip(*results, strict=True):
        assert relative_error(found, wanted) < 1e-5


def test_auto_is_never_the_reference_and_keeps_float64():
    assert resolve_backend("auto", torch.device(DEVICE)) not in ("reference", "auto")
    assert resolve_backend("auto", torch.device(DEVICE), torch.float64) == "torch"


@pytest.mark.parametrize("backend", ["cpu", "triton"])
def test_a_backend_that_would_round_float64_refuses_it(backend):
    if backend in unavailable_backends():
        pytest.skip(unavailable_backends()[backend])
    with pytest.raises(ValueError, match=r"not torch\.float64 on .*use the torch backend"):
        selective_scan(**in_float64(random_inputs(1, 2, 1, 1)), backend=backend)


def test_a_backend_that_cannot_run_says_why():
    for name, reason in unavailable_backends().items():
        with pytest.raises(BackendUnavailableError, match="cannot run here") as caught:
            selective_scan(**random_inputs(1, 2, 1, 1), backend=name)
        assert reason in str(caught.value)


def test_an_unknown_backend_lists_those_there_are():
    with pytest.raises(ValueError, match="unknown scan backend 'cuda'; there are auto"):
        selective_scan(**random_inputs(1, 2, 1, 1), backend="cuda")
