"""AntiDeepfake (Ge et al. 2025): a speech front-end, its mean over time, and one linear layer.

Nearly all that it knows is in the front-end, which is trained whole. It was published behind
wav2vec 2.0 (small and large), MMS, XLS-R (1B and 2B) and HuBERT; each gets waveforms of zero mean
and unit variance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from fakemamba.models.detector import Detector, DetectorConfig
from fakemamba.models.frontend import Frontend
from fakemamba.models.frontends.tensor_names import OfficialFrontend
from fakemamba.models.masking import masked_mean


@dataclass(frozen=True)
class AntiDeepfakeConfig(DetectorConfig):
    """All sizes are the front-end's."""


class MeanOverTime(nn.Module):
    """Frames to their mean."""

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, width) to (B, width)."""
        return masked_mean(features, lengths)


class LinearHead(nn.Module):
    """One vector an utterance, which is the embedding, to two logits."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(width, 2)

    def embed(self, encoded: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, width) as it is."""
        return encoded

    def forward(self, encoded: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, width) to logits (B, 2)."""
        return self.classifier(encoded)


class AntiDeepfake(Detector):
    """AntiDeepfake."""

    config_class = AntiDeepfakeConfig
    frontend_waveform = "utterance-fairseq"
    ranks_by = "difference"
    official_frontend = OfficialFrontend("m_ssl.model.")
    official_keys = ((r"^proj_fc\.", "head.classifier."),)

    def __init__(self, config: AntiDeepfakeConfig, frontend: Frontend | None = None) -> None:
        super().__init__(config, frontend)
        self.encoder = MeanOverTime()
        self.head = LinearHead(config.frontend.hidden_size)

    @classmethod
    def sizes_from_state(cls, state: dict[str, Tensor]) -> dict[str, Any]:
        """None but the front-end's."""
        return {}
