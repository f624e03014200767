"""Flops and bytes against counts by hand, and every operator of every detector has a formula."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from fakemamba.bench.instruments.work import count_work
from fakemamba.models.execution.fused_norm import norm_of_sum
from fakemamba.models.execution.modes import quantised
from fakemamba.models.mamba import make_mixer
from fakemamba.models.scan import directional_scan, ssd_scan
from fakemamba.models.scan.convolution import causal_conv_silu

CPU = torch.device("cpu")
BACKENDS = ("reference", "torch", "cpu")
SMALL = {
    "fake-mamba": {"depth": 1},
    "trans-bimamba": {"depth": 1},
    "con-bimamba": {"depth": 1},
    "xlsr-conformer": {"depth": 1},
    "xlsr-conformer-tcm": {"depth": 1},
    "xlsr-mamba": {"depth": 2},
    "xlsr-aasist": {},
    "xlsr-transformer": {"depth": 1},
    "xlsr-mambo": {"repeats": 1, "mixers": 1},
}


def work(call, grad=False):
    with torch.set_grad_enabled(grad):
        return count_work(call, CPU)


def test_a_linear_layer():
    layer, x = nn.Linear(20, 30), torch.randn(7, 20)
    found = work(lambda: layer(x))
    assert found.flops == 2 * 7 * 20 * 30
    assert found.bytes_moved == 4 * (7 * 20 + 20 * 30 + 30 + 7 * 30)
    assert (found.coverage, found.uncounted) == (1.0, {})


def test_a_product_that_is_added_in_place():
    x, y, total = torch.randn(2, 5, 3), torch.randn(2, 3, 4), torch.randn(2, 5, 4)
    found = work(lambda: total.baddbmm_(x, y))
    assert found.flops == 2 * 2 * 5 * 3 * 4 and found.uncounted == {}


@pytest.mark.parametrize(("gelu", "added"), [(False, 0), (False, 2), (True, 1)])
def test_a_fused_norm_is_counted_whole(gelu, added):
    x, columns = torch.randn(3, 8), torch.randn(8)
    addends = (x if added else None, columns if added > 1 else None)
    found = work(
        lambda: norm_of_sum(
            x, *addends, columns, columns, eps=1e-5, gelu=gelu, dtype=torch.bfloat16
        )
    )
    assert found.flops == 3 * 8 * (7 + added + 5 * gelu)
    assert found.coverage == 1.0 and found.bytes_moved > 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_quantised_linear_layer_reads_one_byte_a_weight():
    layer, x = quantised(nn.Sequential(nn.Linear(20, 30))), torch.randn(7, 20)
    found = work(lambda: layer(x))
    assert found.flops == 2 * 7 * 20 * 30 and found.uncounted == {}
    assert found.bytes_moved == 4 * (7 * 20 + 30 + 7 * 30) + 20 * 30


def test_a_grouped_convolution_and_its_gradients():
    layer, x = nn.Conv1d(12, 8, 5, groups=4, bias=False), torch.randn(2, 12, 24)
    forward = 2 * (2 * 8 * 20) * (3 * 5)
    assert work(lambda: layer(x)).flops == forward
    x.requires_grad_()
    given = torch.ones(2, 8, 20)
    assert work(lambda: layer(x).backward(given), grad=True).flops == 3 * forward


@pytest.mark.parametrize("kernel", [SDPBackend.FLASH_ATTENTION, SDPBackend.MATH])
def test_attention_costs_the_same_in_every_kernel(kernel):
    batch, heads, frames, width = 2, 3, 17, 8
    q, k, v = torch.randn(3, batch, heads, frames, width)
    with sdpa_kernel(kernel):
        found = work(lambda: F.scaled_dot_product_attention(q, k, v))
    scaling = 2 * q.numel() if kernel is SDPBackend.MATH else 0  # q and k, each by width^(-1/4)
    softmax = 5 * batch * heads * frames**2
    assert found.flops == 4 * batch * heads * frames**2 * width + softmax + scaling
    assert found.uncounted == {}


@pytest.mark.parametrize(
    ("call", "flops", "moved"),
    [
        (lambda x: x + x, 60, 3 * 240),
        (lambda x: x.exp(), 60, 2 * 240),
        (lambda x: F.silu(x), 5 * 60, 2 * 240),
        (lambda x: x.softmax(-1), 5 * 60, 2 * 240),
        (lambda x: x.sum(), 60, 240 + 4),
        (lambda x: F.layer_norm(x, (6,)), 7 * 60, 2 * 240 + 2 * 40),  # keeps mean and deviation
        (lambda x: x > 0, 0, 240 + 60),
        (lambda x: x.T.reshape(-1), 0, 2 * 240),
        (lambda x: x[:5, None].expand(5, 9, 6) + 1, 5 * 54, 4 * (30 + 5 * 54)),
        (lambda x: x.clone().zero_(), 0, 3 * 240),
        (lambda x: torch.arange(5) * 2, 0, 3 * 40),
    ],
)
def test_small_operators(call, flops, moved):
    x = torch.randn(10, 6)
    found = work(lambda: call(x))
    assert (found.flops, found.bytes_moved, found.uncounted) == (flops, moved, {})


def scan_inputs(directions=2, batch=2, frames=9, channels=8, states=4):
    u, delta, z = torch.randn(3, directions, batch, frames, channels)
    B, C = torch.randn(2, directions, batch, frames, states)
    A = -torch.rand(directions, channels, states)
    D, bias = torch.randn(2, directions, channels)
    return [u, delta, A, B, C, D, z, bias]


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_scan_is_its_closed_form_in_every_backend(backend):
    inputs = scan_inputs()
    found = work(lambda: directional_scan(*inputs, backend=backend))
    assert found.flops == (2 * 2 * 9 * 8) * (7 * 4 + 4 + 1 + 2 + 6)
    assert found.bytes_moved == 4 * (sum(x.numel() for x in inputs) + 2 * 2 * 9 * 8)
    assert found.uncounted == {}
    bare = work(lambda: directional_scan(*inputs[:5], backend=backend))
    assert bare.flops == (2 * 2 * 9 * 8) * (7 * 4 + 4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_ssd_scan_is_its_closed_form_in_every_backend(backend):
    x, delta = torch.randn(2, 2, 9, 3, 8), torch.randn(2, 2, 9, 3)
    (B, C), (A, bias) = torch.randn(2, 2, 2, 9, 4), -torch.rand(2, 2, 3)
    inputs = [given.requires_grad_() for given in (x, delta, A, B, C, bias)]
    forward = (2 * 2 * 9 * 3) * (8 * (5 * 4 + 1) + 5 + 1)
    found = work(lambda: ssd_scan(*inputs, exclusive=True, backend=backend))
    assert (found.flops, found.uncounted) == (forward, {})
    assert found.bytes_moved == 4 * (sum(given.numel() for given in inputs) + x.numel())

    def step():
        y = ssd_scan(*inputs, backend=backend)
        y.backward(torch.ones_like(y))

    backward = (2 * 2 * 9 * 3) * (8 * (14 * 4 + 4) + 15 + 2)
    accumulated = sum(given.numel() for given in inputs)
    step()
    assert work(step, grad=True).flops == forward + backward + accumulated


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_convolution_is_its_closed_form_in_every_backend(backend):
    x, weight, bias = torch.randn(1, 2, 9, 8), torch.randn(2, 8, 4), torch.randn(2, 8)
    options = {"reverse": (False, True), "backend": backend}
    found = work(lambda: causal_conv_silu(x, weight, bias, **options))
    assert found.flops == (2 * 2 * 9 * 8) * (2 * 4 + 5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_gradients_through_the_scan_are_counted_and_stay_what_they_are(backend):
    inputs = [x.requires_grad_() for x in scan_inputs()]

    def step():
        for x in inputs:
            x.grad = None
        y = directional_scan(*inputs, backend=backend)
        y.backward(torch.ones_like(y))

    step()
    wanted = [x.grad for x in inputs]
    found = work(step, grad=True)
    forward = 7 * 4 + 4 + 1 + 2 + 6
    backward = 22 * 4 + 13 + 2 + 4 + 16
    assert found.flops == (2 * 2 * 9 * 8) * (forward + backward)
    assert found.uncounted == {}
    for x, gradient in zip(inputs, wanted, strict=True):
        torch.testing.assert_close(x.grad, gradient)


def test_a_whole_training_step_is_counted():
    layer, x = nn.Linear(8, 5), torch.randn(3, 8)
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.1)

    def step():
        layer(x).sum().backward()
        optimiser.step()

    found = work(step, grad=True)
    products = 2 * 2 * 3 * 8 * 5  # forward, and the weight's gradient
    assert found.flops == products + 2 * 3 * 5 + (8 * 5 + 5)  # the loss, the bias's sum, the update
    assert found.uncounted == {}


def test_counting_changes_no_result(make_detector, waveforms):
    detector = make_detector("fake-mamba-s")
    with torch.inference_mode():
        wanted, found = detector(waveforms), []
        count_work(lambda: found.append(detector(waveforms)), CPU)
    assert torch.equal(found[0], wanted)


def flops_over_frames(module, width, lengths):
    return [work(lambda n=n: module(torch.zeros(1, n, width))).flops for n in lengths]


def test_self_attention_grows_quadratically_and_a_bimamba_linearly():
    attention = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True).eval()
    found = flops_over_frames(attention, 16, (10, 20, 30, 40))
    first = [b - a for a, b in pairwise(found)]
    second = [b - a for a, b in pairwise(first)]
    pairs = 2 * (4 * 8 + 5)  # flops for each pair of frames: two heads of width 8
    assert second == [2 * pairs * 10**2] * 2  # of a·T² + b·T + c, in steps of 10

    bimamba = make_mixer("shared", 16)
    found = flops_over_frames(bimamba, 16, (10, 20, 30, 40))
    # All but the decay rates exp(A_log) and their signs, which no frame needs again.
    per_frame = (found[0] - 2 * 32 * 16) // 10
    assert found == [2 * 32 * 16 + per_frame * n for n in (10, 20, 30, 40)]


def test_torch_counts_the_same_where_it_counts_everything():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv1d(4, 8, 3, bias=False), nn.ConvTranspose1d(8, 6, 4, bias=False), nn.Linear(30, 5)
    )
    x = torch.randn(2, 4, 29)
    with FlopCounterMode(display=False) as theirs, torch.no_grad():
        model(x)
    assert work(lambda: model(x)).flops == theirs.get_total_flops() > 0


def test_relative_attention_with_every_pairs_vector_is_counted(make_detector):
    encoder = make_detector("xlsr-conformer").encoder
    attention = next(m for m in encoder.modules() if hasattr(m, "rel_pos_emb"))
    frames = 12
    width = attention.norm.normalized_shape[0]
    heads, head = attention.heads, attention.rel_pos_emb.embedding_dim
    inner = heads * head
    found = work(lambda: attention(torch.zeros(1, frames, width)))
    products = 2 * frames * 4 * width * inner + 3 * 2 * frames**2 * inner
    rest = heads * frames**2 * (5 + 2)  # softmax; the position logits added, and the scale
    assert found.flops == products + rest + 7 * frames * width


def test_a_fourier_transform_costs_half_of_a_complex_one():
    assert work(lambda: torch.fft.rfft(torch.zeros(3, 512))).flops == 3 * 5 * 512 * 9 // 2


def test_what_has_no_formula_is_named_with_its_share():
    x = torch.randn(64)

    def call():
        torch.cumprod(x, 0)
        torch.sort(x)

    found = work(call)
    assert set(found.uncounted) == {"cumprod", "sort"}
    assert found.coverage == 0.0 and sum(found.uncounted.values()) == pytest.approx(1)
    assert list(found.uncounted.values()) == sorted(found.uncounted.values(), reverse=True)
    mixed = work(lambda: (torch.cumprod(x, 0), x + 1))
    assert 0 < mixed.coverage < 1 and mixed.coverage + mixed.uncounted["cumprod"] == 1


def test_where_no_operator_is_seen_nothing_is_covered():
    assert work(lambda: None).coverage == 0.0


@pytest.mark.parametrize("name", SMALL)
def test_every_operator_of_a_detector_has_a_formula(make_detector, name):
    detector, waveforms = make_detector(name, **SMALL[name]), torch.randn(1, 4_000)
    with torch.inference_mode():
        found = count_work(lambda: detector(waveforms), CPU)
    assert found.uncounted == {} and found.flops > 0

    def step():
        detector(waveforms).sum().backward()

    trained = work(step, grad=True)
    assert trained.uncounted == {} and trained.flops > 2 * found.flops


def test_parts_add_up_to_the_detector(make_detector):
    detector, waveforms = make_detector("fake-mamba-s"), torch.randn(1, 8_000)
    total = work(lambda: detector(waveforms)).flops
    features, _ = detector.frontend(waveforms)
    encoded = detector.encoder(features)
    parts = [
        work(lambda: detector.frontend(waveforms)).flops,
        work(lambda: detector.encoder(features)).flops,
        work(lambda: detector.head(encoded)).flops,
    ]
    assert sum(parts) == total
