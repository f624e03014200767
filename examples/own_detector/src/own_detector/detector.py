"""Two detectors: a small convolutional net on log-mel, and a linear layer behind a front-end.

Both map waveforms (B, samples) at 16 kHz to logits (B, 2), of which 1 is bona fide. ``lengths`` (B,)
are each row's samples without its padding; thanks to them rows of a batch do not change each other.
"""

import math

import torch
from torch import Tensor, nn

RATE_HZ, WINDOW, HOP, MELS = 16_000, 400, 160, 40
SHORTEST = WINDOW + 6 * HOP  # samples of which the encoder makes one frame


class LogMel(nn.Module):
    """Waveforms (B, samples) to log-mel (B, 40, T), 100 frames a second."""

    def __init__(self) -> None:
        super().__init__()
        edges = torch.linspace(0, 2595 * math.log10(1 + RATE_HZ / 2 / 700), MELS + 2)  # in mels
        edges_hz = 700 * (10 ** (edges / 2595) - 1)
        bins_hz = torch.linspace(0, RATE_HZ / 2, WINDOW // 2 + 1)
        rising = (bins_hz - edges_hz[:-1, None]) / edges_hz.diff()[:, None]
        triangles = torch.minimum(rising[:-1], 1 - rising[1:]).clamp(min=0)  # (40, bins)
        self.register_buffer("triangles", triangles, persistent=False)
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)

    def forward(self, waveforms: Tensor) -> Tensor:
        how = {"window": self.window, "center": False, "return_complex": True}
        power = torch.stft(waveforms, WINDOW, HOP, **how).abs().square()
        return (self.triangles @ power + 1e-6).log()


class LogMelNet(nn.Module):
    """Two convolutions on log-mel, the mean over time, two logits."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.log_mel = LogMel()
        self.encoder = nn.Sequential(
            *(nn.Conv1d(MELS, width, 3, stride=2), nn.BatchNorm1d(width), nn.ReLU()),
            *(nn.Conv1d(width, width, 3, stride=2), nn.BatchNorm1d(width), nn.ReLU()),
        )
        self.head = nn.Linear(width, 2)
        # Those that are timed by themselves.
        self.parts = {"front-end": "log_mel", "encoder": "encoder", "head": "head"}

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        missing = max(0, SHORTEST - waveforms.shape[1])
        frames = self.encoder(self.log_mel(nn.functional.pad(waveforms, (0, missing))))
        counts = None
        if lengths is not None:  # frames within each row, as windows and strides make them
            counts = (lengths.clamp(min=SHORTEST) - WINDOW) // HOP + 1
            counts = ((counts - 3) // 2 + 1 - 3) // 2 + 1
        return self.head(mean(frames.mT, counts))


class FrontendLinear(nn.Module):
    """A linear layer on the mean frame of a front-end, which fakemamba makes and hands over."""

    def __init__(self, frontend: nn.Module) -> None:
        super().__init__()
        self.frontend = frontend
        self.head = nn.Linear(frontend.config.hidden_size, 2)
        self.parts = {"head": "head"}

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self.head(mean(*self.frontend(waveforms, lengths)))


def mean(frames: Tensor, counts: Tensor | None) -> Tensor:
    """Frames (B, T, width) to their means (B, width), over the first ``counts`` (B,) of each row."""
    if counts is None:
        return frames.mean(1)
    own = torch.arange(frames.shape[1], device=frames.device) < counts[:, None]  # (B, T)
    return frames.masked_fill(~own[..., None], 0).sum(1) / counts[:, None]
