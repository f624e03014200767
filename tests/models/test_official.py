"""Official checkpoints: the logits of the official code, and refusals that list what is wrong."""

import itertools
from dataclasses import replace

import pytest
import torch
from official_files import DETECTOR_OF, FIRST, PUBLISHED_SAMPLES
from safetensors.torch import save_file

from fakemamba.data.audio import cut_or_tile, read_audio
from fakemamba.models.checkpoints import from_pretrained, save_pretrained
from fakemamba.models.detector import UnsupportedInputError
from fakemamba.models.official import average_states, convert_official
from fakemamba.models.weight_files import CheckpointError, UnsafeCheckpointError

TOLERANCE = 1e-4


@pytest.fixture
def oracle(oracles, second_oracles):
    """A detector's official file, its front-end's heads, and waveforms with their logits."""
    recordings, _ = oracles

    def find(name, which="logits"):
        folder, expected = oracles if name in FIRST else second_oracles
        said = expected["arch"][name]
        read = [read_audio(recordings / path) for path in said[which]]
        if name in PUBLISHED_SAMPLES and which != "logits_whole_file":
            read = [cut_or_tile(waveform, PUBLISHED_SAMPLES[name]) for waveform in read]
        waveforms = [torch.from_numpy(waveform) for waveform in read]
        assert "6313-76958-0021.flac" in said[which]  # a real recording among them
        logits = torch.tensor(list(said[which].values()))
        return folder / f"{name}.pth", said.get("heads", 16), waveforms, logits

    return find


@pytest.mark.parametrize(("name", "detector"), DETECTOR_OF.items())
@torch.inference_mode()
def test_logits_are_those_of_the_official_code(name, detector, oracle):
    path, heads, waveforms, wanted = oracle(name)
    model = convert_official([path], detector, frontend_heads=heads)
    found = torch.cat([model(waveform[None]) for waveform in waveforms])
    assert (found - wanted).abs().max() < TOLERANCE


@pytest.mark.parametrize(("name", "detector"), DETECTOR_OF.items())
@torch.inference_mode()
def test_a_padded_batch_gives_the_official_logits_too(name, detector, oracle):
    path, heads, rows, wanted = oracle(name)
    model = convert_official([path], detector, frontend_heads=heads)
    lengths = torch.tensor([len(row) for row in rows])
    batch = torch.nn.utils.rnn.pad_sequence([*rows, torch.zeros(70_000)], batch_first=True)
    found = model(batch[:-1], lengths)
    assert (found - wanted).abs().max() < TOLERANCE


def test_a_folder_in_the_layout_of_hugging_face_is_read(oracle, tmp_path):
    path, heads, waveforms, wanted = oracle("antideepfake")
    state = torch.load(path, weights_only=True)
    save_file(state, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text("{}")  # of its sizes; the tensors say them
    model = convert_official([tmp_path], "antideepfake", frontend_heads=heads)
    with torch.inference_mode():
        assert (model(waveforms[0][None])[0] - wanted[0]).abs().max() < TOLERANCE


def test_a_folder_without_weights_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"no weights: neither model\.safetensors nor"):
        convert_official([tmp_path], "antideepfake")


@torch.inference_mode()
def test_df_arena_of_all_raw_states_has_the_logits_of_transformers_5(oracle):
    path, heads, rows, wanted = oracle("df-arena", "logits_with_transformers_5_raw_last_layer")
    model = convert_official([path], "df-arena", frontend_heads=heads)
    frontend = replace(model.config.frontend, output="all")
    raw = type(model)(replace(model.config, frontend=frontend)).eval()
    raw.load_state_dict(model.state_dict())
    assert (raw(torch.stack(rows)) - wanted).abs().max() < TOLERANCE


def test_the_positions_of_a_file_are_as_many_as_it_has(oracle, tmp_path):
    path, heads, _, _ = oracle("df-arena")
    model = convert_official([path], "df-arena", frontend_heads=heads)
    assert model.config.positions == 600  # the table of this one is cut
    with pytest.raises(UnsupportedInputError, match=r"601 frames, but .* positions end at 600"):
        model(torch.zeros(1, 400 + 600 * 320))
    save_pretrained(model, tmp_path)
    assert from_pretrained(tmp_path).config == model.config


