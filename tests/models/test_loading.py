"""What is named as a checkpoint is looked at before any work, and called what it is."""

import json
import os

import pytest

from fakemamba import save_pretrained
from fakemamba.models.loading import check_named, load_detector
from fakemamba.models.weight_files import CheckpointError


@pytest.fixture
def places(tmp_path, make_detector):
    """A detector's folder, one whose weights are a pipe, an empty one, a pipe, a file."""
    save_pretrained(make_detector("fake-mamba-s"), tmp_path / "detector")
    save_pretrained(make_detector("fake-mamba-s"), tmp_path / "piped")
    (tmp_path / "piped" / "model.safetensors").unlink()
    os.mkfifo(tmp_path / "piped" / "model.safetensors")
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe.pth")
    (tmp_path / "page.pth").write_text("<html></html>")
    return tmp_path


@pytest.mark.parametrize(
    ("place", "name", "told"),
    [
        ("piped", None, r"model\.safetensors is a pipe, not a file"),
        ("empty", None, r"config\.json: no such file.*fakemamba convert"),
        ("absent", None, "absent: no such file; name a detector's folder, an official"),
        ("absent", "fake-mamba", "absent: no such file"),
        ("pipe.pth", "fake-mamba", "is a pipe, not a file"),
        ("page.pth", None, "say which one it is with --detector"),
    ],
)
def test_what_can_be_no_checkpoint_is_refused_before_any_work(places, place, name, told):
    with pytest.raises(CheckpointError, match=told):
        check_named(places / place, name)
    with pytest.raises(CheckpointError, match=told):
        load_detector(places / place, name)


def test_a_folder_or_a_named_file_may_be_one(places):
    check_named(places / "detector", None)
    check_named(places / "page.pth", "fake-mamba")
    with pytest.raises(CheckpointError, match="is a web page"):
        load_detector(places / "page.pth", "fake-mamba")


def test_what_a_detector_was_taught_last_is_kept_and_its_scores_refused(make_detector, tmp_path):
    detector = make_detector("fake-mamba-s")
    assert load(detector, tmp_path / "plain").taught == "recording"
    assert "taught" not in json.loads((tmp_path / "plain/config.json").read_text())
    detector.taught = "frames"
    assert load(detector, tmp_path / "frames", needs_scores=False).taught == "frames"
    with pytest.raises(CheckpointError, match=r"frames was trained last to tell bona fide frames"):
        load_detector(tmp_path / "frames")
    config = json.loads((tmp_path / "frames/config.json").read_text())
    (tmp_path / "frames/config.json").write_text(json.dumps(config | {"taught": "cats"}))
    with pytest.raises(CheckpointError, match="taught: should be one of recording, frames, source"):
        load_detector(tmp_path / "frames")


def load(detector, folder, **how):
    """A detector as it is read again."""
    save_pretrained(detector, folder)
    return load_detector(folder, **how)
