"""mamba-ssm's adapter, against stand-ins that take what its functions take and compute by our
reference: layouts, flips and padding, where its CUDA kernels cannot run."""

import pytest
import torch
import torch.nn.functional as F

from fakemamba.models.mamba import make_mixer
from fakemamba.models.scan import official, selective_scan, ssd_scan
from fakemamba.models.scan.mixer import set_scan_backend


def selective_scan_fn(u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False):
    """Channels first (B, E, T), states (B, N, T); mamba-ssm wants the last dimension contiguous."""
    assert delta_softplus and all(x.stride(-1) == 1 for x in (u, delta, B, C))
    swap = [None if x is None else x.transpose(1, 2) for x in (u, delta, B, C, z)]
    y = selective_scan(*swap[:2], A, *swap[2:4], D, swap[4], delta_bias, backend="reference")
    return y.transpose(1, 2)


def mamba_inner_fn(
    xz, conv_weight, conv_bias, x_weight, step_weight, out_weight, out_bias, A, B, C, D, **options
):
    """xz (B, 2E, T) to (B, T, width); conv_weight (E, 1, taps)."""
    assert B is None and C is None and options["delta_softplus"]
    x, z = xz.chunk(2, dim=1)
    x = F.silu(F.conv1d(F.pad(x, (3, 0)), conv_weight, conv_bias, groups=len(conv_weight)))
    sizes = [step_weight.shape[1], A.shape[1], A.shape[1]]
    step, b, c = F.linear(x.transpose(1, 2), x_weight).split(sizes, dim=-1)
    step = F.linear(step, step_weight)
    gated = [x.transpose(1, 2), step, A, b, c, D, z.transpose(1, 2), options["delta_bias"]]
    return F.linear(selective_scan(*gated, backend="reference"), out_weight, out_bias)


def mamba_chunk_scan_combined(x, dt, A, B, C, chunk_size, dt_bias=None, dt_softplus=False):
    """x (B, T, H, P), dt (B, T, H), A (H), B and C (B, T, groups, N)."""
    assert dt_softplus and chunk_size > 0 and B.shape[2] == C.shape[2] == 1
    inputs = [given[None] for given in (x, dt, A, B[:, :, 0], C[:, :, 0], dt_bias)]
    return ssd_scan(*inputs, reverse=(False,), backend="reference")[0]


@pytest.fixture
def build(monkeypatch):
    """Make mamba-ssm look built, with or without causal-conv1d; counts its calls by name."""
    calls = []

    def counted(function):
        def run(*arguments, **options):
            calls.append(function.__name__)
            return function(*arguments, **options)

        return run

    def make(fused):
        monkeypatch.setattr(official, "_load", lambda: (counted(selective_scan_fn), None))
        inner = counted(mamba_inner_fn) if fused else None
        monkeypatch.setattr(official, "_load_fused", lambda: inner)
        monkeypatch.setattr(official, "_load_ssd", lambda: counted(mamba_chunk_scan_combined))
        return calls

    return make


@pytest.mark.parametrize("directions", ["shared", "separate", "forward"])
@pytest.mark.parametrize("fused", [False, True], ids=["scan-alone", "fused"])
@pytest.mark.parametrize("lengths", [None, [11, 4, 1]], ids=["full", "ragged"])
def test_mixers_with_mamba_ssm_agree_with_the_reference(build, directions, fused, lengths):
    calls = build(fused)
    torch.manual_seed(0)
    mixer, frames = make_mixer(directions, 16), torch.randn(3, 11, 16)
    lengths = None if lengths is None else torch.tensor(lengths)
    set_scan_backend(mixer, "reference")
    wanted = mixer(frames, lengths)
    assert not calls
    set_scan_backend(mixer, "mamba-ssm")
    torch.testing.assert_close(mixer(frames, lengths), wanted, rtol=1e-5, atol=1e-6)
    name = "mamba_inner_fn" if fused else "selective_scan_fn"
    assert calls == [name] * (1 if directions == "forward" else 2)


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("lengths", [None, [11, 4, 1]], ids=["full", "ragged"])
def test_the_ssd_scan_of_mamba_ssm_agrees_with_the_reference(build, exclusive, lengths):
    calls = build(fused=False)
    torch.manual_seed(0)
    heads, states = torch.randn(2, 3, 11, 2), torch.randn(2, 2, 3, 11, 5)
    inputs = [torch.randn(2, 3, 11, 2, 4), heads, -torch.rand(2, 2), *states, torch.randn(2, 2)]
    options = {
        "exclusive": exclusive,
        "lengths": None if lengths is None else torch.tensor(lengths),
    }
    found = ssd_scan(*inputs, **options, backend="mamba-ssm")
    assert calls == ["mamba_chunk_scan_combined"] * 2
    torch.testing.assert_close(found, ssd_scan(*inputs, **options, backend="reference"))
