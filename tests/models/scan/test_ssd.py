"""The SSD scan: every backend against the recurrence in float64."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakemamba.models.scan import ssd_chunked, ssd_scan, triton_ssd, unavailable_backends
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
FRAMES = ("x", "delta", "B", "C")  # by time; the others are by head
PROPERTY = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Several chunks in few frames; Triton's interpreter takes most time a program."""
    monkeypatch.setattr(ssd_chunked, "CHUNK_FRAMES", 8)
    if INTERPRETED:
        monkeypatch.setattr(triton_ssd, "CHUNK_FRAMES", 16)


def random_inputs(directions, batch, length, heads, channels, states, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        values = torch.randn(directions, *shape, generator=generator, dtype=torch.float64)
        return values.to(DEVICE, dtype)

    return {
        "x": normal(batch, length, heads, channels),
        "delta": normal(batch, length, heads) - 2,
        "A": -8 * torch.sigmoid(normal(heads)),
        "B": normal(batch, length, states),
        "C": normal(batch, length, states),
        "delta_bias": normal(heads),
    }


def cut(inputs, row, length):
    """One utterance of a batch, by itself."""
    return {n: v[:, row : row + 1, :length] if n in FRAMES else v for n, v in inputs.items()}


def test_the_reference_is_the_recurrence_as_it_is_written():
    inputs = random_inputs(1, 1, 6, 2, 3, 4, torch.float64)
    x, delta, A, B, C, bias = (value[0] for value in inputs.values())
    step = torch.nn.functional.softplus(delta + bias)
    state, rows = torch.zeros(2, 3, 4, dtype=torch.float64, device=DEVICE), []
    for t in range(6):
        decay = (step[0, t] * A).exp()[:, None, None]
        driven = step[0, t, :, None, None] * x[0, t, :, :, None] * B[0, t]
        state = decay * state + driven
        rows.append(state @ C[0, t])
    found = ssd_scan(**inputs, reverse=(False,), backend="reference")[0, 0]
    torch.testing.assert_close(found, torch.stack(rows))


@pytest.mark.parametrize("backend", FAST)
@PROPERTY
@given(
    st.tuples(*(st.integers(1, most) for most in (2, 50, 3, 9, 20))),
    st.booleans(),
    st.booleans(),
    st.integers(0, 1000),
)
def test_every_shape_matches_the_reference(backend, shape, exclusive, reverse, seed):
    if backend == "triton" and INTERPRETED:
        shape = (1, min(shape[1], 35), min(shape[2], 2), *shape[3:])
    inputs = random_inputs(1, *shape, seed=seed)
    options = {"reverse": (reverse,), "exclusive": exclusive}
    wanted = ssd_scan(**in_float64(inputs), **options, backend="reference")
    found = ssd_scan(**inputs, **options, backend=backend)
    assert found.dtype == torch.float32 and found.shape == wanted.shape
    assert relative_error(found, wanted) < 1e-5


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("backend", AVAILABLE)
def test_a_ragged_batch_is_its_utterances_alone_in_both_directions(backend, exclusive):
    inputs, lengths = random_inputs(2, 3, 35, 2, 5, 6), torch.tensor([35, 1, 17], device=DEVICE)
    for row, length in enumerate(lengths.tolist()):  # nothing beyond an utterance may count
        for name in FRAMES:
            inputs[name][:, row, length:] = float("nan")
    both = ssd_scan(**inputs, exclusive=exclusive, lengths=lengths, backend=backend)
    for row, length in enumerate(lengths.tolist()):
        alone = in_float64(cut(inputs, row, length))
        wanted = ssd_scan(**alone, exclusive=exclusive, backend="reference")
        assert relative_error(both[:, row : row + 1, :length], wanted) < 1e-5
        assert not both[:, row, length:].any()


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("backend", AVAILABLE)
def test_reversed_is_flipped_and_exclusive_is_shifted(backend, exclusive):
    inputs = random_inputs(1, 1, 20, 2, 4, 5)
    options = {"exclusive": exclusive, "backend": backend}
    back = ssd_scan(**inputs, reverse=(True,), **options)
    flipped = {n: v.flip(2) if n in FRAMES else v for n, v in inputs.items()}
    ahead = ssd_scan(**flipped, reverse=(False,), **options)
    torch.testing.assert_close(back, ahead.flip(2), rtol=1e-5, atol=1e-6)
    if exclusive:
        now = ssd_scan(**flipped, reverse=(False,), backend=backend)
        torch.testing.assert_close(ahead[:, :, 1:], now[:, :, :-1], rtol=1e-5, atol=1e-6)
        assert not ahead[:, :, 0].any()


@pytest.mark.parametrize("backend", [name for name in ("torch", "triton") if name in FAST])
def test_the_size_of_chunks_changes_nothing(backend, monkeypatch):
    inputs, found = random_inputs(2, 1, 33, 1, 4, 5), []
    module = {"torch": ssd_chunked, "triton": triton_ssd}[backend]
    for chunk in (16, 32, 64):
        monkeypatch.setattr(module, "CHUNK_FRAMES", chunk)
        found.append(ssd_scan(**inputs, backend=backend))
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("extreme", [*EXTREMES, {"x": 1e4}], ids=str)
def test_extreme_values_stay_finite_and_right(backend, extreme):
    inputs = random_inputs(2, 1, 40, 1, 4, 8)
    for name, value in extreme.items():
        inputs[name] = torch.full_like(inputs[name], value)
    wanted = ssd_scan(**in_float64(inputs), backend="reference")
    found = ssd_scan(**inputs, backend=backend)
    assert torch.isfinite(found).all()
    assert relative_error(found, wanted) < 1e-5


@pytest.mark.parametrize("backend", FAST)
def test_a_frame_that_forgets_all_does_not_blur_the_decays_after_it(backend):
    inputs = random_inputs(2, 1, 32, 1, 4, 8)
    inputs["delta"][:, :, ::9] = 3e4
    inputs["x"][:, :, ::9] = 0
    wanted = ssd_scan(**in_float64(inputs), backend="reference")
    assert relative_error(ssd_scan(**inputs, backend=backend), wanted) < 1e-5


@pytest.mark.parametrize("backend", FAST)
def test_inputs_may_be_slices_shared_and_in_half_precision(backend):
    inputs = random_inputs(2, 2, 20, 2, 4, 8)
    wanted = ssd_scan(**inputs, backend=backend)
    for name in FRAMES:
        inputs[name] = inputs[name].transpose(1, 2).contiguous().transpose(1, 2)
        assert not inputs[name].is_contiguous()
    torch.testing.assert_close(ssd_scan(**inputs, backend=backend), wanted)
    shared = {name: value[:1].expand(2, *value.shape[1:]) for name, value in inputs.items()}
    own = {name: value.contiguous() for name, value in shared.items()}
    torch.testing.assert_close(
        ssd_scan(**shared, backend=backend), ssd_scan(**own, backend=backend)
    )
    halves = {name: value.bfloat16() for name, value in inputs.items()}
    wanted = ssd_scan(**in_float64(halves), backend="reference")
    found = ssd_scan(**halves, backend=backend)
    assert found.dtype == torch.bfloat16 and relative_error(found, wanted) < 1e-2


@pytest.mark.parametrize("without_bias", [False, True])
@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("backend", FAST)
def test_gradients_match_the_reference(backend, exclusive, without_bias):
    gradients, lengths = [], torch.tensor([20, 9], device=DEVICE)
    for chosen, dtype in ((backend, torch.float32), ("reference", torch.float64)):
        inputs = random_inputs(2, 2, 20, 2, 3, 4)
        inputs |= {"delta_bias": None} if without_bias else {}
        inputs = {n: v if v is None else v.to(dtype).requires_grad_() for n, v in inputs.items()}
        y = ssd_scan(**inputs, exclusive=exclusive, lengths=lengths, backend=chosen)
        y.mul(torch.linspace(-1, 1, 20, dtype=dtype, device=DEVICE)[:, None, None]).sum().backward()
        gradients.append({n: v.grad for n, v in inputs.items() if v is not None})
    for name, found in gradients[0].items():
        assert relative_error(found, gradients[1][name]) < 1e-5, name


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("backend", ["reference", "torch"])
def test_gradcheck(backend, exclusive):
    inputs = random_inputs(2, 1, 10, 1, 2, 2, torch.float64)
    values = [value.requires_grad_() for value in inputs.values()]

    def scan(*values):
        return ssd_scan(*values, exclusive=exclusive, backend=backend)

    assert torch.autograd.gradcheck(scan, values)


@pytest.mark.parametrize("backend", ["cpu", "triton"])
def test_a_backend_that_would_round_float64_refuses_it(backend):
    if backend in unavailable_backends():
        pytest.skip(unavailable_backends()[backend])
    with pytest.raises(ValueError, match=r"not torch\.float64 on .*use the torch backend"):
        ssd_scan(**in_float64(random_inputs(2, 1, 2, 1, 1, 1)), backend=backend)


@pytest.mark.parametrize("backend", AVAILABLE)
def test_autocast_does_not_reach_into_the_scan(backend):
    inputs = random_inputs(2, 1, 20, 1, 4, 5)
    inputs["x"].requires_grad_()

    wanted = ssd_scan(**inputs, backend=backend)
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        found = ssd_scan(**inputs, backend=backend)
    gradients = [torch.autograd.grad(y.sum(), inputs["x"])[0] for y in (found, wanted)]
    torch.testing.assert_close((found, gradients[0]), (wanted, gradients[1]), rtol=0, atol=0)


def test_the_torch_backend_compiles_without_a_graph_break(monkeypatch):
    monkeypatch.undo()  # torch would keep the poisoned empty()
    inputs = random_inputs(2, 1, 30, 1, 4, 5)
    compiled = torch.compile(ssd_scan, fullgraph=True, backend="aot_eager")
    found, wanted = (scan(**inputs, backend="torch") for scan in (compiled, ssd_scan))
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
