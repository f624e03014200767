"""From a name to a detector: factories, their options, and what else may stand behind a name."""

from importlib.metadata import version

import pytest
import torch

from fakemamba.models.external.names import ExternalDetectorError
from fakemamba.models.frontend import Frontend
from fakemamba.models.registry import build_detector, create_detector, detector_entry

MADE = """
def make(width: int, *, scale=1.0, bias=None):
    \"\"\"Makes theirs.

    More.
    \"\"\"
    def run(waveforms):
        return waveforms.square().mean(1) * width * scale
    return run
"""


def refusal(name, **options):
    with pytest.raises(ExternalDetectorError) as caught:
        create_detector(name, **options)
    return str(caught.value)


def test_options_in_the_name_and_as_arguments_reach_a_factory(code):
    name = f"{code(MADE)}:make"
    given = torch.ones(1, 800)
    assert create_detector(f"{name}?width=3").eval()(given).tolist() == [[0, 3]]
    detector = create_detector(f"{name}?width=3&scale=5", scale=2.0).eval()
    assert detector(given).tolist() == [[0, 6]]
    assert detector.config.options == {"width": 3, "scale": 2.0}
    assert detector.name == name and detector_entry(name).summary == "Makes theirs."


def test_options_of_the_contract_are_for_every_detector(code):
    detector = create_detector(f"{code(MADE)}:make?width=3&bona_fide=0").eval()
    assert detector(torch.ones(1, 800)).tolist() == [[0, -3]]


def test_an_option_that_is_missing_or_unknown_is_named(code):
    name = f"{code(MADE)}:make"
    assert refusal(name).startswith(f"{name} needs the option width: say {name}?width=...")
    told = refusal(f"{name}?width=3&depth=2")
    assert told == (
        f"{name} has no option depth; it has: width, scale, bias, bona_fide, sample_rate_hz, "
        "num_samples, parts"
    )
    assert "bona_fide" in refusal(f"{name}?width=3&bona_fide=7")


def test_a_factory_that_fails_shows_its_own_frames(code):
    name = f"{code('def make(width=1): return nn.Linear(width, 2)')}:make"
    first, _, told = refusal(f"{name}?width=wide").partition("\n")
    assert first.startswith(f"{name} cannot be made: TypeError: empty()")
    assert "in make" in told and "loading.py" not in told and "registry.py" not in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def it(): raise SystemExit(2)", "it cannot be made: SystemExit: 2"),
        ("def it(): return None", "it gives 'NoneType', which is no module, cannot be called, and"),
        ("def it(): return nn.Linear", "it gives 'type', which is no module"),
        ("it = 3", "it gives 'int', which is no module"),
        ("def it(_, /): return 1", "it cannot be made: TypeError: it() missing 1 required posit"),
        ("class it:\n    def __init__(self): self.x", "it cannot be made: AttributeError: 'it'"),
        (
            "class it:\n    def load(self): open('/none')\n    def score(self, a, b): pass",
            "it cannot be made: FileNotFoundError: [Errno 2]",
        ),
        ("class it(nn.Module): parts = {'middle': 'x'}", "it: parts has 'middle', but a part is"),
    ],
)
def test_what_makes_no_detector_is_told(code, text, told):
    assert told in refusal(f"{code(text)}:it").partition("\n")[0]


@pytest.mark.parametrize(
    "text",
    [
        "class it(nn.Module):\n    def forward(self, waveforms): return waveforms.sum(1)",
        "class it:\n    def __call__(self, waveforms): return waveforms.sum(1)",
        "def it(): return lambda signal: signal.sum(1)",
        "def it(waveforms): return waveforms.sum(1)",
        "def it(x): return x.sum(1)",
        "it = nn.Flatten()\nit.forward = lambda waveforms: waveforms.sum(1)",
        "class Any:\n    def __call__(self, wav): return wav.sum(1)\nit = Any()",
        "from functools import partial\ndef run(waveforms, by): return waveforms.sum(by)\n"
        "it = partial(run, by=1)",
    ],
)
def test_a_class_a_function_and_an_instance_are_detectors(code, text):
    detector = create_detector(f"{code(text)}:it").eval()
    assert detector(torch.ones(2, 800)).tolist() == [[0, 800], [0, 800]]


def test_every_detector_of_a_module_has_weights_of_its_own(code):
    name = f"{code('it = nn.Linear(800, 2)')}:it"
    one, other = create_detector(name), create_detector(name)
    one.train()
    with torch.no_grad():
        one.network.weight.zero_()
    assert not other.eval().network.training and bool(other.network.weight.any())


def test_what_cannot_be_copied_is_taken_as_it_is(code):
    text = "import threading\nclass Net:\n    lock = property(lambda self: self.kept)\n"
    text += "    def __init__(self): self.kept = threading.Lock()\n"
    text += "    def __call__(self, waveforms): return waveforms.sum(1)\nit = Net()"
    detector = create_detector(f"{code(text)}:it").eval()
    assert detector(torch.ones(1, 800)).tolist() == [[0, 800]]


