"""Optimized detectors give the scores of the plain ones, whatever bucket an utterance is in."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from kinds import KINDS

from fakemamba.data.synthetic import speech_like
from fakemamba.models.detector import UnsupportedInputError
from fakemamba.models.execution import buckets, modes
from fakemamba.models.execution.buckets import UNIT_SAMPLES, Buckets, bucket
from fakemamba.models.execution.fused_norm import FusedNorm
from fakemamba.models.execution.modes import UnsupportedSettingError
from fakemamba.models.scan.mixer import set_scan_backend

CPU = torch.device("cpu")


def ragged(lengths):
    waveforms = torch.zeros(len(lengths), max(lengths))
    for row, length in zip(waveforms, lengths, strict=True):
        row[:length] = torch.from_numpy(speech_like(length, length))
    return waveforms, torch.tensor(lengths)


class Captured:
    """What capturing does, without a GPU: inputs stay where they are, outputs are overwritten."""

    def __init__(self):
        self.shapes = []

    def __call__(self, call, waveforms, lengths):
        self.shapes.append((*waveforms.shape, lengths is None))
        output = call(waveforms, lengths).clone()
        return lambda: output.copy_(call(waveforms, lengths))


@pytest.mark.parametrize("name", KINDS)
@torch.inference_mode()
def test_scores_are_those_of_the_plain_detector(name, make_detector, every_precision):
    plain = make_detector(name)
    waveforms, lengths = ragged([16_000, 9_000, 12_345])
    wanted = plain(waveforms, lengths)
    for precision, error in (("fp32", 1e-4), ("bf16", 5e-2)):
        optimized = plain.optimize(precision)
        found = optimized(waveforms, lengths)
        assert found.dtype == torch.float32 and optimized.execution == "eager"
        assert float((found - wanted).abs().max()) < error


@pytest.mark.parametrize("name", KINDS)
@torch.inference_mode()
def test_a_score_does_not_depend_on_its_bucket(name, make_detector):
    fast = make_detector(name).optimize("fp32").detector
    capture = Captured()
    call = Buckets(fast, capture, CPU, min_samples=fast.min_samples)
    waveforms, lengths = ragged([15_555, 9_000])
    wanted = fast(waveforms, lengths)
    for padding in (0, 3_000, 8_000):
        wider = torch.nn.functional.pad(waveforms, (0, padding))
        torch.testing.assert_close(call(wider, lengths), wanted, rtol=1e-4, atol=1e-5)
    alone = call(waveforms[:1], None)  # not full: its bucket is longer
    torch.testing.assert_close(alone, wanted[:1], rtol=1e-4, atol=1e-5)
    assert capture.shapes == [(2, 16_000, False), (2, 19_200, False), (2, 24_000, False),
                              (1, 16_000, False)]  # fmt: skip


@torch.inference_mode()
def test_what_was_in_a_bucket_before_is_not_heard(make_detector):
    fast = make_detector("xlsr-conformer").optimize("fp32").detector
    call = Buckets(fast, Captured(), CPU, min_samples=fast.min_samples)
    quiet, loud = ragged([9_000]), (50 * torch.randn(1, 9_600), None)
    first = call(*quiet)
    call(*loud)
    assert torch.equal(call(*quiet), first)


@torch.inference_mode()
def test_full_batches_and_exact_lengths_are_not_masked(make_detector):
    fast = make_detector("fake-mamba-s").optimize("fp32").detector
    capture = Captured()
    exact = Buckets(fast, capture, CPU, min_samples=fast.min_samples, exact_samples=[9_999])
    results = [exact(torch.randn(2, samples), None) for samples in (9_600, 9_999, 9_998)]
    assert capture.shapes == [(2, 9_600, True), (2, 9_999, True), (2, 11_200, False)]
    assert len({float(one[0, 0]) for one in results}) == 3  # earlier results are not overwritten


@torch.inference_mode()
def test_few_graphs_are_kept_and_large_batches_not_captured(monkeypatch):
    monkeypatch.setattr(buckets, "MOST_GRAPHS", 2)
    monkeypatch.setattr(buckets, "EAGER_SAMPLES", 20 * UNIT_SAMPLES)
    capture = Captured()
    call = Buckets(lambda waveforms, lengths: waveforms[:, :2], capture, CPU, min_samples=1)
    for units in (1, 2, 1, 3, 1, 2, 21):
        waveforms = torch.randn(1, units * UNIT_SAMPLES)
        assert torch.equal(call(waveforms, None), waveforms[:, :2])
    assert [shape[1] // UNIT_SAMPLES for shape in capture.shapes] == [1, 2, 3, 2]


@given(st.integers(1, 10**9))
def test_buckets_hold_their_counts_with_little_padding(count):
    found = bucket(count)
    assert count <= found < count * 9 / 8 + 1e-9
    assert bucket(found) == found and bucket(count + 1) >= found


@pytest.mark.parametrize("name", KINDS)
def test_nothing_of_a_detector_waits_for_its_device(name, make_detector):
    """On the meta device there are no values: reading one, which a graph cannot record, fails."""
    detector = make_detector(name).optimize("fp32").detector.to("meta")
    set_scan_backend(detector, "torch")
    waveforms = torch.zeros(2, 16_000, device="meta")
    assert detector(waveforms, torch.zeros(2, device="meta", dtype=torch.int64)).shape == (2, 2)
    assert detector(waveforms).shape == (2, 2)


def test_a_compiled_detector_has_the_same_scores(make_detector, monkeypatch):
    def compiled(call, *, dynamic):
        assert dynamic
        return lambda *inputs: call(*inputs)

    monkeypatch.setattr(torch, "compile", compiled)
    plain = make_detector("fake-mamba-s")
    waveforms, lengths = ragged([9_000, 5_000])
    found = plain.optimize("fp32", "compile")(waveforms, lengths)
    torch.testing.assert_close(found, plain(waveforms, lengths), rtol=1e-4, atol=1e-5)


def test_kernels_are_decided_on_before_a_detector_is_compiled(make_detector, monkeypatch):
    order = []
    forward = FusedNorm.forward

    def noted(*given, **more):
        order.append("a call")
        return forward(*given, **more)

    monkeypatch.setattr(FusedNorm, "forward", noted)
    monkeypatch.setattr(torch, "compile", lambda call, **_: order.append("compiled") or call)
    make_detector("fake-mamba-s").optimize("fp32", "compile")
    assert order[0] == "a call" and order[-1] == "compiled"


@pytest.mark.parametrize(
    ("precision", "execution", "message"),
    [
        ("int8", "eager", "no int8"),
        ("fp64", "eager", "no fp64"),
        ("bf16", "graph", "need a CUDA GPU"),
        ("tf32", "eager", "a GPU's"),
        ("fp16", "compile", "no instructions for fp16 .*: use fp32 or bf16 there"),
        ("bf16", "optimized", "not one of eager, compile, graph, onnxruntime, openvino"),
    ],
)
def test_what_cannot_be_is_refused(make_detector, monkeypatch, precision, execution, message):
    monkeypatch.setattr(modes, "has_fast", lambda precision: precision == "bf16")
    with pytest.raises(UnsupportedSettingError, match=message):
        make_detector("fake-mamba-s").optimize(precision, execution)


def test_where_no_half_precision_is_fast_the_usual_one_is_fp32(make_detector, monkeypatch):
    monkeypatch.setattr(modes, "has_fast", lambda precision: False)
    assert make_detector("fake-mamba-s").optimize().precision == "fp32"
    with pytest.raises(UnsupportedSettingError, match=r"instructions for bf16 .* use fp32 there"):
        make_detector("fake-mamba-s").optimize("bf16")


def test_too_short_an_utterance_is_refused(make_detector):
    with pytest.raises(UnsupportedInputError, match="too short"):
        make_detector("fake-mamba-s").optimize()(torch.zeros(1, 300))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_graphs_on_a_gpu_give_the_scores_of_the_plain_detector(name, precision, make_detector):
    plain = make_detector(name).cuda()
    optimized = plain.optimize(precision)
    assert optimized.execution == "graph"
    for lengths in ([16_000], [16_000, 9_000, 12_345], [5_000, 4_000, 3_000], [16_000]):
        waveforms, lengths = ragged(lengths)
        with torch.inference_mode():
            wanted = plain(waveforms.cuda(), lengths)
        error = 1e-3 if precision == "fp32" else 5e-2
        found = optimized(waveforms.pin_memory(), lengths)
        torch.testing.assert_close(found, wanted, rtol=0, atol=error)
