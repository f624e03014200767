"""A front-end that an engine runs is the plain one, in any batch; its files are kept."""

import json
import os
from importlib.util import find_spec
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fakemamba.data.recordings import real_speech, speech_examples
from fakemamba.models.execution.engines import engine as engine_file
from fakemamba.models.execution.engines import kept
from fakemamba.models.execution.engines.frontend import ENGINES, EngineFrontend
from fakemamba.models.execution.modes import UnsupportedSettingError
from fakemamba.models.frontend_sources import create_frontend
from fakemamba.models.frontends.outputs import Output

ERRORS = {"fp32": 1e-5, "bf16": 0.05, "int8": 0.15}  # relative, of features


def lacking(engine, precision):
    """Why an engine cannot be tested here, or None."""
    missing = [one for one in ENGINES[engine].packages(precision) if find_spec(one) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    return ENGINES[engine].lacking(precision)


def in_each(precisions=tuple(ERRORS)):
    """An engine and a precision of it, skipped with the reason where it cannot be run."""
    pairs = [
        (name, precision)
        for name, one in ENGINES.items()
        for precision in one.precisions
        if precision in precisions
    ]
    return pytest.mark.parametrize(
        ("engine", "precision"),
        [
            pytest.param(*pair, marks=pytest.mark.skipif(bool(why), reason=str(why)))
            for pair in pairs
            for why in [lacking(*pair)]
        ],
    )


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """One of this file's own: nothing in the user's is used or made."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder / "fakemamba" / kept.FOLDER


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "fakemamba" / kept.FOLDER


def made(source):
    torch.manual_seed(0)
    frontend = create_frontend(source).eval()
    for parameter in frontend.parameters():
        if parameter.ndim == 1:  # norms and biases of new networks are ones and zeros
            torch.nn.init.normal_(parameter, 1.0, 0.2)
    return frontend


def run_by(frontend, engine, precision="fp32"):
    return EngineFrontend(frontend, engine, precision, speech_examples())


def ragged(lengths):
    rows = [torch.from_numpy(real_speech(length, row)) for row, length in enumerate(lengths)]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), torch.tensor(lengths)


def error(found, wanted, counts):
    """The largest relative error of a row's valid frames."""
    return max(
        float((one[..., :count, :] - other[..., :count, :]).norm() / other[..., :count, :].norm())
        for one, other, count in zip(found, wanted, counts, strict=True)
    )


@in_each()
@torch.inference_mode()
def test_features_are_those_of_the_plain_front_end(engine, precision):
    plain = made("xls-r-tiny")
    fast = run_by(plain, engine, precision)
    waveforms, lengths = ragged([16_000, 9_000, 12_345])
    wanted, counts = plain(waveforms, lengths)
    found, found_counts = fast(waveforms, lengths)
    assert found.shape == wanted.shape and found.dtype == torch.float32
    assert torch.equal(found_counts, counts)
    assert error(found, wanted, counts) < ERRORS[precision]
    full, none = fast(waveforms[:1])
    assert none is None and error(full, wanted[:1], counts[:1]) < ERRORS[precision]


@in_each(("fp32",))
@pytest.mark.parametrize(
    "source",
    [
        *(f"xls-r-tiny?output={output}" for output in get_args(Output)),
        "xls-r-tiny?waveform=utterance-fairseq",
        "xls-r-tiny?waveform=joint",
        "xls-r-tiny?frames=s3prl&output=all",
        "wav2vec2-tiny?waveform=utterance&output=all",
        "hubert-tiny?waveform=utterance&output=weighted-normed",
        "wav2vec2-tiny?output=last",
        "wavlm-tiny?output=all",
    ],
)
@torch.inference_mode()
def test_every_output_waveform_and_build_is_that_of_the_plain_one(source, engine, precision):
    plain = made(source)
    samples = 300_000 if source.startswith("wavlm") else 8_000  # farther apart than it tells apart
    waveforms, lengths = ragged([samples, 5_000])
    waveforms[1, 5_000:] = 0.3  # what is beyond an utterance's end is not heard
    wanted, counts = plain(waveforms, lengths)
    found, _ = run_by(plain, engine)(waveforms, lengths)
    assert found.shape == wanted.shape and error(found, wanted, counts) < ERRORS[precision]


@in_each()
@settings(max_examples=8)
@given(
    lengths=st.lists(st.integers(400, 20_000), min_size=1, max_size=4), width=st.integers(0, 999)
)
def test_a_row_does_not_depend_on_its_batch_or_its_padding(engine, precision, lengths, width):
    key = engine, precision
    if key not in FAST:
        FAST[key] = run_by(made("xls-r-tiny"), *key)
    fast = FAST[key]
    waveforms, valid = ragged(lengths)
    together, counts = fast(torch.nn.functional.pad(waveforms, (0, width), value=0.5), valid)
    alone = [
        fast(row[None, :samples])[0][0] for row, samples in zip(waveforms, lengths, strict=True)
    ]
    assert error(together, alone, counts) < (1e-2 if precision == "bf16" else 1e-5)


FAST = {}  # front-ends of that test, which need not be started for each example


@in_each(("fp32", "int8"))
@pytest.mark.parametrize("name", ["fake-mamba-s", "xlsr-sls", "xlsr-aasist"])
def test_detectors_have_the_scores_of_plain_ones(make_detector, name, engine, precision):
    plain = make_detector(name)
    waveforms, lengths = ragged([16_000, 9_000])
    fast = plain.optimize(precision, engine, examples=speech_examples())
    found, wanted = fast(waveforms, lengths), plain(waveforms, lengths).detach()
    assert fast.execution == engine and found.dtype == torch.float32
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4 if precision == "fp32" else 0.3)
    torch.testing.assert_close(fast(waveforms[1:, :9_000]), found[1:], rtol=0, atol=1e-5)
    evidence = fast.detector.frames(waveforms[:1])
    assert evidence.shape == plain.frames(waveforms[:1]).shape and evidence.isfinite().all()


