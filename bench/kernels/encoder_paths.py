"""Fake-Mamba-L's seven blocks by every way there is to run them, in turns on one machine.

Ours with each scan backend; the same weights in other people's Mamba (run once each way with flips,
as the authors' code does), where those packages are installed; and, as a floor, the matrix products
of the authors' code alone, without scan, convolution, norms and gates.
"""

from __future__ import annotations

import importlib
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fakemamba.bench.instruments.clock import time_once
from fakemamba.bench.measuring.workload import SEED
from fakemamba.models.fake_mamba import FakeMamba
from fakemamba.models.mamba import Mamba
from fakemamba.models.registry import create_detector
from fakemamba.models.scan.mixer import set_scan_backend

FLOOR = "matrix products alone"


@dataclass(frozen=True)
class EncoderPath:
    """Median latency of one way, its ratio to the floor, and its error against `reference`."""

    path: str
    num_frames: int
    latency_s: float
    ratio_to_matrix_products: float
    relative_error: float | None


def measure_encoder_paths(
    num_frames: int, backends: Sequence[str], rounds: int, device: torch.device
) -> list[EncoderPath]:
    """Time every way at one length, batch 1, fp32; slow ways take their turns like the others."""
    torch.manual_seed(SEED)
    model = create_detector("fake-mamba-l", "xls-r-tiny", device=device).eval()
    assert isinstance(model, FakeMamba)
    frames = torch.randn(1, num_frames, model.config.width, device=device)
    calls = {f"fakemamba, {backend}": _with_backend(model, backend) for backend in backends}
    calls |= _other_packages(model)
    calls[FLOOR] = _matrix_products(model)
    latencies_s: dict[str, list[float]] = {path: [] for path in calls}
    errors: dict[str, float | None] = {}
    with torch.inference_mode():
        wanted = _with_backend(model, "reference")(frames)
        for path, call in calls.items():
            found = call(frames)
            error = float((found - wanted).norm() / wanted.norm())
            errors[path] = None if path == FLOOR else error
        for _ in range(rounds):
            for path, call in calls.items():
                latencies_s[path].append(time_once(partial(call, frames), device))
    medians = {path: statistics.median(times) for path, times in latencies_s.items()}
    return [
        EncoderPath(path, num_frames, medians[path], medians[path] / medians[FLOOR], errors[path])
        for path in sorted(medians, key=medians.__getitem__)
    ]


def _with_backend(model: FakeMamba, backend: str) -> Callable[[Tensor], Tensor]:
    def run(frames: Tensor) -> Tensor:
        set_scan_backend(model, backend)
        for block in _blocks(model):
            frames = block(frames)
        return frames

    return run


def _other_packages(model: FakeMamba) -> dict[str, Callable[[Tensor], Tensor]]:
    """transformers' Mamba always; mambapy's and mamba-ssm's reference where they are installed."""
    makers: dict[str, tuple[str, Callable[[Any, Mamba], Callable[[Tensor], Tensor]]]] = {
        "transformers, MambaMixer": ("transformers.models.mamba.modeling_mamba", _transformers),
        "mambapy, parallel scan": ("mambapy.mamba", _mambapy),
        "mamba-ssm, reference scan": ("mamba_ssm.ops.selective_scan_interface", _mamba_ssm),
    }
    calls: dict[str, Callable[[Tensor], Tensor]] = {}
    for name, (module_name, make) in makers.items():
        try:
            module = importlib.import_module(module_name)
        except ImportError:
            continue
        mixers = [make(module, block.mixer.mamba) for block in _blocks(model)]
        calls[name] = _flipping(model, mixers)
    return calls


def _flipping(
    model: FakeMamba, mixers: list[Callable[[Tensor], Tensor]]
) -> Callable[[Tensor], Tensor]:
    """The blocks with other mixers, run forwards and, between two flips, backwards."""

    def run(frames: Tensor) -> Tensor:
        for block, mixer in zip(_blocks(model), mixers, strict=True):
            normed = block.norm1(frames)
            mixed = mixer(normed) + mixer(normed.flip(1)).flip(1)
            frames = frames + block.feed_forward(block.norm2(mixed))
        return frames

    return run


def _transformers(module: Any, mamba: Mamba) -> Callable[[Tensor], Tensor]:
    from transformers import MambaConfig

    config = MambaConfig(
        hidden_size=mamba.in_proj.in_features, state_size=mamba.num_states, use_bias=False
    )
    return _loaded(module.MambaMixer(config, layer_idx=0), mamba)


def _mambapy(module: Any, mamba: Mamba) -> Callable[[Tensor], Tensor]:
    config = module.MambaConfig(
        d_model=mamba.in_proj.in_features, n_layers=1, d_state=mamba.num_states
    )
    return _loaded(module.MambaBlock(config), mamba)


def _loaded(mixer: nn.Module, mamba: Mamba) -> nn.Module:
    mixer.load_state_dict(mamba.state_dict())
    return mixer.to(mamba.A_log.device).eval()


def _mamba_ssm(module: Any, mamba: Mamba) -> Callable[[Tensor], Tensor]:
    """mamba_ssm.Mamba's slow path: its own reference scan between the same projections."""

    def run(frames: Tensor) -> Tensor:
        x, z = mamba.in_proj(frames).transpose(1, 2).chunk(2, dim=1)  # (B, E, T)
        x = F.silu(mamba.conv1d(F.pad(x, (mamba.conv1d.kernel_size[0] - 1, 0))))
        selected = mamba.x_proj(x.transpose(1, 2))
        sizes = [mamba.step_rank, mamba.num_states, mamba.num_states]
        step, B, C = (part.transpose(1, 2) for part in selected.split(sizes, dim=-1))
        y = module.selective_scan_ref(
            x,
            mamba.dt_proj.weight @ step,
            -torch.exp(mamba.A_log.float()),
            B,
            C,
            mamba.D,
            z=z,
            delta_bias=mamba.dt_proj.bias,
            delta_softplus=True,
        )
        return mamba.out_proj(y.transpose(1, 2))

    return run


def _matrix_products(model: FakeMamba) -> Callable[[Tensor], Tensor]:
    """The linear layers of every block as the authors' code calls them, each on its own input."""

    def run(frames: Tensor) -> Tensor:
        for block in _blocks(model):
            mamba, out = block.mixer.mamba, frames
            for _ in range(2):  # once each way
                x = mamba.in_proj(frames)[..., : mamba.D.shape[0]]
                selected = mamba.x_proj(x)
                F.linear(selected[..., : mamba.step_rank], mamba.dt_proj.weight)
                out = mamba.out_proj(x)
            frames = block.feed_forward[2](block.feed_forward[0](out))
        return frames

    return run


def _blocks(model: FakeMamba) -> Any:
    return model.encoder.blocks
