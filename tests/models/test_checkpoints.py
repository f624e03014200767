"""Folders written by save_pretrained: the same detector comes back, or a clear error."""

import json

import pytest
import torch
import torch.distributed as dist
from kinds import KINDS
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from fakemamba import from_pretrained, save_pretrained
from fakemamba.models.weight_files import CheckpointError


@pytest.mark.parametrize("name", KINDS)
def test_a_saved_detector_comes_back_the_same(name, tmp_path, make_detector, waveforms):
    saved = make_detector(name)
    save_pretrained(saved, tmp_path)
    read = from_pretrained(tmp_path, expected=name)
    assert read.config == saved.config and not read.training
    assert [p.requires_grad for p in read.parameters()] == [
        p.requires_grad for p in saved.parameters()
    ]
    for key, value in saved.state_dict().items():
        assert torch.equal(read.state_dict()[key], value), key
    torch.testing.assert_close(read(waveforms), saved(waveforms), rtol=1e-4, atol=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]


@pytest.fixture
def folder(tmp_path, make_detector):
    save_pretrained(make_detector("fake-mamba-s", directions="separate"), tmp_path)
    return tmp_path


def test_a_detector_that_fsdp_has_spread_is_saved_under_its_own_name(make_detector, tmp_path):
    detector = make_detector("xlsr-conformer-tcm")
    whole = {key: value.clone() for key, value in detector.state_dict().items()}
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/ranks", rank=0, world_size=1)
    try:
        fully_shard(detector, mesh=init_device_mesh("cpu", (1,)))
    finally:
        dist.destroy_process_group()
    save_pretrained(detector, tmp_path / "saved", whole)
    found = from_pretrained(tmp_path / "saved", expected="xlsr-conformer-tcm")
    assert all(torch.equal(value, whole[key]) for key, value in found.state_dict().items())


def test_options_come_back(folder):
    assert from_pretrained(folder).config.directions == "separate"


def test_another_detector_is_refused(folder):
    with pytest.raises(CheckpointError, match="holds fake-mamba, not xlsr-mamba"):
        from_pretrained(folder, expected="xlsr-mamba")


def test_a_name_of_another_size_is_refused(folder):
    with pytest.raises(ValueError, match="fake-mamba-l means depth=7, but depth=4"):
        from_pretrained(folder, expected="fake-mamba-l")


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"config\.json: no such file"):
        from_pretrained(tmp_path)


def test_missing_weights_are_named(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model\.safetensors: no such file"):
        from_pretrained(folder)


def test_broken_weights_are_named(folder):
    (folder / "model.safetensors").write_bytes(b"nothing like it")
    with pytest.raises(CheckpointError, match=r"model\.safetensors is not a readable"):
        from_pretrained(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 99}, "format 99, but this version reads 1"),
        ({"colour": "blue"}, "colour: there is no such field"),
        ({"depth": 5}, r"missing encoder\.blocks\.4\."),
        ({"width": 160}, r"misshapen .*: \(144"),
        ({"detector": "fake-mumba"}, "did you mean fake-mamba"),
    ],
    ids=str,
)
def test_a_wrong_config_is_explained(folder, change, message):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=message):
        from_pretrained(folder)


def test_a_config_that_is_not_json_is_named(folder):
    (folder / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"config\.json is not JSON"):
        from_pretrained(folder)
