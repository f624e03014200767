"""A folder keeps an external detector's weights and name; its code is run only for who names it."""

import json
from pathlib import Path

import pytest
import torch

from fakemamba.models.checkpoints import from_pretrained, save_pretrained
from fakemamba.models.loading import check_named, load_detector, weights_sha256
from fakemamba.models.registry import create_detector
from fakemamba.models.weight_files import CheckpointError

NET = """
class Net(nn.Module):
    def __init__(self, width=4, note="plain", scale=1):
        super().__init__()
        self.filters = nn.Conv1d(1, width, 400, 320)
        self.module = nn.Linear(width, 2)  # a name that wrappers use

    def forward(self, waveforms):
        return self.module(self.filters(waveforms[:, None]).mean(2))
"""


@pytest.fixture
def saved(code, folder):
    """A detector of others, and the folder that it was saved to."""
    torch.manual_seed(0)
    name = f"{code(NET)}:Net"
    detector = create_detector(name, width=5, note="other", scale=1_000_000).eval()
    save_pretrained(detector, folder / "checkpoint")
    return detector, folder / "checkpoint"


def test_it_is_read_again_by_who_names_it(saved):
    detector, path = saved
    given = torch.randn(2, 1_600, generator=torch.Generator().manual_seed(0))
    for name in (detector.name, f"{detector.name}?width=5"):
        read = load_detector(path, name)
        assert torch.equal(read(given), detector(given)) and not read.training
        assert read.config.options == {"width": 5, "note": "other", "scale": 1_000_000}


def refusal(path, name=None):
    with pytest.raises(CheckpointError) as caught:
        from_pretrained(path, expected=name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_it_is_not_run_because_its_folder_names_it(saved, folder):
    detector, path = saved
    module = detector.name.partition(":")[0]
    (folder / f"{module}.py").write_text("raise SystemExit('it was imported')")
    assert refusal(path) == (
        f"{path} is of {detector.name}, code that is not run because a file names it: say "
        f"--detector {detector.name}"
    )
    assert refusal(path, "fake-mamba-l") == f"{path} holds {detector.name}, not fake-mamba-l"
    assert refusal(path, "another:Net") == f"{path} holds {detector.name}, not another:Net"


def test_it_is_read_by_the_name_that_a_package_declares(code, install, folder):
    install("their-package", theirs=f"{code(NET)}:Net")
    detector = create_detector("theirs", width=3).eval()
    save_pretrained(detector, folder / "checkpoint")
    assert json.loads((folder / "checkpoint" / "config.json").read_text())["detector"] == "theirs"
    given = torch.ones(1, 1_600)
    assert torch.equal(from_pretrained(folder / "checkpoint")(given), detector(given))
    by_folder = create_detector(str(folder / "checkpoint"))
    assert torch.equal(by_folder.eval()(given), detector(given))


def test_a_subclass_of_our_detector_is_read_with_what_it_computes(code, folder):
    name = code(
        """
        from fakemamba.models.fake_mamba import FakeMamba

        class Theirs(FakeMamba):
            def __init__(self, config, frontend=None):
                super().__init__(config, frontend)
                self.register_buffer("window", torch.hann_window(8), persistent=False)
                self.level = float(self.window.sum())
        """
    )
    detector = create_detector(f"{name}:Theirs", "xls-r-tiny", depth=1).eval()
    save_pretrained(detector, folder / "checkpoint")
    read = from_pretrained(folder / "checkpoint", expected=f"{name}:Theirs")
    assert torch.equal(read.window, detector.window) and read.name == detector.name
    given = torch.randn(1, 1_600, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(read(given), detector(given))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("not-installed", "unknown detector 'not-installed'"),
        ("/models/net.onnx", "unknown detector"),
        ("../other", "unknown detector"),
        ("checkpoint", "unknown detector"),
        ("os:system", "code that is not run because a file names it"),
        ("os:system?command=ls", "code that is not run because a file names it"),
        ("", "unknown detector"),
        (3, "should be the name of one"),
        ("a\nb:c", "unknown detector"),
    ],
)
def test_a_name_that_is_no_detectors_is_refused(saved, name, told):
    _, path = saved
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | {"detector": name}))
    assert told in refusal(path)


@pytest.mark.parametrize(
    "change",
    [
        {"options": {"width": 5, "note": ["a"]}},
        {"options": None},
        {"frontend": "xls-r-300m"},
        {"more": 1},
        {"options": {"width": 5, "unknown": 1}},
        {"options": {"width": "wide"}},
        {"options": {"width": 7}},
    ],
)
def test_a_configuration_that_it_cannot_have_is_refused(saved, change):
    detector, path = saved
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(ValueError) as caught:
        from_pretrained(path, expected=detector.name)
    assert isinstance(caught.value, CheckpointError) and str(path) in str(caught.value)


def test_weights_that_are_another_modules_are_refused(saved, code):
    detector, path = saved
    save_pretrained(detector, path, {"network.filters.weight": torch.ones(5, 1, 400)})
    assert "module" in refusal(path, detector.name)


def test_code_is_a_detector_with_weights_of_its_own(code):
    name = code("it = nn.Linear(800, 2)\nwith torch.no_grad():\n    it.weight.fill_(1)")
    path = Path(f"{name}:it")
    check_named(path, None)
    detector = load_detector(path)
    assert not detector.training
    same, other = weights_sha256(path), weights_sha256(Path(f"{name}:it?bona_fide=0"))
    assert len(same) == 64 and same == weights_sha256(path) != other


def test_code_that_takes_a_frontend_has_no_weights_by_itself(code):
    name = code("def make(frontend):\n    return frontend")
    with pytest.raises(CheckpointError, match="takes a front-end, so that it has no weights"):
        check_named(Path(f"{name}:make"), None)
