"""Small networks of every family, as transformers itself makes and saves them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

CONVOLUTIONAL = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": [16] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
GROUP = {"feat_extract_norm": "group", "do_stable_layer_norm": False, "conv_bias": False}
LAYER = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
NO_BIAS = {**LAYER, "conv_bias": False}
BERT = {name: CONVOLUTIONAL[name] for name in list(CONVOLUTIONAL)[:4]}
WHISPER = {
    **{"d_model": 32, "encoder_layers": 3, "encoder_attention_heads": 4, "encoder_ffn_dim": 48},
    **{"decoder_layers": 1, "decoder_attention_heads": 4, "decoder_ffn_dim": 48},
    **{"vocab_size": 11, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2},
}
BUILDS = {
    "wav2vec2-group": ("Wav2Vec2", {**CONVOLUTIONAL, **GROUP}),
    "wav2vec2-layer": ("Wav2Vec2", {**CONVOLUTIONAL, **LAYER}),
    "hubert-group": ("Hubert", {**CONVOLUTIONAL, **GROUP}),
    "hubert-layer": ("Hubert", {**CONVOLUTIONAL, **NO_BIAS}),
    "wavlm-group": ("WavLM", {**CONVOLUTIONAL, **GROUP}),
    "wavlm-layer": ("WavLM", {**CONVOLUTIONAL, **NO_BIAS}),
    "w2v-bert": ("Wav2Vec2Bert", BERT),
    "whisper": ("Whisper", WHISPER),
}


@dataclass(frozen=True)
class Published:
    """A folder and transformers' own network in it; ``encode`` gives its output of one waveform."""

    folder: Path
    network: Any
    extractor: Any

    @torch.inference_mode()
    def encode(self, waveform):
        """Output of a waveform (L,) as the publisher's own code has it, not normalised."""
        if self.extractor is None:
            return self.network(waveform[None], output_hidden_states=True)
        given = self.extractor(waveform.numpy(), sampling_rate=16_000, return_tensors="pt")
        return self.network(**given, output_hidden_states=True)


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """Make the network of a build of `BUILDS`, once."""
    made = {}

    def make(build):
        if build not in made:
            name, sizes = BUILDS[build]
            torch.manual_seed(0)
            config = getattr(transformers, f"{name}Config")(**sizes)
            network = getattr(transformers, f"{name}Model")(config).eval()
            with torch.no_grad():  # all that counts should show
                for parameter in network.parameters():
                    parameter.add_(0.05 * torch.randn_like(parameter))
            folder = tmp_path_factory.mktemp(build)
            network.save_pretrained(folder)
            card = {"do_normalize": build.endswith("layer"), "sampling_rate": 16_000}
            (folder / "preprocessor_config.json").write_text(json.dumps(card))
            extractor = None
            if name == "Wav2Vec2Bert":
                extractor = transformers.SeamlessM4TFeatureExtractor()
            if name == "Whisper":
                extractor, network = transformers.WhisperFeatureExtractor(), network.encoder
            made[build] = Published(folder, network, extractor)
        return made[build]

    return make
