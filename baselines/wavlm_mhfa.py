"""WavLM-MHFA (Peng et al. 2022, as WeDefense has it): factorised attention over all layers.

Keys and values are two learned sums of the front-end's states. Keys decide, for each head, how much
a frame counts, and every head makes its own mean over time of the values. The front-end is run as
by s3prl: see `s3prl` for its number of frames, and the last state has the final norm where there is
one. Index 0 of the logits is bona fide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fakemamba.models.detector import Detector, DetectorConfig, UnsupportedInputError
from fakemamba.models.frontend import Frontend, Size
from fakemamba.models.frontends.tensor_names import OfficialFrontend
from fakemamba.models.masking import masked_softmax
from fakemamba.models.state_dicts import shape_of


@dataclass(frozen=True)
class MHFAConfig(DetectorConfig):
    """The published sizes; ``compressed`` is the width of keys and values."""

    heads: Size = 32
    compressed: Size = 128
    embedding: Size = 256


class FactorisedAttention(nn.Module):
    """All states to one vector an utterance."""

    def __init__(self, config: MHFAConfig) -> None:
        super().__init__()
        width, num_states = config.frontend.hidden_size, config.frontend.num_layers + 1
        self.key_weights = nn.Parameter(torch.ones(num_states))
        self.value_weights = nn.Parameter(torch.ones(num_states))
        self.keys = nn.Linear(width, config.compressed)
        self.values = nn.Linear(width, config.compressed)
        self.score = nn.Linear(config.compressed, config.heads)
        self.projection = nn.Linear(config.heads * config.compressed, config.embedding)

    def weights(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Of all states (B, 1 + layers, T, width) (B, T, heads), each head's summing to one."""
        keys, _ = self._sums(features)
        return self._weights(keys, lengths)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """All states (B, 1 + layers, T, width) to (B, embedding)."""
        keys, values = self._sums(features)
        weights = self._weights(keys, lengths)
        means = torch.einsum("bth,btc->bhc", weights, self.values(values))
        return self.projection(means.flatten(1))

    def _sums(self, features: Tensor) -> Tensor:
        """The two learned sums of states (2, B, T, width), of which keys and values are made."""
        weights = torch.stack([self.key_weights, self.value_weights]).softmax(-1)
        sums = torch.einsum("ks,bstw->kbtw", weights, features)
        # Each frame loses its mean over channels, of every state: of their sum that is the same.
        return sums - sums.mean(-1, keepdim=True)

    def _weights(self, keys: Tensor, lengths: Tensor | None) -> Tensor:
        """The sum for keys (B, T, width) to (B, T, heads)."""
        return masked_softmax(self.score(self.keys(keys)), lengths, dim=1)


class NormedHead(nn.Module):
    """One vector an utterance, which is the embedding, through batch norm and ReLU to logits."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width)
        self.classifier = nn.Linear(width, 2)

    def embed(self, encoded: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, width) as it is."""
        return encoded

    def forward(self, encoded: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, width) to logits (B, 2), bona fide in front.

        Raises:
            UnsupportedInputError: in training, one utterance alone.
        """
        if self.training and len(encoded) == 1:
            raise UnsupportedInputError(
                "one utterance alone has no statistics for WavLM-MHFA's batch norm: train with "
                "batches, and micro-batches, of two or more"
            )
        return self.classifier(F.relu(self.norm(encoded)))


class WavLMMHFA(Detector):
    """WavLM-MHFA."""

    config_class = MHFAConfig
    frontend_output = "all-normed"
    frontend_frames = "s3prl"
    bona_fide = 0
    ranks_by = "difference"
    official_frontend = OfficialFrontend("frontend.upstream.upstream.model.")
    official_keys = (
        (r"^weights_k$", "encoder.key_weights"),
        (r"^weights_v$", "encoder.value_weights"),
        (r"^cmp_linear_k\.", "encoder.keys."),
        (r"^cmp_linear_v\.", "encoder.values."),
        (r"^att_head\.", "encoder.score."),
        (r"^pooling_fc\.", "encoder.projection."),
        (r"^projection\.trans\.0\.", "head.norm."),
        (r"^projection\.trans\.2\.", "head.classifier."),
    )

    def __init__(self, config: MHFAConfig, frontend: Frontend | None = None) -> None:
        super().__init__(config, frontend)
        self.encoder = FactorisedAttention(config)
        self.head = NormedHead(config.embedding)

    @classmethod
    def sizes_from_state(cls, state: dict[str, Tensor]) -> dict[str, Any]:
        """Heads, and the widths of keys and values and of the embedding."""
        heads, compressed = shape_of(state, "encoder.score.weight", 2)
        embedding, _ = shape_of(state, "encoder.projection.weight", 2)
        return {"heads": heads, "compressed": compressed, "embedding": embedding}
