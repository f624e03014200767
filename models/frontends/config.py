"""What a front-end is: its family, its sizes, what it is given and what it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pkgutil import resolve_name
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import Tensor

from fakemamba.models.frontends.families import CONVOLUTIONS, FAMILIES, Family
from fakemamba.models.frontends.framing import Frames, Framing
from fakemamba.models.frontends.normalising import Waveform
from fakemamba.models.frontends.outputs import Output
from fakemamba.models.state_dicts import count_blocks, shape_of
from fakemamba.records import check_fields

ATTENTION_KINDS = ("sdpa", "eager")

Layers = Annotated[int, Field(ge=1, le=1_000)]
Blocks = Annotated[int, Field(ge=0, le=1_000)]  # of an encoder, which may be a projection alone
Size = Annotated[int, Field(ge=1, le=1 << 16)]


@dataclass(frozen=True)
class FrontendConfig:
    """One front-end. ``name`` is a label for people; the other fields decide.

    Attributes:
        num_layers: that are built; with fewer than were published, the first ones.
        conv_channels: of the convolutions over the waveform.
        position_kernel: of the convolution that tells positions; with its groups.
        attention: ``sdpa`` or ``eager``.
        family: a key of `FAMILIES`, which is the ``model_type`` of a ``config.json``.
        pre_norm: whether norms stand before attention and feed-forward, or after them.
        feature_norm: LayerNorm after every convolution, or GroupNorm after the first.
        conv_bias: whether these convolutions have biases.
        num_mels: bands of Whisper's features.
        output: see `outputs`.
        waveform: see `normalising`.
        frames: how many; see `s3prl`.

    A field that a family does not have keeps its default, and 1 where it is a size.
    """

    name: str
    hidden_size: Size
    num_layers: Layers
    num_heads: Size
    ffn_size: Size
    conv_channels: Size = 512
    position_kernel: Size = 128
    position_groups: Size = 16
    attention: str = "sdpa"
    family: str = "wav2vec2"
    pre_norm: bool = True
    feature_norm: Literal["layer", "group"] = "layer"
    conv_bias: bool = True
    num_mels: Size = 1
    output: Output = "last"
    waveform: Waveform = "none"
    frames: Frames = "network"

    def __post_init__(self) -> None:
        check_fields(self)
        if self.family not in FAMILIES:
            guesses = get_close_matches(self.family, FAMILIES, n=1)
            hint = f"; did you mean {guesses[0]}?" if guesses else ""
            raise ValueError(
                f"front-end family {self.family!r} is not one of {', '.join(FAMILIES)}{hint}"
            )
        if self.attention not in ATTENTION_KINDS:
            raise ValueError(
                f"front-end attention {self.attention!r} is not one of {', '.join(ATTENTION_KINDS)}"
            )
        if self.hidden_size % self.num_heads:
            raise ValueError(
                f"front-end width {self.hidden_size} cannot be split into {self.num_heads} heads"
            )
        if self.hidden_size % self.position_groups:
            raise ValueError(
                f"front-end width {self.hidden_size} cannot be split into {self.position_groups} "
                "groups of the position convolution"
            )
        for name, value in WITHOUT.items():
            if name not in self.build.sizes and getattr(self, name) != value:
                raise ValueError(
                    f"front-end {name} should be {value}: {self.build.title} has no such thing"
                )

    @property
    def build(self) -> Family:
        """The family's entry."""
        return FAMILIES[self.family]

    @property
    def framing(self) -> Framing:
        """How samples become frames."""
        framing = self.build.framing
        return replace(framing, rounds_up=True) if self.frames == "s3prl" else framing

    def to_transformers(self) -> Any:
        """The same network in transformers' words, with every training-time change switched off."""
        said = {theirs: getattr(self, ours) for ours, theirs in self.build.sizes.items()}
        if "conv_dim" in said:
            said["conv_dim"] = [self.conv_channels] * CONVOLUTIONS
        fixed = {name: value for name, value in self.build.fixed.items() if value is not None}
        made = resolve_name(self.build.config_class)(**fixed, **said, **self.build.quiet)
        # WavLM's class knows no other; `set_attention` chooses afterwards.
        made._attn_implementation = "eager" if self.family == "wavlm" else self.attention
        return made

    @classmethod
    def from_state(
        cls, state: Mapping[str, Tensor], *, num_heads: int, name: str, family: str = "wav2vec2"
    ) -> FrontendConfig:
        """Sizes read off the state dict of a network of convolutions, but for the head count.

        Which norms it has shows as well, since all published networks whose convolutions have a
        group norm have their other norms after attention and feed-forward.

        Raises:
            ValueError: tensors that show them are missing, or are of no such model.
        """
        position_key = "encoder.pos_conv_embed.conv.parametrizations.weight.original1"
        hidden_size, group_size, position_kernel = shape_of(state, position_key, 3)
        ffn_size, _ = shape_of(state, "encoder.layers.0.feed_forward.intermediate_dense.weight", 2)
        conv_channels, _, _ = shape_of(state, "feature_extractor.conv_layers.0.conv.weight", 3)
        is_group = (
            "feature_extractor.conv_layers.0.layer_norm.weight" in state
            and "feature_extractor.conv_layers.1.layer_norm.weight" not in state
        )
        return cls(
            name=name,
            hidden_size=hidden_size,
            num_layers=count_blocks(state, "encoder.layers."),
            num_heads=num_heads,
            ffn_size=ffn_size,
            conv_channels=conv_channels,
            position_kernel=position_kernel,
            position_groups=hidden_size // max(group_size, 1),
            family=family,
            pre_norm=not is_group,
            feature_norm="group" if is_group else "layer",
            conv_bias="feature_extractor.conv_layers.0.conv.bias" in state,
        )


# Fields that not all families have, and their values there.
WITHOUT: dict[str, Any] = {
    "conv_channels": 1,
    "position_kernel": 1,
    "position_groups": 1,
    "pre_norm": True,
    "feature_norm": "layer",
    "conv_bias": True,
    "num_mels": 1,
}
# Fields that came later, with what a record without them means: it has all of a group, or none.
LATER_FIELDS: tuple[dict[str, Any], ...] = tuple(
    {one.name: one.default for one in group}
    for group in (
        fields(FrontendConfig)[9:16],  # with other families than XLS-R's
        fields(FrontendConfig)[16:],  # with s3prl's frames
    )
)