WITH_FRONTEND = """
from fakemamba.models.frontend import Frontend

class Net(nn.Module):
    \"\"\"Theirs, on ours.\"\"\"
    parts = {"head": "head"}

    def __init__(self, frontend, width=8):
        super().__init__()
        assert isinstance(frontend, Frontend)
        self.features = frontend
        self.level = float(next(frontend.parameters()).detach().std())
        self.head = nn.Linear(frontend.config.hidden_size, 2)

    def forward(self, waveforms, lengths=None):
        features, counts = self.features(waveforms, lengths)
        if counts is None:
            return self.head(features.mean(1))
        there = torch.arange(features.shape[1])[None] < counts[:, None]
        return self.head((features * there[..., None]).sum(1) / counts[:, None])
"""


def test_a_parameter_frontend_gets_one_of_ours(code):
    entry = detector_entry(f"{code(WITH_FRONTEND)}:Net")
    assert not entry.has_own_frontend and entry.summary == "Theirs, on ours."
    detector = create_detector(entry.name, "xls-r-tiny", width=9).eval()
    assert isinstance(detector.parts["front-end"], Frontend)
    assert list(detector.parts) == ["front-end", "head"]
    assert detector.config.frontend.hidden_size == detector.network.head.in_features
    assert detector.config.options == {"width": 9}
    assert detector.inspected(detector.device).batches_by_lengths
    assert create_detector(entry.name, "xls-r-tiny", device="meta").device.type == "meta"
    detector.set_attention("eager")
    assert detector(torch.ones(1, 800)).shape == (1, 2)
    with pytest.raises(ValueError, match="unknown front-end 'x'"):
        create_detector(f"{entry.name}?frontend=x")


OF_OURS = """
from dataclasses import dataclass
from fakemamba.models.detector import Detector, DetectorConfig
from fakemamba.models.block_detector import SummaryHead

@dataclass(frozen=True)
class Config(DetectorConfig):
    width: int = 8

class Head(nn.Linear):
    def forward(self, encoded, lengths=None):
        return super().forward(encoded.mean(1))

class Encoder(nn.Linear):
    def forward(self, features, lengths=None):
        return super().forward(features)

class Theirs(Detector):
    \"\"\"A class of others.\"\"\"
    config_class = Config

    def __init__(self, config, frontend=None):
        super().__init__(config, frontend)
        self.encoder = Encoder(self.config.frontend.hidden_size, config.width)
        self.head = Head(config.width, 2)
        self.register_buffer("window", torch.hann_window(8), persistent=False)
        self.level = float(self.window.sum())
        if config.width == 13:
            raise RuntimeError("unlucky")
"""


def test_a_subclass_of_our_detector_is_one_of_ours_by_another_name(code):
    name = f"{code(OF_OURS)}:Theirs"
    detector = create_detector(f"{name}?width=4", "xls-r-tiny").eval()
    assert detector.name == name and list(detector.parts) == ["front-end", "encoder", "head"]
    assert detector.encoder.out_features == 4
    assert detector(torch.ones(1, 800)).shape == (1, 2)
    with pytest.raises(ValueError, match=f"{name} has no option 'deep'"):
        create_detector(f"{name}?deep=4", "xls-r-tiny")
    first, _, told = refusal(f"{name}?width=13", frontend="xls-r-tiny").partition("\n")
    assert first == f"{name} cannot be made: RuntimeError: unlucky"
    assert "registry.py" not in told
    assert create_detector(name, "xls-r-tiny", device="meta").device.type == "meta"


def test_where_it_comes_from_is_known_without_paths(code, folder):
    name = code(MADE)
    origin = detector_entry(f"{name}:make").origin()
    assert origin["module"] == name and origin["package"] is None and origin["version"] is None
    assert len(origin["sources_sha256"]) == 64 and str(folder) not in str(origin)
    path = folder / f"{name}.py"
    path.write_text(path.read_text() + "# changed\n")
    assert detector_entry(f"{name}:make").origin() != origin


def test_the_sources_of_a_package_are_all_of_its_files(folder):
    package = folder / "their_package"
    (package / "deep").mkdir(parents=True)
    (package / "__init__.py").write_text("def it(waveforms): return waveforms.mean(1)")
    entry = detector_entry("their_package:it")
    before = entry.origin()
    (package / "deep" / "other.py").write_text("x = 1")
    (package / "gone.py").symlink_to("nowhere.py")
    assert entry.origin()["sources_sha256"] != before["sources_sha256"]


def test_what_is_installed_has_its_package_and_version():
    origin = detector_entry("torch.nn:Flatten").origin()
    assert origin["package"] == "torch" and origin["version"] == version("torch")


def test_a_detector_is_built_of_an_exact_configuration(code):
    detector = build_detector(f"{code(MADE)}:make", None, {"width": 2})
    assert detector.config.options == {"width": 2} and detector.config.frontend is None
