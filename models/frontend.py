"""The front-end: raw 16 kHz waveforms to frames, through transformers' own networks.

By default a detector takes the last layer, after the encoder's final LayerNorm where there is one
(``last_hidden_state``), of a waveform that is *not* normalised. transformers' defaults would
silently change training (dropout, layer drop, SpecAugment); here they are all off, as they are in
the fairseq configuration that the published detectors were trained with.
"""

from __future__ import annotations

from pkgutil import resolve_name
from typing import Any

from torch import Tensor, nn

from fakemamba.models.frontends.config import Blocks as Blocks
from fakemamba.models.frontends.config import FrontendConfig as FrontendConfig
from fakemamba.models.frontends.config import Layers as Layers
from fakemamba.models.frontends.config import Size as Size
from fakemamba.models.frontends.normalising import normalised
from fakemamba.models.frontends.outputs import LayerSum, put_out, states_of
from fakemamba.models.frontends.s3prl import filled_up, fitted
from fakemamba.models.frontends.sizes import FRONTEND_SIZES as FRONTEND_SIZES


class Frontend(nn.Module):
    """Waveforms (B, L) float32 in [-1, 1] at 16 kHz, not normalised, to frames (B, T, hidden).

    With ``output`` ``all`` or ``all-normed`` they are (B, 1 + layers, T, hidden).

    Args:
        config: what it is.
        network: transformers' network of another front-end that differs in ``output``,
            ``waveform`` and ``frames`` alone, to be shared; a new one if None.
    """

    def __init__(self, config: FrontendConfig, network: nn.Module | None = None) -> None:
        super().__init__()
        self.config = config
        if network is None:
            network = resolve_name(config.build.model_class)(config.to_transformers())
            config.build.prepare(network)
        self.model: Any = network
        self.layer_sum: LayerSum | None = None
        if config.output.startswith("weighted"):
            self.layer_sum = LayerSum(config.num_layers + 1)
        if self.final_norm is not None and config.output in ("last-raw", "all", "weighted"):
            self.final_norm.requires_grad_(False)  # it comes after all that is given
        self.set_attention(config.attention)

    @property
    def layers(self) -> nn.ModuleList:
        """The network's layers."""
        layers = self.model.get_submodule(self.config.build.layers)
        assert isinstance(layers, nn.ModuleList)
        return layers

    @property
    def final_norm(self) -> nn.Module | None:
        """The norm after the last layer, where there is one."""
        path = self.config.build.final_norm
        return self.model.get_submodule(path) if path and self.config.pre_norm else None

    @property
    def min_samples(self) -> int:
        """The shortest utterance that has a frame."""
        return self.config.framing.samples_for(1)

    def frame_counts(self, lengths: Tensor) -> Tensor:
        """Frames of utterances of ``lengths`` (B,) samples."""
        return self.config.framing.frame_counts(lengths)

    def set_attention(self, kind: str) -> None:
        """Use another implementation of attention, ``sdpa`` or ``eager``, with the same weights."""
        self.config.build.set_attention(self.model, kind)

    def forward(
        self, waveforms: Tensor, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Return features (B, T, hidden) and the valid frames of each utterance (B,).

        ``lengths`` (B,) counts the valid samples of each row; None says that all rows are full, and
        then the second result is None as well. Frames beyond an utterance's own are meaningless,
        and no valid frame depends on them.

        Raises:
            UnsupportedInputError: rows are too short for a frame, or longer than is taken.
        """
        output = self.config.output
        if output == "last":
            frames = self._run(waveforms, lengths)
        else:
            states = self._states(waveforms, lengths, is_normed=output.endswith("normed"))
            frames = put_out(states, output, self.layer_sum)
        return frames, None if lengths is None else self.frame_counts(lengths)

    def layer_frames(
        self, waveforms: Tensor, lengths: Tensor | None = None, *, is_normed: bool = False
    ) -> tuple[list[Tensor], Tensor | None]:
        """All states, (B, T, hidden) each, whatever ``output`` says, and valid frames (B,).

        The first is the input of the first layer. ``is_normed`` takes the last after the final
        norm, where there is one.

        Raises:
            UnsupportedInputError: see `forward`.
        """
        states = self._states(waveforms, lengths, is_normed=is_normed)
        return states, None if lengths is None else self.frame_counts(lengths)

    def _states(
        self, waveforms: Tensor, lengths: Tensor | None, *, is_normed: bool
    ) -> list[Tensor]:
        with states_of(self.layers) as states:
            last = self._run(waveforms, lengths)
        states = [fitted(state, waveforms.shape[1], lengths, self.config) for state in states]
        if is_normed:
            states[-1] = last
        return states

    def _run(self, waveforms: Tensor, lengths: Tensor | None) -> Tensor:
        num_samples = waveforms.shape[1]
        self.config.framing.check(num_samples, num_samples, 1, self.config.name)
        given, valid = filled_up(waveforms, lengths, self.config)
        given = normalised(given, valid, self.config.waveform)
        last = self.config.build.run(self.model, given, valid)
        return fitted(last, num_samples, lengths, self.config)
