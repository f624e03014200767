"""Published front-ends by name: their sizes, for random weights, and what their cards say."""

from __future__ import annotations

from typing import Any

from fakemamba.models.frontends.config import WITHOUT, FrontendConfig

_GROUP: dict[str, Any] = {"pre_norm": False, "feature_norm": "group", "conv_bias": False}
_HUBERT: dict[str, Any] = {"family": "hubert"}
_WAVLM: dict[str, Any] = {"family": "wavlm"}
_NO_CONVOLUTIONS = {name: WITHOUT[name] for name in WITHOUT if name.startswith(("conv_c", "posi"))}
_BERT: dict[str, Any] = {"family": "wav2vec2-bert", **_NO_CONVOLUTIONS}
_WHISPER: dict[str, Any] = {"family": "whisper", "num_mels": 80, **_NO_CONVOLUTIONS}

FRONTEND_SIZES: dict[str, FrontendConfig] = {
    config.name: config
    for config in (
        FrontendConfig("xls-r-300m", 1024, 24, 16, 4096),
        FrontendConfig("xls-r-1b", 1280, 48, 16, 5120),
        FrontendConfig("xls-r-2b", 1920, 48, 16, 7680),
        FrontendConfig("xls-r-tiny", 64, 2, 4, 256, conv_channels=32),
        FrontendConfig("wav2vec2-base", 768, 12, 12, 3072, **_GROUP),
        FrontendConfig("wav2vec2-large", 1024, 24, 16, 4096, **_GROUP),
        FrontendConfig("wav2vec2-large-lv60", 1024, 24, 16, 4096),
        FrontendConfig("mms-300m", 1024, 24, 16, 4096),
        FrontendConfig("mms-1b", 1280, 48, 16, 5120),
        FrontendConfig("hubert-base", 768, 12, 12, 3072, **_HUBERT, **_GROUP),
        FrontendConfig("hubert-large", 1024, 24, 16, 4096, **_HUBERT, conv_bias=False),
        FrontendConfig("hubert-xlarge", 1280, 48, 16, 5120, **_HUBERT, conv_bias=False),
        FrontendConfig("wavlm-base", 768, 12, 12, 3072, **_WAVLM, **_GROUP),
        FrontendConfig("wavlm-base-plus", 768, 12, 12, 3072, **_WAVLM, **_GROUP),
        FrontendConfig("wavlm-large", 1024, 24, 16, 4096, **_WAVLM, conv_bias=False),
        FrontendConfig("w2v-bert-2.0", 1024, 24, 16, 4096, **_BERT),
        FrontendConfig("whisper-tiny", 384, 4, 6, 1536, **_WHISPER),
        FrontendConfig("whisper-base", 512, 6, 8, 2048, **_WHISPER),
        FrontendConfig("whisper-small", 768, 12, 12, 3072, **_WHISPER),
        FrontendConfig("whisper-medium", 1024, 24, 16, 4096, **_WHISPER),
        FrontendConfig("whisper-large-v2", 1280, 32, 20, 5120, **_WHISPER),
        FrontendConfig("whisper-large-v3", 1280, 32, 20, 5120, **{**_WHISPER, "num_mels": 128}),
        # Of no publication: small ones, to try things with.
        FrontendConfig("wav2vec2-tiny", 64, 2, 4, 256, conv_channels=32, **_GROUP),
        FrontendConfig("hubert-tiny", 64, 2, 4, 256, 32, **_HUBERT, conv_bias=False),
        FrontendConfig("wavlm-tiny", 64, 2, 4, 256, conv_channels=32, **_WAVLM, **_GROUP),
        FrontendConfig("w2v-bert-tiny", 64, 2, 4, 256, **_BERT),
    )
}
# Those whose preprocessor_config.json has do_normalize: by their cards, of their waveforms.
NORMALISED_BY_CARD = frozenset(
    name
    for name, config in FRONTEND_SIZES.items()
    if config.family in ("wav2vec2", "hubert") or name == "wavlm-large"
)