@pytest.fixture
def official(oracles):
    """The official Fake-Mamba state dict of two blocks."""
    folder, _ = oracles
    return torch.load(folder / "fake-mamba.pth", weights_only=True)


def save(state, path):
    torch.save(state, path)
    return path


def test_module_prefixes_are_taken_off(official, tmp_path):
    wrapped = {f"module.{key}": value for key, value in official.items()}
    plain = convert_official([save(official, tmp_path / "plain.pth")], "fake-mamba")
    found = convert_official([save(wrapped, tmp_path / "wrapped.pth")], "fake-mamba")
    assert found.config == plain.config
    for key, value in plain.state_dict().items():
        assert torch.equal(found.state_dict()[key], value), key


@pytest.mark.parametrize(
    "change",
    [
        lambda state: {f"_orig_mod.module.{key}": value for key, value in state.items()},
        lambda state: {"state_dict": {f"model.{key}": value for key, value in state.items()}},
        lambda state: {"model_state_dict": state, "optimizer_state_dict": {}, "epoch": 3},
        lambda state: {
            key.replace("weight_g", "parametrizations.weight.original0").replace(
                "weight_v", "parametrizations.weight.original1"
            ): value
            for key, value in state.items()
        },
    ],
    ids=["compiled", "lightning", "training", "new-weight-norm"],
)
def test_what_training_loops_save_is_understood(official, tmp_path, change):
    plain = convert_official([save(official, tmp_path / "plain.pth")], "fake-mamba")
    found = convert_official([save(change(official), tmp_path / "other.pth")], "fake-mamba")
    for key, value in plain.state_dict().items():
        assert torch.equal(found.state_dict()[key], value), key


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_precision_is_loaded_as_fp32_and_averaged_so(official, tmp_path, dtype, waveforms):
    cast = {key: v.to(dtype) if v.is_floating_point() else v for key, v in official.items()}
    paths = [save(cast, tmp_path / f"{index}.pth") for index in range(2)]
    found = convert_official(paths, "fake-mamba")
    assert {value.dtype for value in found.parameters()} == {torch.float32}
    wanted = cast["LL.weight"].float()
    assert torch.equal(found.state_dict()["encoder.projection.linear.weight"], wanted)
    assert found(waveforms).isfinite().all()


def test_weights_that_are_no_numbers_are_refused_by_name(official, tmp_path):
    official["fc5.bias"][0] = torch.nan
    with pytest.raises(CheckpointError, match=r"NaN.*head\.classifier\.bias"):
        convert_official([save(official, tmp_path / "x.pth")], "fake-mamba")