@in_each(("fp32",))
def test_threads_are_torchs_and_the_start_says_what_was_made(own_cache, engine, precision):
    frontend, before = made("xls-r-tiny"), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        first, second = run_by(frontend, engine).start, run_by(frontend, engine).start
    finally:
        torch.set_num_threads(before)
    assert (first.threads, first.engine, first.precision) == (2, engine, precision)
    assert not first.from_cache and second.from_cache
    assert engine in first.packages and first.files_bytes > 4 * 190_000
    told = json.loads(json.dumps(first.to_json()))
    assert told["cold_start_s"] == told["made_s"] + told["loaded_s"] > 0


@in_each(("fp32",))
def test_files_of_other_weights_outputs_and_versions_are_not_taken(
    own_cache, monkeypatch, engine, precision
):
    frontend = made("xls-r-tiny")
    run_by(frontend, engine)
    next(frontend.parameters()).data += 1
    assert not run_by(frontend, engine).start.from_cache
    assert not run_by(made("xls-r-tiny?output=all"), engine).start.from_cache
    with monkeypatch.context() as patch:
        patch.setattr(engine_file, "version", lambda package: "0.0.1")
        assert not run_by(frontend, engine).start.from_cache
    assert run_by(frontend, engine).start.from_cache
    assert len(list(own_cache.glob(f"*/{kept.RECORD}"))) == 4


@in_each(("fp32", "int8"))
def test_only_files_that_are_calibrated_depend_on_examples(own_cache, engine, precision):
    frontend = made("xls-r-tiny")
    run_by(frontend, engine, precision)
    again = EngineFrontend(frontend, engine, precision, speech_examples()[:1]).start
    assert again.from_cache == (precision not in ENGINES[engine].calibrated)


