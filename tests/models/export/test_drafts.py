"""What is written gives the detector's logits in every batch, or says from where on it does not."""

from importlib.util import find_spec

import pytest
import torch

from fakemamba.data.recordings import real_speech, speech_examples
from fakemamba.files import bytes_in
from fakemamba.models.execution.engines import network
from fakemamba.models.execution.engines.onnx_graph import OnnxGraph
from fakemamba.models.export.drafts import FORMATS
from fakemamba.models.export.errors import ExportError
from fakemamba.models.export.parity import logit_errors, require_parity
from fakemamba.models.export.write import draft_of, write_model
from fakemamba.models.external.graphs import weights_beside
from fakemamba.models.loading import load_detector, weights_sha256
from fakemamba.models.registry import create_detector
from tests.kinds import KINDS

NEEDED = {
    "onnx": ("onnxruntime", "onnx", "onnxscript"),
    "openvino": ("openvino", "onnx", "onnxscript"),
    "torch-export": (),
}


def lacking(to):
    missing = [one for one in NEEDED[to] if find_spec(one) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


EACH = [pytest.param(to, marks=lacking(to)) for to in FORMATS]


NEEDS_NNCF = pytest.mark.skipif(find_spec("nncf") is None, reason="not installed: nncf")


@pytest.fixture(scope="module")
def speech():
    return {
        duration_s: torch.from_numpy(real_speech(round(duration_s * 16_000), row))
        for row, duration_s in enumerate((0.5, 1.0, 2.2))
    }


@pytest.mark.parametrize("to", EACH)
def test_what_is_written_is_a_detector_of_the_same_scores(to, make_detector, speech, tmp_path):
    detector = make_detector("antideepfake")
    draft = draft_of(detector, to, "fp32")
    written = write_model(detector, draft, tmp_path, "fp32", speech, None)
    assert written.errors.keys() == speech.keys()
    assert max(written.errors.values()) < 1e-5
    # A program of torch.export is of two frames at the least.
    assert written.least_samples == (720 if to == "torch-export" else 400)
    read = load_detector(tmp_path / draft.model_name)
    shortest = speech[1.0][None, : written.least_samples]
    with torch.no_grad():
        wanted = detector.scores(detector(shortest))
    found = read(shortest, torch.tensor([written.least_samples]))[:, 1]
    torch.testing.assert_close(found.detach(), wanted, rtol=0, atol=1e-5)
    rows = torch.stack([speech[2.2][:20_000], speech[2.2][-20_000:]])
    lengths = torch.tensor([20_000, 9_000])
    with torch.no_grad():
        wanted, found = detector.scores(detector(rows, lengths)), read(rows, lengths)[:, 1]
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)


@pytest.mark.at_length
@pytest.mark.parametrize("to", EACH)
@pytest.mark.parametrize("name", KINDS)
def test_every_detector_is_exported(name, to, make_detector, speech, tmp_path):
    detector = make_detector(name)
    draft = draft_of(detector, to, "fp32")
    written = write_model(detector, draft, tmp_path, "fp32", speech, None)
    assert written.errors.keys() and max(written.errors.values()) < 1e-4


@pytest.mark.parametrize(
    ("to", "precision"),
    [
        pytest.param("onnx", "int8", marks=lacking("onnx")),
        pytest.param(
            "openvino",
            "int8",
            marks=[lacking("openvino"), NEEDS_NNCF],
        ),
    ],
)
def test_int8_depends_on_no_batch_and_its_error_is_told(
    to, precision, onnx_draft, speech, tmp_path
):
    detector, draft = onnx_draft
    if to != "onnx":
        draft = draft_of(detector, to, precision)
    written = write_model(detector, draft, tmp_path, precision, speech, speech_examples())
    assert max(written.fp32_errors.values()) < 1e-5 < max(written.errors.values()) < 0.1
    run = draft.open(tmp_path, precision)
    row = speech[1.0]
    alone = run(row[None], torch.tensor([16_000]))[0]
    loud = torch.cat([row, 10 * row])[None]  # beyond its length
    together = run(torch.cat([loud, speech[2.2][None, :32_000]]), torch.tensor([16_000, 32_000]))[0]
    torch.testing.assert_close(together[:1], alone, rtol=0, atol=1e-5)


@lacking("onnx")
def test_groups_that_are_kept_are_in_fp32_and_the_others_in_int8(onnx_draft, tmp_path):
    import onnx

    _, draft = onnx_draft
    assert draft.groups == ("convolutions", "0", "1")
    sizes = {}
    all_of_it = {"convolutions": 1, "0": 4, "1": 4}
    for kept, quantised in (((), all_of_it), (("convolutions", "1"), {"0": 4})):
        draft.write(tmp_path, "int8", None, kept=kept)
        nodes = onnx.load(tmp_path / draft.model_name, load_external_data=False).graph.node
        found = [one.name.split("_")[1] for one in nodes if one.op_type == "MatMulInteger"]
        assert {one: found.count(one) for one in found} == quantised
        sizes[kept] = bytes_in(tmp_path)
    assert sizes[()] < sizes["convolutions", "1"]


