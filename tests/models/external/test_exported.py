"""Exported graphs are run as detectors; nothing else in their files is run."""

import json
import pickle
import zipfile

import pytest
import torch
from torch import nn

from fakemamba.models.external.names import ExternalDetectorError
from fakemamba.models.loading import load_detector
from fakemamba.models.registry import create_detector, detector_entry
from fakemamba.models.weight_files import CheckpointError


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.filters, self.last = nn.Conv1d(1, 4, 40, 20), nn.Linear(4, 2)

    def forward(self, waveforms):
        return self.last(torch.tanh(self.filters(waveforms[:, None])).mean(2))


class WithLengths(nn.Module):
    def forward(self, waveforms, lengths):
        there = torch.arange(waveforms.shape[1])[None] < lengths[:, None]
        return (waveforms.square() * there).sum(1) / lengths


ANY = torch.export.Dim.DYNAMIC


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Programs of torch.export by name."""
    folder = tmp_path_factory.mktemp("exported")
    pair = (torch.randn(2, 900), torch.tensor([900, 700]))
    for name, net, given, dynamic in (
        ("any", Net(), (torch.randn(2, 900),), ({0: ANY, 1: ANY},)),
        ("fixed", Net(), (torch.randn(1, 1_000),), None),
        ("lengths", WithLengths(), pair, ({0: ANY, 1: ANY}, {0: ANY})),
        ("rank", nn.Linear(3, 2), (torch.randn(3),), None),
    ):
        program = torch.export.export(net.eval(), given, dynamic_shapes=dynamic)
        torch.export.save(program, folder / f"{name}.pt2")
    return folder


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2))


@torch.inference_mode()
def test_a_program_of_any_length_scores_as_the_module(files):
    detector = load_detector(files / "any.pt2")
    assert detector.inspected(detector.device).batches and not detector.takes_lengths
    assert detector.contract.num_samples is None
    given = noise(3, 1_234)
    torch.testing.assert_close(detector(given), Net().eval()(given))
    entry = detector_entry(str(files / "any.pt2"))
    assert entry.summary == "a program of torch.export" and entry.origin()["file"] == "any.pt2"
    assert not detector.train().network.training or detector.network.train() is detector.network


@torch.inference_mode()
def test_a_program_of_a_fixed_length_gets_that_and_row_by_row(files):
    detector = load_detector(files / "fixed.pt2")
    found = detector.inspected(detector.device)
    assert detector.contract.num_samples == 1_000 and not found.batches
    given = noise(2, 400)
    wanted = Net().eval()(given.repeat(1, 3)[:, :1_000])
    torch.testing.assert_close(detector(given), wanted)


@torch.inference_mode()
def test_a_program_that_takes_lengths_is_run_in_ragged_batches(files):
    detector = load_detector(files / "lengths.pt2")
    assert detector.inspected(detector.device).batches_by_lengths and detector.takes_lengths
    given = noise(2, 1_000)
    wanted = [given[0].square().mean(), given[1, :600].square().mean()]
    found = detector(given, torch.tensor([1_000, 600]))
    torch.testing.assert_close(found[:, 1], torch.stack(wanted))


def test_options_of_the_contract_may_stand_behind_a_files_name(files):
    plain = create_detector(str(files / "any.pt2")).eval()
    turned = create_detector(f"{files / 'any.pt2'}?bona_fide=0").eval()
    given = noise(1, 900)
    assert torch.equal(plain(given).flip(1), turned(given))
    with pytest.raises(ExternalDetectorError, match="has no option depth; it has: bona_fide"):
        create_detector(f"{files / 'any.pt2'}?depth=3")


def refusal(path):
    with pytest.raises(CheckpointError) as caught:
        load_detector(path)
    told = str(caught.value)
    assert str(path) in told and "\n" not in told
    return told


def test_a_program_of_something_else_is_refused_with_what_it_takes(files):
    assert "input [3], but a detector takes waveforms (batch, samples)" in refusal(
        files / "rank.pt2"
    )


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "a.pt2").write_bytes(content)
    assert "is no archive of torch.export" in refusal(tmp_path / "a.pt2")


def test_an_archive_that_is_cut_short_or_of_torch_save_is_refused(files, tmp_path):
    content = (files / "any.pt2").read_bytes()
    for part in (0.3, 0.7, 0.99):
        (tmp_path / "a.pt2").write_bytes(content[: int(part * len(content))])
        assert "is no archive of torch.export" in refusal(tmp_path / "a.pt2")
    torch.save(Net().state_dict(), tmp_path / "b.pt2")
    refusal(tmp_path / "b.pt2")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ExternalDetectorError, match=r"none.pt2.*name an exported file that is"):
        create_detector(str(tmp_path / "none.pt2"))


def changed(source, path, change):
    """An archive with what ``change`` makes of its members, in order."""
    with zipfile.ZipFile(source) as archive:
        members = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in change(members):
            archive.writestr(name if name.startswith("other/") else f"any/{name}", content)


def with_text(members, name, before, after):
    text = members[name].decode()
    assert before in text
    return (members | {name: text.replace(before, after).encode()}).items()


GRAPH = "models/model.json"
SAMPLES = "data/sample_inputs/model.pt"
CONSTANTS = "data/constants/model_constants_config.json"


def test_what_is_only_packed_again_is_read(files, tmp_path):
    changed(files / "any.pt2", tmp_path / "a.pt2", dict.items)
    assert load_detector(tmp_path / "a.pt2")(noise(1, 900)).shape == (1, 2)


def pickled_samples(members, harm):
    return (members | {SAMPLES: harm}).items()


def pickled_constant(members, harm, name="tensor_0", use_pickle=True):
    entry = {"path_name": name, "is_param": False, "use_pickle": use_pickle, "tensor_meta": None}
    config = json.dumps({"config": {"c": entry}}).encode()
    return (members | {CONSTANTS: config, f"data/constants/{name}": harm}).items()


def opaque_constant(members, harm):
    return pickled_constant(members, harm, "opaque_obj_0", use_pickle=False)


def pickled_weight(members, harm):
    text = members["data/weights/model_weights_config.json"].decode()
    text = text.replace('"use_pickle": false', '"use_pickle": true')
    name = "data/weights/model_weights_config.json"
    return (members | {name: text.encode(), "data/weights/weight_0": harm}).items()


def legacy_weights(members, harm):
    return (members | {"data/weights/model.pt": harm}).items()


def second_samples(members, harm):
    """Which of two members of one name is read depends on the reader."""
    return [*pickled_samples(members, harm), (SAMPLES, members[SAMPLES])]


def second_folder(members, harm):
    safe = [(f"other/{name}", content) for name, content in members.items()]
    return [*pickled_samples(members, harm), *safe]


@pytest.mark.filterwarnings("ignore:Duplicate name", "ignore:Detected pickle protocol")
@pytest.mark.parametrize(
    "change",
    [
        *(pickled_samples, pickled_constant, opaque_constant, pickled_weight, legacy_weights),
        *(second_samples, second_folder),
    ],
)
@pytest.mark.parametrize("by_torch", [True, False])
def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(
    files, tmp_path, attack, change, by_torch
):
    harmful, marker = attack
    if by_torch:
        torch.save(harmful, tmp_path / "harm")
        harm = (tmp_path / "harm").read_bytes()
    else:
        harm = pickle.dumps(harmful)
    changed(files / "any.pt2", tmp_path / "a.pt2", lambda members: change(members, harm))
    told = refusal(tmp_path / "a.pt2")
    assert "could run any code" in told or "is no archive" in told
    assert not marker.exists()


def test_the_attack_would_work(files, tmp_path, attack):
    harmful, marker = attack
    torch.save(harmful, tmp_path / "harm")
    harm = (tmp_path / "harm").read_bytes()
    path = tmp_path / "a.pt2"
    changed(files / "any.pt2", path, lambda members: pickled_constant(members, harm))
    torch.export.load(path)
    assert marker.exists()


@pytest.mark.parametrize(
    "size",
    [
        "__import__('os').system('touch {marker}')",
        "sympify('__import__(\\\\'os\\\\').system(\\\\'touch {marker}\\\\')')",
        "Symbol('s0').func.mro()",
        "().__class__",
        "[1]",
    ],
)
def test_a_size_that_is_code_is_refused_and_does_not_run(files, tmp_path, size):
    marker = tmp_path / "ran"
    text = json.dumps(size.format(marker=marker))[1:-1]

    def change(members):
        record = json.loads(members[GRAPH])
        return with_text(members, GRAPH, _an_expression(record), text)

    changed(files / "any.pt2", tmp_path / "a.pt2", change)
    assert "could run any code" in refusal(tmp_path / "a.pt2")
    assert not marker.exists()


def _an_expression(value):
    if isinstance(value, dict):
        if "expr_str" in value:
            return json.dumps(value["expr_str"])[1:-1]
        value = list(value.values())
    found = map(_an_expression, value if isinstance(value, list) else [])
    return next(filter(None, found), None)


@pytest.mark.parametrize(
    "target", ["torch.hub.load", "torch.ops.load_library", "_operator.methodcaller", "math.sqrt"]
)
def test_a_graph_that_calls_other_functions_is_refused(files, tmp_path, target):
    path = tmp_path / "a.pt2"
    changed(
        files / "any.pt2",
        path,
        lambda members: with_text(members, GRAPH, "torch.ops.aten.tanh.default", target),
    )
    refusal(path)


@pytest.mark.parametrize("word", ["__enum__", "default_factory_module", "\\\\u005f_enum__"])
def test_a_tree_whose_reading_would_import_a_module_is_refused(files, tmp_path, word):
    path = tmp_path / "a.pt2"
    changed(
        files / "any.pt2",
        path,
        lambda members: with_text(members, GRAPH, "builtins.dict", word),
    )
    assert "could run any code" in refusal(path)


# An ONNX graph is written by hand: the packages that write it are large, and none of ours.
def field(number, content):
    """A field of a protobuf message: a number, or bytes with their length."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    content = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value):
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