def halved(path):
    os.truncate(path, path.stat().st_size // 2)


def changed(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@in_each(("fp32",))
@pytest.mark.parametrize("spoil", [halved, changed, os.unlink])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_half_written_and_damaged_files_are_made_again(own_cache, engine, precision, spoil, place):
    frontend = made("xls-r-tiny")
    waveforms, _ = ragged([4_000])
    wanted, _ = run_by(frontend, engine)(waveforms)
    (folder,) = (one for one in own_cache.iterdir() if one.is_dir())
    spoil(sorted(folder.iterdir())[place])  # of the graph, its weights and the record
    again = run_by(frontend, engine)
    assert not again.start.from_cache and torch.equal(again(waveforms)[0], wanted)
    assert run_by(frontend, engine).start.from_cache


@in_each(("fp32",))
@torch.inference_mode()
def test_where_nothing_can_be_kept_it_runs_all_the_same(tmp_path, monkeypatch, engine, precision):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    plain = made("xls-r-tiny")
    waveforms, lengths = ragged([8_000])
    fast = run_by(plain, engine)
    assert not fast.start.from_cache
    wanted, counts = plain(waveforms, lengths)
    assert error(fast(waveforms, lengths)[0], wanted, counts) < ERRORS[precision]


def test_what_was_used_longest_ago_makes_room(own_cache, monkeypatch):
    def make(folder):
        (folder / "content").write_bytes(bytes(1_000))

    monkeypatch.setattr(kept, "MOST_BYTES", 3_000)
    for number in range(3):
        with kept.kept_files({"number": str(number)}, make) as (folder, _):
            os.utime(folder / kept.RECORD, (number, number))
    with kept.kept_files({"number": "0"}, make) as (folder, is_kept):
        assert not is_kept and (folder / "content").is_file()
    left = {one.parent.name for one in own_cache.glob(f"*/{kept.RECORD}")}
    assert len(left) == 2 and folder.name in left


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_that_is_not_installed_tells_its_extra(make_detector, monkeypatch, engine):
    monkeypatch.setattr(engine_file, "find_spec", lambda package: None)
    told = rf"execution {engine} in fp32 needs the package {engine}, .*install .*\[{engine}\]'"
    with pytest.raises(UnsupportedSettingError, match=told):
        make_detector("fake-mamba-s").optimize("fp32", engine)


@pytest.mark.parametrize(
    ("engine", "precision", "told"),
    [
        ("onnxruntime", "bf16", "ONNX Runtime has no bf16 on a CPU, but fp32, int8"),
        ("openvino", "fp16", "OpenVINO has no fp16 on a CPU, but fp32, bf16, int8"),
    ],
)
def test_a_precision_that_an_engine_lacks_is_refused(make_detector, engine, precision, told):
    with pytest.raises(UnsupportedSettingError, match=told):
        make_detector("fake-mamba-s").optimize(precision, engine)


@pytest.mark.skipif(bool(lacking("openvino", "fp32")), reason="OpenVINO is not installed")
def test_bf16_is_refused_on_a_cpu_that_has_none(make_detector, monkeypatch):
    import openvino

    monkeypatch.setattr(openvino.Core, "get_property", lambda *given: ["FP32", "INT8"])
    with pytest.raises(UnsupportedSettingError, match=r"has no bf16 on this CPU.* use fp32"):
        make_detector("fake-mamba-s").optimize("bf16", "openvino")


@in_each(("fp32",))
@pytest.mark.parametrize("source", ["whisper-tiny", "w2v-bert-tiny"])
def test_a_front_end_that_there_is_no_graph_of_is_refused(engine, precision, source):
    with pytest.raises(UnsupportedSettingError, match=r"engines have no graph of .*-tiny.*eager"):
        EngineFrontend(made(source), engine, precision)


@in_each(("fp32",))
def test_an_operator_that_an_engine_lacks_is_told_in_one_line(
    own_cache, monkeypatch, engine, precision
):
    from fakemamba.models.execution.engines.onnx_graph import OnnxGraph

    nodes = OnnxGraph.nodes

    def newer(self, kind, *inputs, **more):
        return nodes(self, {"Gelu": "GeluOfTomorrow"}.get(kind, kind), *inputs, **more)

    monkeypatch.setattr(OnnxGraph, "nodes", newer)
    told = f"{engine} .* cannot run the front-end xls-r-tiny in fp32: .+"
    with pytest.raises(UnsupportedSettingError, match=told) as caught:
        run_by(made("xls-r-tiny"), engine)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(bool(lacking("openvino", "int8")), reason="OpenVINO or NNCF is not installed")
def test_int8_of_openvino_needs_examples(make_detector):
    with pytest.raises(UnsupportedSettingError, match="give examples"):
        make_detector("fake-mamba-s").optimize("int8", "openvino")


def test_what_nncf_ends_with_is_a_line(tmp_path, monkeypatch):
    program = tmp_path / "program.py"
    program.write_text("raise MemoryError('too large')")
    monkeypatch.setattr("fakemamba.models.execution.engines.open_vino.QUANTISER", program)
    told = "NNCF made no int8 of the model, but ended with status 1: MemoryError: too large"
    with pytest.raises(UnsupportedSettingError, match=f"^{told}$"):
        ENGINES["openvino"].convert(tmp_path, "int8", torch.zeros(1, 8))


@in_each(("fp32",))
def test_attention_is_the_engines(engine, precision):
    fast = run_by(made("xls-r-tiny"), engine)
    fast.set_attention("sdpa")
    with pytest.raises(UnsupportedSettingError, match="no eager attention"):
        fast.set_attention("eager")
