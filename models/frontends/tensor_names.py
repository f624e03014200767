"""Names of tensors: of fairseq, torchaudio, transformers, and of what is no part of a front-end."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from fakemamba.models.frontends.families import FAMILIES
from fakemamba.models.state_dicts import plain_name, renamed
from fakemamba.models.weight_files import CheckpointError
from fakemamba.records import shown

POSITION_WEIGHT = "encoder.pos_conv_embed.conv.parametrizations.weight.original1"
# In published checkpoints, never part of the computation: mask embedding and heads of pre-training
# (fairseq's and transformers' names) and of fine-tuning.
_OTHER_PREFIXES = (
    *("mask_emb", "quantizer.", "project_q.", "final_proj."),
    *("masked_spec_embed", "project_hid.", "lm_head.", "projector.", "classifier."),
    *("label_embs_concat", "layer_weights", "decoder.", "proj_out."),
)
# Parts of names that only models of one family have.
_SIGNS = {
    "gru_rel_pos": "wavlm",
    "rel_attn_embed": "wavlm",
    "grep_linear": "wavlm",
    "relative_attention_bias": "wavlm",
    "wavlm.": "wavlm",
    "hubert.": "hubert",
    "label_embs_concat": "hubert",
    "data2vec_audio.": "data2vec",
    "unispeech": "UniSpeech",
}

_FAIRSEQ_TO_TRANSFORMERS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^feature_extractor\.conv_layers\.(\d+)\.0\.", r"feature_extractor.conv_layers.\1.conv."),
        (
            r"^feature_extractor\.conv_layers\.(\d+)\.2\.1\.",
            r"feature_extractor.conv_layers.\1.layer_norm.",
        ),
        (  # a group norm, after the first convolution only
            r"^feature_extractor\.conv_layers\.(\d+)\.2\.(?=weight|bias)",
            r"feature_extractor.conv_layers.\1.layer_norm.",
        ),
        (r"^layer_norm\.", "feature_projection.layer_norm."),
        (r"^post_extract_proj\.", "feature_projection.projection."),
        (r"^encoder\.pos_conv\.0\.", "encoder.pos_conv_embed.conv."),
        # WavLM's own: gates of its relative positions.
        (
            r"^encoder\.layers\.(\d+)\.self_attn\.grep_a$",
            r"encoder.layers.\1.attention.gru_rel_pos_const",
        ),
        (
            r"^encoder\.layers\.(\d+)\.self_attn\.grep_linear\.",
            r"encoder.layers.\1.attention.gru_rel_pos_linear.",
        ),
        (
            r"^encoder\.layers\.(\d+)\.self_attn\.relative_attention_bias\.",
            r"encoder.layers.\1.attention.rel_attn_embed.",
        ),
        (r"^encoder\.layers\.(\d+)\.self_attn\.", r"encoder.layers.\1.attention."),
        (r"^encoder\.layers\.(\d+)\.self_attn_layer_norm\.", r"encoder.layers.\1.layer_norm."),
        (r"^encoder\.layers\.(\d+)\.fc1\.", r"encoder.layers.\1.feed_forward.intermediate_dense."),
        (r"^encoder\.layers\.(\d+)\.fc2\.", r"encoder.layers.\1.feed_forward.output_dense."),
    )
)


def transformers_key(fairseq_key: str) -> str:
    """The name in transformers' ``Wav2Vec2Model`` of a fairseq wav2vec 2.0 tensor."""
    fairseq_key = plain_name(fairseq_key)
    for pattern, replacement in _FAIRSEQ_TO_TRANSFORMERS:
        fairseq_key, hits = pattern.subn(replacement, fairseq_key)
        if hits:
            break
    return fairseq_key


def transformers_key_of_torchaudio(key: str) -> str:
    """The name in transformers' ``Wav2Vec2Model`` of a tensor of torchaudio's."""
    key = re.sub(r"^encoder\.feature_projection\.", "feature_projection.", key)
    return re.sub(r"^encoder\.transformer\.", "encoder.", key)


@dataclass(frozen=True)
class OfficialFrontend:
    """How the front-end's tensors are called in a detector's published files.

    Attributes:
        prefix: in front of all of them.
        rename: from what follows it to transformers' names.
    """

    prefix: str = "ssl_model.model."
    rename: Callable[[str], str] = transformers_key


def family_of(fairseq_state: Iterable[str]) -> str:
    """The family of a fairseq model, by the names of its tensors; wav2vec 2.0 if nothing else."""
    known = (_SIGNS[sign] for name in fairseq_state for sign in _SIGNS if sign in name)
    return next((family for family in known if family in FAMILIES), "wav2vec2")


def network_tensors(
    state: Mapping[str, Tensor], rename: Callable[[str], str], source: object, family: str
) -> dict[str, Tensor]:
    """A network's tensors under the names that ``rename`` gives, without heads and the like.

    Raises:
        CheckpointError: two tensors would have one name, or they are of another family.
    """

    def plain(key: str) -> str:
        for prefix in FAMILIES[family].prefixes:
            key = key.removeprefix(prefix)
        return rename(key)

    names = renamed(state, plain, source)
    _refuse_other_families(names.values(), source, family)
    return {name: state[key] for name, key in names.items() if not name.startswith(_OTHER_PREFIXES)}


def _refuse_other_families(names: Iterable[str], source: object, family: str) -> None:
    own = FAMILIES[family].title
    for name in names:
        for sign, other in _SIGNS.items():
            if sign in name and other != family:
                title = FAMILIES[other].title if other in FAMILIES else other
                raise CheckpointError(
                    f"{source} holds {title}, not {own}: only that has {shown(name)}, and its "
                    f"features would be wrong here; take a model of {own}"
                )
