"""Published files of every family: all of a network's tensors, and what may stand beside them."""

import json
import shutil

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from fakemamba.models.frontend_sources import create_frontend
from fakemamba.models.weight_files import CheckpointError

BUILDS = ("wav2vec2-group", "hubert-layer", "wavlm-group", "w2v-bert", "whisper")
WEIGHT_NORM = {"parametrizations.weight.original0": "weight_g"} | {
    "parametrizations.weight.original1": "weight_v"
}


@pytest.fixture(params=BUILDS)
def folder(request, published, tmp_path):
    shutil.copytree(published(request.param).folder, tmp_path, dirs_exist_ok=True)
    return tmp_path


def same(folder, other):
    mine, theirs = (create_frontend(one).state_dict() for one in (folder, other))
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[key], theirs[key]) for key in mine)
    return True


def change(folder, **fields):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_a_pickle_with_the_old_names_of_weight_norm_is_the_same(folder, tmp_path_factory):
    other = shutil.copytree(folder, tmp_path_factory.mktemp("other") / "copy")
    state = load_file(other / "model.safetensors")
    for new, old in WEIGHT_NORM.items():
        state = {key.replace(new, old): value for key, value in state.items()}
    (other / "model.safetensors").unlink()
    torch.save(state, other / "pytorch_model.bin")
    assert same(folder, other)


def test_a_tensor_more_or_less_is_named(folder):
    path = folder / "model.safetensors"
    state = load_file(path)
    name = next(key for key in state if key.endswith("layers.1.final_layer_norm.bias"))
    save_file(state | {name.replace("bias", "odd"): torch.ones(2)}, path)
    with pytest.raises(CheckpointError, match=r"surplus .*final_layer_norm\.odd"):
        create_frontend(folder)
    del state[name]
    save_file(state, path)
    with pytest.raises(CheckpointError, match=r"missing .*layers\.1\.final_layer_norm\.bias"):
        create_frontend(folder)


HEADS = {
    "wavlm-group": ("WavLMForCTC", "wavlm."),
    "hubert-layer": ("HubertForSequenceClassification", "hubert."),
    "w2v-bert": ("Wav2Vec2BertForCTC", "wav2vec2_bert."),
    "whisper": ("WhisperForConditionalGeneration", "model.encoder."),
}


@pytest.mark.parametrize("build", HEADS)
def test_heads_of_training_are_left_out(published, tmp_path, build):
    name, prefix = HEADS[build]
    model = published(build)
    config = transformers.AutoConfig.from_pretrained(model.folder)
    config.vocab_size, config.use_weighted_layer_sum = 11, True
    trained = getattr(transformers, name)(config)
    trained.get_submodule(prefix.rstrip(".")).load_state_dict(
        model.network.state_dict(), strict=False
    )
    trained.save_pretrained(tmp_path)
    assert same(model.folder, tmp_path)


@pytest.mark.parametrize(
    ("build", "field", "value"),
    [
        ("hubert-layer", "feat_proj_layer_norm", False),
        ("hubert-layer", "conv_pos_batch_norm", True),
        ("hubert-layer", "adapter_attn_dim", 8),
        ("wavlm-group", "num_buckets", 160),
        ("wavlm-group", "max_bucket_distance", 400),
        ("wavlm-group", "hidden_act", "relu"),
        ("w2v-bert", "position_embeddings_type", "rotary"),
        ("w2v-bert", "add_adapter", True),
        ("w2v-bert", "conv_depthwise_kernel_size", 15),
        ("w2v-bert", "hidden_act", "gelu"),
        ("whisper", "max_source_positions", 750),
        ("whisper", "activation_function", "relu"),
        ("whisper", "scale_embedding", True),
    ],
)
def test_a_field_that_changes_what_is_computed_is_refused_by_its_name(
    published, tmp_path, build, field, value
):
    shutil.copy(published(build).folder / "config.json", tmp_path)
    change(tmp_path, **{field: value})
    with pytest.raises(CheckpointError, match=f"{field} should be .*, but is") as caught:
        create_frontend(tmp_path)
    assert str(caught.value).isprintable()


FAIRSEQ = {
    "feature_projection.layer_norm": "layer_norm",
    "feature_projection.projection": "post_extract_proj",
    "encoder.pos_conv_embed.conv": "encoder.pos_conv.0",
    "gru_rel_pos_const": "grep_a",
    "gru_rel_pos_linear": "grep_linear",
    "rel_attn_embed": "relative_attention_bias",
    ".attention.": ".self_attn.",
    "feed_forward.intermediate_dense": "fc1",
    "feed_forward.output_dense": "fc2",
    **WEIGHT_NORM,
}


@pytest.mark.parametrize(
    "build", ["wav2vec2-group", "hubert-layer", "hubert-group", "wavlm-group", "wavlm-layer"]
)
def test_a_fairseq_file_shows_its_family_and_norms(published, tmp_path, build, monkeypatch):
    monkeypatch.setattr("fakemamba.models.frontend_sources._FAIRSEQ_HEADS", {32: 4})
    family, norms = build.split("-")
    state = {}
    for key, value in published(build).network.state_dict().items():
        if key.startswith("feature_extractor"):
            norm = ".2." if norms == "group" else ".2.1."
            key = key.replace(".conv.", ".0.").replace(".layer_norm.", norm)
        elif key.startswith("encoder.layers."):
            key = key.replace(".layer_norm.", ".self_attn_layer_norm.")
        for ours, theirs in FAIRSEQ.items():
            key = key.replace(ours, theirs)
        state[key] = value
    others = {"mask_emb": torch.zeros(32), "final_proj.weight": torch.zeros(8, 32)}
    if family == "hubert":
        others["label_embs_concat"] = torch.zeros(504, 8)
    torch.save({"model": state | others, "cfg": None}, tmp_path / "model.pt")
    read = create_frontend(tmp_path / "model.pt")
    assert read.config.family == family and read.config.pre_norm == (norms == "layer")
    wanted = create_frontend(published(build).folder)
    assert read.config.build == wanted.config.build
    waveforms = torch.randn(1, 2_000)
    assert torch.equal(read(waveforms)[0], wanted(waveforms)[0])
    with pytest.raises(CheckpointError, match="has no card"):
        create_frontend(f"{tmp_path / 'model.pt'}?waveform=card")
