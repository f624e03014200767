"""The families of front-ends, an entry each: transformers' classes, sizes, and what is fixed.

A field of a ``config.json`` is a size (``sizes``: our name and theirs), has to have one value
(``fixed``), is for training alone (``quiet``, off here), or is of a head that is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Tensor

from fakemamba.models.frontends.framing import Framing
from fakemamba.models.frontends.log_mel import WHISPER_SAMPLES
from fakemamba.models.frontends.networks import (
    exact_norms,
    set_attention,
    set_wavlm_attention,
    through_convolutions,
    through_kaldi_features,
    through_whisper_features,
)


@dataclass(frozen=True)
class Family:
    """One family.

    Attributes:
        title: its name for people.
        config_class: where transformers has its configuration's class, as ``module:class``.
        model_class: and the network's.
        example: an id on the hub.
        framing: of frames and samples.
        sizes: fields of a `FrontendConfig` that it has, and their names in a ``config.json``.
        fixed: fields of a ``config.json`` that can have one value only.
        quiet: fields that change training alone, and the values that turn them off.
        extractor: fields of a ``preprocessor_config.json`` that can have one value only.
        prefixes: what is taken off tensors' names, one after the other.
        layers: where the network has its list of layers.
        final_norm: where it has the norm after them, if it has one.
        run: see `networks`.
        prepare: changes a new network so that masks are exact.
        set_attention: chooses its attention.
    """

    title: str
    config_class: str
    model_class: str
    example: str
    framing: Framing
    sizes: Mapping[str, str]
    fixed: Mapping[str, Any]
    quiet: Mapping[str, Any]
    prefixes: tuple[str, ...]
    run: Callable[[Any, Tensor, Tensor | None], Tensor]
    extractor: Mapping[str, Any] = field(default_factory=dict)
    layers: str = "encoder.layers"
    final_norm: str | None = "encoder.layer_norm"
    prepare: Callable[[Any], None] = lambda network: None
    set_attention: Callable[[Any, str], None] = set_attention


CONVOLUTIONS = 7
_SIZES = {
    "hidden_size": "hidden_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "ffn_size": "intermediate_size",
}
_CONVOLUTIONAL_SIZES = {
    **_SIZES,
    "conv_channels": "conv_dim",
    "position_kernel": "num_conv_pos_embeddings",
    "position_groups": "num_conv_pos_embedding_groups",
    "pre_norm": "do_stable_layer_norm",
    "feature_norm": "feat_extract_norm",
    "conv_bias": "conv_bias",
}
_FIXED = {
    "feat_extract_activation": "gelu",
    "hidden_act": "gelu",
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
    "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "layer_norm_eps": 1e-5,
    "add_adapter": False,
    "adapter_attn_dim": None,
}
_QUIET = {
    "hidden_dropout": 0.0,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
    "feat_proj_dropout": 0.0,
    "final_dropout": 0.0,
    "layerdrop": 0.0,
    "apply_spec_augment": False,
    "mask_time_prob": 0.0,
    "mask_feature_prob": 0.0,
}
_RATE = {"sampling_rate": 16_000}
# Those whose frames are made of the waveform by wav2vec 2.0's convolutions.
_convolutional = partial(
    Family,
    framing=Framing(first_samples=400),
    sizes=_CONVOLUTIONAL_SIZES,
    quiet=_QUIET,
    extractor=_RATE,
    run=through_convolutions,
    prepare=exact_norms,
)

FAMILIES: dict[str, Family] = {
    "wav2vec2": _convolutional(
        title="wav2vec 2.0",
        config_class="transformers:Wav2Vec2Config",
        model_class="transformers:Wav2Vec2Model",
        example="facebook/wav2vec2-xls-r-300m",
        fixed=_FIXED,
        prefixes=("wav2vec2.",),
    ),
    "hubert": _convolutional(
        title="HuBERT",
        config_class="transformers:HubertConfig",
        model_class="transformers:HubertModel",
        example="facebook/hubert-large-ll60k",
        fixed={**_FIXED, "feat_proj_layer_norm": True, "conv_pos_batch_norm": False},
        prefixes=("hubert.",),
    ),
    "wavlm": _convolutional(
        title="WavLM",
        config_class="transformers:WavLMConfig",
        model_class="transformers:WavLMModel",
        example="microsoft/wavlm-large",
        fixed={**_FIXED, "num_buckets": 320, "max_bucket_distance": 800},
        prefixes=("wavlm.",),
        set_attention=set_wavlm_attention,
    ),
    "wav2vec2-bert": Family(
        title="w2v-BERT",
        config_class="transformers:Wav2Vec2BertConfig",
        model_class="transformers:Wav2Vec2BertModel",
        example="facebook/w2v-bert-2.0",
        framing=Framing(first_samples=560),  # two log-mel frames
        sizes=_SIZES,
        fixed={
            "hidden_act": "swish",
            "layer_norm_eps": 1e-5,
            "feature_projection_input_dim": 160,
            "position_embeddings_type": "relative_key",
            "left_max_position_embeddings": 64,
            "right_max_position_embeddings": 8,
            "conv_depthwise_kernel_size": 31,
            "add_adapter": False,
            "use_intermediate_ffn_before_adapter": False,
        },
        quiet={**_QUIET, "conformer_conv_dropout": 0.0},
        extractor={**_RATE, "num_mel_bins": 80, "stride": 2},
        prefixes=("wav2vec2_bert.",),
        run=through_kaldi_features,
        final_norm=None,
    ),
    "whisper": Family(
        title="Whisper",
        config_class="transformers:WhisperConfig",
        model_class="transformers.models.whisper.modeling_whisper:WhisperEncoder",
        example="openai/whisper-small",
        framing=Framing(first_samples=1, most_samples=WHISPER_SAMPLES),
        sizes={
            "hidden_size": "d_model",
            "num_layers": "encoder_layers",
            "num_heads": "encoder_attention_heads",
            "ffn_size": "encoder_ffn_dim",
            "num_mels": "num_mel_bins",
        },
        fixed={
            "activation_function": "gelu",
            "scale_embedding": False,
            "max_source_positions": 1500,
        },
        quiet={
            "dropout": 0.0,
            "attention_dropout": 0.0,
            "activation_dropout": 0.0,
            "encoder_layerdrop": 0.0,
            "apply_spec_augment": False,
        },
        extractor={**_RATE, "n_fft": 400, "hop_length": 160, "chunk_length": 30, "dither": 0.0},
        prefixes=("model.", "encoder."),
        run=through_whisper_features,
        layers="layers",
        final_norm="layer_norm",
    ),
}