FLOAT, INT64 = 1, 7


def tensor_info(name, kind, shape):
    sizes = [field(1, one) if isinstance(one, int) else field(2, one) for one in shape]
    dimensions = b"".join(field(1, one) for one in sizes)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, dimensions)))


def node(kind, given, made, **numbers):
    attributes = [
        field(5, field(1, name) + field(3, number) + field(20, 2))
        for name, number in numbers.items()
    ]
    names = [*(field(1, one) for one in given), *(field(2, one) for one in made)]
    return b"".join([*names, field(4, kind), *attributes])


def onnx(nodes, inputs, output=("scores", FLOAT, ["batch"])):
    parts = [field(1, one) for one in nodes] + [field(2, "graph")]
    parts += [field(11, tensor_info(*one)) for one in inputs] + [field(12, tensor_info(*output))]
    return field(1, 8) + field(7, b"".join(parts)) + field(8, field(1, "") + field(2, 11))


WAVEFORMS = ("waveforms", FLOAT, ["batch", "samples"])


def norm(inputs=(WAVEFORMS,), first="waveforms"):
    """The sum of absolute values of a row, over its length if it takes that."""
    attribute = field(5, field(1, "axes") + field(8, 1) + field(20, 7))
    total = node("ReduceL1", [first], ["scores" if len(inputs) == 1 else "sum"], keepdims=0)
    nodes = [total + attribute]
    if len(inputs) == 2:
        nodes += [node("Cast", [inputs[1][0]], ["counts"], to=FLOAT)]
        nodes += [node("Div", ["sum", "counts"], ["scores"])]
    return onnx(nodes, inputs)


