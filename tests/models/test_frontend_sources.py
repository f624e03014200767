"""Front-ends of others: all of an XLS-R model's tensors and no others, or an error with reason."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    Wav2Vec2ForCTC,
    Wav2Vec2ForPreTraining,
    Wav2Vec2ForSequenceClassification,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMModel,
)

from fakemamba.models.frontend import FRONTEND_SIZES
from fakemamba.models.frontend_sources import create_frontend, frontend_config
from fakemamba.models.weight_files import CheckpointError

TINY = FRONTEND_SIZES["xls-r-tiny"]


@pytest.fixture(scope="module")
def published():
    torch.manual_seed(0)
    return Wav2Vec2Model(TINY.to_transformers()).eval()


@pytest.fixture
def folder(published, tmp_path):
    """A Hugging Face folder of a tiny XLS-R model."""
    published.save_pretrained(tmp_path)
    return tmp_path


def assert_is(published, folder):
    found = create_frontend(folder)
    assert replace(found.config, name=TINY.name) == TINY
    wanted = published.state_dict()
    assert set(found.model.state_dict()) == set(wanted)
    for key, value in found.model.state_dict().items():
        assert value.dtype == torch.float32 and torch.equal(value, wanted[key]), key


def change_weights(folder, change):
    path = folder / "model.safetensors"
    save_file({key: value.clone() for key, value in change(load_file(path)).items()}, path)


def change_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    "kind", [Wav2Vec2ForPreTraining, Wav2Vec2ForCTC, Wav2Vec2ForSequenceClassification]
)
def test_heads_of_training_are_left_out(published, tmp_path, kind):
    config = TINY.to_transformers()
    config.mask_time_prob = 0.05  # it has a mask embedding then
    model = kind(config)
    model.wav2vec2.load_state_dict(published.state_dict(), strict=False)
    model.save_pretrained(tmp_path)
    assert "wav2vec2.masked_spec_embed" in load_file(tmp_path / "model.safetensors")
    assert_is(published, tmp_path)


def test_a_pickle_is_read_too_with_the_old_names_of_weight_norm(published, folder):
    state = load_file(folder / "model.safetensors")
    names = {"parametrizations.weight.original0": "weight_g"}
    names |= {"parametrizations.weight.original1": "weight_v"}
    for new, old in names.items():
        state = {f"{key.replace(new, old)}": value for key, value in state.items()}
    torch.save({f"wav2vec2.{k}": v for k, v in state.items()}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert_is(published, folder)


def test_weights_in_several_files_are_put_together(published, tmp_path):
    published.save_pretrained(tmp_path, max_shard_size="100KB")
    assert (tmp_path / "model.safetensors.index.json").is_file()
    assert_is(published, tmp_path)
    (part, *_) = sorted(tmp_path.glob("model-*"))
    part.unlink()
    with pytest.raises(CheckpointError, match=f"lists '{part.name}', which is not there"):
        create_frontend(tmp_path)


@pytest.mark.parametrize("content", [{}, {"weight_map": {"a": 1}}, {"weight_map": {"a": "../x"}}])
def test_an_index_of_another_form_is_refused(folder, content):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=r"model\.safetensors\.index\.json"):
        create_frontend(folder)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_precision_is_loaded_as_fp32(folder, dtype, waveforms):
    change_weights(folder, lambda state: {key: value.to(dtype) for key, value in state.items()})
    features, _ = create_frontend(folder)(waveforms)
    assert features.dtype == torch.float32 and features.isfinite().all()


BIAS = "encoder.layers.1.feed_forward.output_dense.bias"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda s: {k: v for k, v in s.items() if k != BIAS}, rf"missing {BIAS} \(64,\)"),
        (lambda s: s | {"odd.weight": torch.ones(2)}, r"surplus odd\.weight \(2,\)"),
        (lambda s: s | {BIAS: torch.ones(3)}, rf"misshapen {BIAS}: \(3,\), should be \(64,\)"),
        (lambda s: s | {BIAS: torch.ones(64, dtype=torch.int8)}, f"{BIAS}: int8, should be float"),
        (lambda s: s | {BIAS: torch.full((64,), torch.nan)}, f"NaN.*{BIAS}"),
        (lambda s: s | {f"wav2vec2.{BIAS}": torch.ones(64)}, f"{BIAS} twice"),
        (lambda s: s | {"encoder.layers.0.attention.gru_rel_pos_const": s[BIAS]}, "holds WavLM"),
    ],
)
def test_weights_that_are_not_all_and_only_the_models_are_refused(folder, change, told):
    change_weights(folder, change)
    with pytest.raises(CheckpointError, match=told):
        create_frontend(folder)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("model_type", "wavlm", r"missing .*gru_rel_pos_const"),
        ("model_type", "bert", "model_type should be one of wav2vec2, hubert, .*but is 'bert'"),
        ("model_type", ["hubert"], "model_type should be one of"),
        ("do_stable_layer_norm", "no", "do_stable_layer_norm: should be a valid boolean"),
        ("feat_extract_norm", "group", r"surplus feature_extractor\.conv_layers\.1\.layer_norm"),
        ("feat_extract_norm", "batch", "feat_extract_norm: should be 'layer' or 'group'"),
        ("conv_bias", False, r"surplus feature_extractor\.conv_layers\.0\.conv\.bias"),
        ("hidden_act", "relu", "hidden_act should be"),
        ("feat_extract_activation", "relu", "feat_extract_activation should be"),
        ("conv_kernel", [10, 3, 3, 3, 3, 2], "conv_kernel should be"),
        ("conv_stride", "5", "conv_stride should be"),
        ("layer_norm_eps", 1e-12, "layer_norm_eps should be"),
        ("add_adapter", True, "add_adapter should be false"),
        ("adapter_attn_dim", 16, "adapter_attn_dim should be null"),
        ("conv_dim", [32, 32, 32, 32, 32, 32, 64], "conv_dim should be 7 equal numbers"),
        ("hidden_size", "64", "hidden_size: should be a valid integer, but is '64'"),
        ("num_hidden_layers", 10**12, "num_hidden_layers: should be less than"),
        ("num_attention_heads", 0, "num_attention_heads: should be greater than"),
        ("num_attention_heads", 5, "64 cannot be split into 5 heads"),
        ("num_conv_pos_embedding_groups", 7, "64 cannot be split into 7 groups"),
        ("num_conv_pos_embeddings", 64, "misshapen encoder.pos_conv_embed"),
        ("num_hidden_layers", 3, r"missing encoder\.layers\.2"),
    ],
)
def test_a_model_that_is_built_otherwise_is_refused_by_the_field(folder, name, value, told):
    change_config(folder, **{name: value})
    with pytest.raises(CheckpointError, match=told) as caught:
        create_frontend(folder)
    assert str(caught.value).isprintable()


def test_a_configuration_that_does_not_say_of_what_it_is_is_refused(folder):
    (folder / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"config\.json, model_type: it is missing"):
        frontend_config(folder)


LIKE_XLSR = {
    "conv_dim": (32,) * 7,
    "conv_bias": True,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 256,
}


def test_wavlm_that_says_it_is_wav2vec2_is_known_by_its_weights(tmp_path):
    WavLMModel(WavLMConfig(**LIKE_XLSR)).save_pretrained(tmp_path)
    change_config(tmp_path, model_type="wav2vec2")
    with pytest.raises(CheckpointError, match=r"holds WavLM, not wav2vec 2\.0: only that has"):
        create_frontend(tmp_path)


def test_a_folder_without_weights_or_with_others_is_refused(folder):
    (folder / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(CheckpointError, match=r"model\.safetensors is a Git LFS pointer"):
        create_frontend(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"no weights: neither model\.safetensors nor"):
        create_frontend(folder)


def test_a_file_that_is_no_front_end_is_called_what_it_is(tmp_path):
    page = tmp_path / "xlsr2_300m"
    page.write_text("<!DOCTYPE html><html></html>")
    with pytest.raises(CheckpointError, match="is a web page"):
        create_frontend(page)


@pytest.fixture
def fairseq(published, tmp_path):
    """Write the model with some changes as fairseq does, and say where."""

    def write(change):
        names = {
            "feature_projection.layer_norm": "layer_norm",
            "feature_projection.projection": "post_extract_proj",
            "parametrizations.weight.original0": "weight_g",
            "parametrizations.weight.original1": "weight_v",
            "encoder.pos_conv_embed.conv": "encoder.pos_conv.0",
            ".attention.": ".self_attn.",
            "feed_forward.intermediate_dense": "fc1",
            "feed_forward.output_dense": "fc2",
        }  # fmt: skip
        state = {}
        for key, value in published.state_dict().items():
            if key.startswith("feature_extractor"):
                key = key.replace(".conv.", ".0.").replace(".layer_norm.", ".2.1.")
            elif key.startswith("encoder.layers."):
                key = key.replace(".layer_norm.", ".self_attn_layer_norm.")
            for new, old in names.items():
                key = key.replace(new, old)
            state[key] = value
        torch.save({"model": change(state), "args": None}, tmp_path / "xlsr.pt")
        return tmp_path / "xlsr.pt"

    return write


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda s: {k: v for k, v in s.items() if k != "layer_norm.bias"}, "missing feature_proj"),
        (lambda s: s | {"odd": torch.ones(2)}, r"surplus odd \(2,\)"),
        (lambda s: s | {"encoder.layers.0.fc1.weight": torch.ones(2)}, r"2.0 model: .*is \(2,"),
        (
            lambda s: {k: v for k, v in s.items() if ".fc1." not in k},
            "is not a wav2vec 2.0 model: encoder.layers.0.feed_forward.intermediate.*missing",
        ),
        (lambda s: s | {"encoder.layers.99999999.fc1.bias": torch.ones(2)}, "surplus|missing"),
        (lambda s: s | {"data2vec_audio.x": torch.ones(2)}, "holds data2vec, not wav2vec 2.0"),
        (lambda s: s | {"encoder.layers.0.self_attn.grep_linear.bias": torch.ones(8)}, "WavLM"),
        (lambda s: s | {"feature_projection.layer_norm.bias": torch.ones(32)}, "twice"),
    ],
)  # fmt: skip
def test_fairseq_files_are_checked_as_strictly(fairseq, change, told):
    with pytest.raises(CheckpointError, match=told):
        create_frontend(fairseq(change))
