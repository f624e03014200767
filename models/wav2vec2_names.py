"""Names of wav2vec 2.0's tensors: fairseq's, transformers', and those of what is no encoder."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from torch import Tensor

from fakemamba.models.state_dicts import plain_name, renamed
from fakemamba.models.weight_files import CheckpointError
from fakemamba.records import shown

POSITION_WEIGHT = "encoder.pos_conv_embed.conv.parametrizations.weight.original1"
# In published checkpoints, never part of the computation: mask embedding and heads of pre-training
# (fairseq's and transformers' names) and of fine-tuning.
_OTHER_PREFIXES = (
    *("mask_emb", "quantizer.", "project_q.", "final_proj."),
    *("masked_spec_embed", "project_hid.", "lm_head.", "projector.", "classifier."),
)
# transformers' name for the encoder in a model that has a head beside it.
_ENCODER = "wav2vec2."
# Parts of names that only models of other families have.
_FAMILIES = {
    "gru_rel_pos": "WavLM",
    "rel_attn_embed": "WavLM",
    "grep_linear": "WavLM",
    "relative_attention_bias": "WavLM",
    "wavlm.": "WavLM",
    "hubert.": "HuBERT",
    "label_embs_concat": "HuBERT",
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
        (r"^layer_norm\.", "feature_projection.layer_norm."),
        (r"^post_extract_proj\.", "feature_projection.projection."),
        (r"^encoder\.pos_conv\.0\.", "encoder.pos_conv_embed.conv."),
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


def encoder_tensors(
    state: Mapping[str, Tensor], rename: Callable[[str], str], source: object
) -> dict[str, Tensor]:
    """The encoder's tensors under the names that ``rename`` gives, without heads and the like.

    Raises:
        CheckpointError: two tensors would have one name, or they are of another family.
    """
    names = renamed(state, lambda key: rename(key.removeprefix(_ENCODER)), source)
    _refuse_other_families(names.values(), source)
    return {name: state[key] for name, key in names.items() if not name.startswith(_OTHER_PREFIXES)}


def _refuse_other_families(names: Iterable[str], source: object) -> None:
    for name in names:
        for sign, family in _FAMILIES.items():
            if sign in name:
                raise CheckpointError(
                    f"{source} holds {family}, not wav2vec 2.0: only that has {shown(name)}, and "
                    "its features would be wrong here; take a wav2vec 2.0 model, such as XLS-R"
                )