@pytest.mark.parametrize(("name", "detector"), DETECTOR_OF.items())
def test_a_tensor_of_any_other_shape_is_an_error_that_names_it(name, detector, oracle, tmp_path):
    path, heads, _, _ = oracle(name)
    state = torch.load(path, weights_only=True)
    state = state.get("state_dict", state)
    keys = [key for key in state if "ssl" not in key or "layers.0" in key or "conv" in key]
    shapes = itertools.cycle([(), (0,), (3, 1, 2)])
    for key, shape in zip(keys[:: max(1, len(keys) // 5)], shapes, strict=False):
        changed = state | {key: torch.zeros(shape)}
        with pytest.raises(CheckpointError):
            convert_official([save(changed, tmp_path / "x.pth")], detector, frontend_heads=heads)


@pytest.mark.parametrize("tensor", ["fc5.bias", "ssl_model.model.layer_norm.weight"])
def test_a_missing_tensor_is_listed(official, tmp_path, tensor):
    del official[tensor]
    with pytest.raises(CheckpointError, match=r"missing .*(classifier|layer_norm)"):
        convert_official([save(official, tmp_path / "x.pth")], "fake-mamba")


def test_a_surplus_tensor_is_listed_by_its_own_name(official, tmp_path):
    official["fc7.weight"] = torch.zeros(3)
    with pytest.raises(CheckpointError, match=r"surplus fc7\.weight \(3,\)"):
        convert_official([save(official, tmp_path / "x.pth")], "fake-mamba")


def test_a_misshapen_tensor_is_listed_by_its_own_name(official, tmp_path):
    official["fc5.weight"] = torch.zeros(3, 144)
    with pytest.raises(
        CheckpointError, match=r"misshapen fc5\.weight: \(3, 144\), should be \(2, 144\)"
    ):
        convert_official([save(official, tmp_path / "x.pth")], "fake-mamba")


@pytest.mark.parametrize(("name", "detector"), DETECTOR_OF.items())
def test_the_checkpoint_of_another_detector_is_recognised(name, detector, oracle):
    path, heads, _, _ = oracle(name)
    other = "xlsr-conformer" if name == "fake-mamba" else "fake-mamba"
    told = rf"not a checkpoint of {other}.*--detector {detector}\b"
    with pytest.raises(CheckpointError, match=told):
        convert_official([path], other, frontend_heads=heads)


def test_a_name_that_means_another_depth_is_refused(oracles):
    folder, _ = oracles
    with pytest.raises(ValueError, match="fake-mamba-l means depth=7, but depth=2"):
        convert_official([folder / "fake-mamba.pth"], "fake-mamba-l")


def test_a_reconstruction_has_nothing_to_convert(oracles):
    folder, _ = oracles
    with pytest.raises(CheckpointError, match="con-bimamba has no published checkpoints"):
        convert_official([folder / "fake-mamba.pth"], "con-bimamba")


def test_impossible_heads_are_refused(oracles):
    folder, _ = oracles
    with pytest.raises(ValueError, match="128 cannot be split into 7 heads"):
        convert_official([folder / "fake-mamba.pth"], "fake-mamba", frontend_heads=7)


def test_a_front_end_alone_is_refused(official, tmp_path):
    alone = {
        key.removeprefix("ssl_model.model."): value
        for key, value in official.items()
        if key.startswith("ssl_model")
    }
    with pytest.raises(CheckpointError, match="holds no speech front-end under"):
        convert_official([save(alone, tmp_path / "x.pth")], "fake-mamba")


def test_a_training_state_is_not_a_plain_state_dict(tmp_path):
    save({"epoch": 3, "weights": {}}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="not a plain state dict: epoch, weights"):
        convert_official([tmp_path / "x.pth"], "fake-mamba")


def test_foreign_classes_are_refused_and_not_run(tmp_path, attack):
    trap, marker = attack
    save({"weight": trap}, tmp_path / "evil.pth")
    with pytest.raises(UnsafeCheckpointError, match=r"evil\.pth refused.*system"):
        convert_official([tmp_path / "evil.pth"], "fake-mamba")
    assert not marker.exists()


def numbered_states(count):
    return [
        {"weight": torch.tensor([float(i), 10.0 * i]), "steps": torch.tensor(10 * i + 9)}
        for i in range(count)
    ]


def test_the_true_average_is_the_mean():
    averaged = average_states(numbered_states(4), "true")
    assert averaged["weight"].tolist() == [1.5, 15.0]
    assert averaged["steps"].item() == 24 and averaged["steps"].dtype == torch.int64


def test_the_average_as_released_leaves_the_best_out():
    averaged = average_states(numbered_states(5), "as-released")
    wanted = (2 * 1 + 2 + 3 + 4) / 5
    torch.testing.assert_close(averaged["weight"], torch.tensor([wanted, 10 * wanted]))


def test_the_average_as_released_is_so_of_any_number():
    averaged = average_states(numbered_states(3), "as-released")
    torch.testing.assert_close(averaged["weight"], torch.tensor([4 / 3, 40 / 3]))


def test_states_that_differ_cannot_be_averaged():
    states = numbered_states(2)
    states[1]["extra"] = torch.zeros(1)
    with pytest.raises(CheckpointError, match=r"checkpoint 2 cannot be averaged.*extra"):
        average_states(states, "true")
