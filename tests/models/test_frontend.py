"""The front-end: frame counts, sources of weights, and that training does not change it."""

import argparse
import pickle
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import Wav2Vec2Config, Wav2Vec2Model

from fakemamba.models.frontend import FRONTEND_SIZES, Frontend
from fakemamba.models.frontend_sources import create_frontend, frontend_config
from fakemamba.models.frontends.tensor_names import transformers_key
from fakemamba.models.weight_files import UnsafeCheckpointError

FRAMING = FRONTEND_SIZES["xls-r-300m"].framing
PUBLISHED_FRAMES = {
    399: 0,
    400: 1,
    16_000: 49,
    32_000: 99,
    48_000: 149,
    64_000: 199,
    64_600: 201,
    66_800: 208,
    80_000: 249,
    96_000: 299,
}


@pytest.mark.parametrize(("num_samples", "frames"), PUBLISHED_FRAMES.items())
def test_frame_count_is_the_published_one(num_samples, frames):
    assert FRAMING.frame_count(num_samples) == frames


@given(st.integers(min_value=0, max_value=10**7))
def test_frame_counts_agrees_with_frame_count(num_samples):
    counts = FRAMING.frame_counts(torch.tensor([num_samples]))
    assert counts.tolist() == [FRAMING.frame_count(num_samples)]


@pytest.mark.parametrize("num_samples", [400, 719, 720, 8_123])
def test_the_model_gives_as_many_frames_as_counted(num_samples):
    frontend = create_frontend("xls-r-tiny")
    features, lengths = frontend(torch.randn(1, num_samples))
    assert features.shape == (1, FRAMING.frame_count(num_samples), 64)
    assert lengths is None


def test_training_mode_does_not_change_the_front_end(waveforms):
    frontend = create_frontend("xls-r-tiny")
    evaluated = frontend.eval()(waveforms)[0]
    torch.testing.assert_close(frontend.train()(waveforms)[0], evaluated, rtol=0, atol=0)


def test_the_waveform_is_not_normalised(waveforms):
    frontend = create_frontend("xls-r-tiny").eval()
    normalised = (waveforms - waveforms.mean(1, keepdim=True)) / waveforms.std(1, keepdim=True)
    assert (frontend(waveforms)[0] - frontend(normalised)[0]).abs().max() > 1e-3


def test_eager_attention_gives_the_same_features(waveforms):
    torch.manual_seed(0)
    sdpa = create_frontend("xls-r-tiny", "sdpa").eval()
    eager = create_frontend("xls-r-tiny", "eager").eval()
    eager.load_state_dict(sdpa.state_dict())
    assert eager.model.config._attn_implementation == "eager"
    torch.testing.assert_close(eager(waveforms)[0], sdpa(waveforms)[0], rtol=1e-4, atol=1e-5)


def test_full_sizes_have_the_published_parameter_counts():
    with torch.device("meta"):
        frontend = Frontend(FRONTEND_SIZES["xls-r-300m"])
    assert sum(p.numel() for p in frontend.parameters()) == 315_437_696


def test_an_unknown_size_names_the_nearest():
    with pytest.raises(ValueError, match="did you mean xls-r-300m"):
        create_frontend("xlsr-300m")


def test_unknown_attention_is_refused():
    with pytest.raises(ValueError, match=r"'flash' is not one of sdpa, eager"):
        create_frontend("xls-r-tiny", "flash")


def fairseq_names(state):
    """A ``Wav2Vec2Model`` state dict under fairseq's names, as the published files have it."""
    names = {}
    for layer in range(7):
        for kind in ("weight", "bias"):
            names |= {
                f"feature_extractor.conv_layers.{layer}.0.{kind}": None,
                f"feature_extractor.conv_layers.{layer}.2.1.{kind}": None,
            }
    for kind in ("weight", "bias"):
        names |= {f"layer_norm.{kind}": None, f"post_extract_proj.{kind}": None}
        names |= {f"encoder.layer_norm.{kind}": None}
    names |= {f"encoder.pos_conv.0.{kind}": None for kind in ("bias", "weight_g", "weight_v")}
    for layer in range(2):
        for kind in ("weight", "bias"):
            modules = [f"self_attn.{x}_proj" for x in ("q", "k", "v", "out")]
            modules += ["self_attn_layer_norm", "fc1", "fc2", "final_layer_norm"]
            names |= {f"encoder.layers.{layer}.{module}.{kind}": None for module in modules}
    renamed = {name: state[transformers_key(name)] for name in names}
    assert len(renamed) == len(state)
    return renamed | {"mask_emb": torch.zeros(64), "quantizer.vars": torch.zeros(1, 4, 8)}


@pytest.fixture
def sixteen_heads():
    torch.manual_seed(0)
    return Frontend(replace(FRONTEND_SIZES["xls-r-tiny"], num_heads=16)).eval()


def test_a_fairseq_file_gives_the_same_features(tmp_path, waveforms, sixteen_heads):
    state = fairseq_names(sixteen_heads.model.state_dict())
    content = {"model": state, "args": argparse.Namespace(arch="wav2vec2"), "cfg": None}
    torch.save(content, tmp_path / "xlsr_small.pt")
    read = create_frontend(tmp_path / "xlsr_small.pt").eval()
    assert read.config.name == "xlsr_small"
    assert frontend_config(tmp_path / "xlsr_small.pt") == read.config
    torch.testing.assert_close(read(waveforms)[0], sixteen_heads(waveforms)[0], rtol=0, atol=0)


def test_a_fairseq_file_with_foreign_classes_is_refused_and_not_run(tmp_path, attack):
    trap, marker = attack
    torch.save({"model": {}, "cfg": trap}, tmp_path / "evil.pt")
    with pytest.raises(UnsafeCheckpointError, match=r"evil\.pt refused.*system"):
        create_frontend(tmp_path / "evil.pt")
    assert not marker.exists()


def test_a_bare_pickle_with_foreign_classes_is_refused_and_not_run(tmp_path, attack):
    trap, marker = attack
    (tmp_path / "evil.pt").write_bytes(pickle.dumps(trap))
    with pytest.raises(ValueError, match=r"evil\.pt"):
        create_frontend(tmp_path / "evil.pt")
    assert not marker.exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint at all", b"PK\x03\x04broken"])
def test_a_broken_file_is_named(tmp_path, content):
    (tmp_path / "broken.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.pt"):
        create_frontend(tmp_path / "broken.pt")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.pt"):
        create_frontend(tmp_path / "absent.pt")


def test_a_file_without_a_wav2vec_model_is_refused(tmp_path):
    torch.save({"model": {"weight": torch.zeros(1)}}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"other\.pt holds no fairseq wav2vec 2\.0 model"):
        create_frontend(tmp_path / "other.pt")


def test_a_hugging_face_folder_is_read_with_training_changes_off(tmp_path, waveforms):
    config = FRONTEND_SIZES["xls-r-tiny"].to_transformers()
    config.hidden_dropout = config.layerdrop = 0.1
    config.apply_spec_augment, config.mask_time_prob = True, 0.05
    published = Wav2Vec2Model(config).eval()
    published.save_pretrained(tmp_path)
    read = create_frontend(tmp_path).train()
    expected = published(waveforms).last_hidden_state
    torch.testing.assert_close(read(waveforms)[0], expected, rtol=0, atol=0)


def test_a_folder_of_another_architecture_is_refused(tmp_path):
    Wav2Vec2Config(hidden_act="relu").save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"is not of a wav2vec 2\.0 model as it is built here"):
        create_frontend(tmp_path)