@pytest.fixture
def onnx_file(tmp_path):
    pytest.importorskip("onnxruntime", reason="ONNX Runtime runs these")

    def write(content):
        (tmp_path / "a.onnx").write_bytes(content)
        return tmp_path / "a.onnx"

    return write


def test_an_onnx_graph_is_a_detector(onnx_file):
    path = onnx_file(norm())
    detector = load_detector(path)
    found = detector.inspected(detector.device)
    assert found.batches and not detector.takes_lengths and not detector.state_dict()
    assert detector(torch.ones(2, 800)).tolist() == [[0, 800], [0, 800]]
    assert detector_entry(str(path)).summary == "an ONNX graph"
    assert detector(torch.ones(2, 800), torch.tensor([800, 400])).tolist()[1] == [0, 400]


def test_an_onnx_graph_may_take_lengths(onnx_file):
    detector = load_detector(onnx_file(norm((WAVEFORMS, ("lengths", INT64, ["batch"])))))
    assert detector.takes_lengths and detector.inspected(detector.device).batches_by_lengths
    given = torch.ones(2, 800)
    given[1, 400:] = 0
    assert detector(given, torch.tensor([800, 400])).tolist() == [[0, 1], [0, 1]]


def test_an_onnx_graph_of_a_fixed_length_gets_that(onnx_file):
    detector = load_detector(onnx_file(norm([("waveforms", FLOAT, ["batch", 1_000])])))
    assert detector.contract.num_samples == 1_000
    assert detector(torch.ones(1, 300)).tolist() == [[0, 1_000]]


@pytest.mark.parametrize(
    "inputs",
    [
        [("ids", INT64, ["batch", "samples"])],
        [("features", FLOAT, ["batch", "frames", 80])],
        [WAVEFORMS, ("lengths", FLOAT, ["batch"])],
    ],
)
def test_an_onnx_graph_of_something_else_is_refused_with_what_it_takes(onnx_file, inputs):
    output = ("scores", inputs[0][1], None)
    nodes = [node("Identity", [inputs[0][0]], ["scores"])]
    told = refusal(onnx_file(onnx(nodes, inputs, (*output[:2], inputs[0][2]))))
    assert inputs[0][0] in told and "a detector's graph takes waveforms (batch, samples)" in told


@pytest.mark.parametrize("content", [b"", b"no graph", norm()[:-20]])
def test_a_corrupt_onnx_file_is_refused_in_a_line(onnx_file, content):
    assert "cannot be read by ONNX Runtime" in refusal(onnx_file(content))