@pytest.mark.at_length
@lacking("openvino")
@NEEDS_NNCF
def test_groups_that_are_kept_are_in_fp32_in_openvino(onnx_draft, tmp_path):
    import openvino

    draft = draft_of(onnx_draft[0], "openvino", "int8")
    found = {}
    for kept in ((), ("convolutions", "1")):
        draft.write(tmp_path, "int8", speech_examples(), kept=kept)
        model = openvino.Core().read_model(tmp_path / draft.model_name)
        names = [
            one.get_friendly_name().split("_")[1]
            for one in model.get_ordered_ops()
            if one.get_type_name() == "FakeQuantize"
            and one.get_friendly_name().startswith("group_")
        ]
        found[kept] = set(names)
    assert found[()] == {"convolutions", "0", "1"}
    assert found["convolutions", "1"] == {"0"}


@pytest.mark.parametrize(
    "to",
    [
        pytest.param("onnx", marks=lacking("onnx")),
        pytest.param("openvino", marks=[lacking("openvino"), pytest.mark.at_length]),
    ],
)
def test_weights_may_lie_beyond_2_gib(to, onnx_draft, speech, tmp_path, monkeypatch):
    plain = OnnxGraph.__init__

    def far(self, folder, **how):
        plain(self, folder, **how)
        self._weights.seek(2 << 30)  # a hole in the file, which takes no room

    monkeypatch.setattr(OnnxGraph, "__init__", far)
    detector, draft = onnx_draft
    if to != "onnx":
        draft = draft_of(detector, to, "fp32")
    draft.write(tmp_path, "fp32", None)
    if to == "onnx":
        assert (tmp_path / "weights.bin").stat().st_size > 2 << 30
        assert (tmp_path / "model.onnx").stat().st_size < 1 << 20
    read = load_detector(tmp_path / draft.model_name)
    row = speech[1.0][None]
    with torch.no_grad():
        wanted, found = detector.scores(detector(row)), read(row, torch.tensor([16_000]))[:, 1]
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def onnx_draft():
    """A detector that was traced once, and its draft."""
    torch.manual_seed(0)
    detector = create_detector("antideepfake", "xls-r-tiny").eval()
    return detector, draft_of(detector, "onnx", "fp32")


@lacking("onnx")
@pytest.mark.parametrize("broken", [0, 1])
def test_a_difference_is_refused_and_its_place_named(
    broken, onnx_draft, speech, tmp_path, monkeypatch
):
    detector, draft = onnx_draft
    plain = network._Network._feed_forward

    def wrong(self, given, feed_forward):
        made = plain(self, given, feed_forward)
        is_broken = feed_forward is self.frontend.layers[broken].feed_forward
        return self.graph.node("Add", made, made) if is_broken else made

    monkeypatch.setattr(network._Network, "_feed_forward", wrong)
    draft.write(tmp_path, "fp32", None)
    with pytest.raises(ExportError, match=rf"it begins at its layer {broken}$"):
        require_parity(detector, draft, draft.open(tmp_path, "fp32"), speech)


@pytest.mark.at_length
def test_a_program_that_differs_in_its_head_is_refused(make_detector, speech, tmp_path):
    detector = make_detector("antideepfake")
    draft = draft_of(detector, "torch-export", "fp32")
    draft.write(tmp_path, "fp32", None)
    stale = draft.open(tmp_path, "fp32")
    with torch.no_grad():
        detector.head.classifier.bias.add_(0.01)
    assert min(logit_errors(detector, stale, speech).values()) > 5e-3
    with pytest.raises(ExportError, match="it begins at the head"):
        require_parity(detector, draft, stale, speech)


def test_what_depends_on_a_batch_is_refused(make_detector):
    detector = make_detector("xlsr-mambo")
    detector.config.frontend.__dict__["waveform"] = "joint"
    with pytest.raises(ExportError, match="depends on what else is in the batch"):
        draft_of(detector, "torch-export", "fp32")


def test_a_precision_that_a_format_lacks_is_refused(make_detector):
    with pytest.raises(ValueError, match="--to torch-export has no int8, but fp32"):
        draft_of(make_detector("antideepfake"), "torch-export", "int8")


@lacking("onnx")
def test_the_hash_of_a_graph_is_that_of_its_weights_too(onnx_draft, tmp_path):
    _, draft = onnx_draft
    draft.write(tmp_path, "fp32", None)
    path = tmp_path / draft.model_name
    (weights,) = weights_beside(path)
    before = weights_sha256(path)
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert weights_sha256(path) != before
