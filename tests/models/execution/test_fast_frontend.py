"""The fast front-end and its fused norm are the plain ones in another arrangement."""

from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fakemamba.data.synthetic import speech_like
from fakemamba.models.execution.errors import UnsupportedSettingError
from fakemamba.models.execution.fast_frontend import FastFrontend
from fakemamba.models.execution.fused_norm import by_kernel, norm_of_sum
from fakemamba.models.frontend_sources import create_frontend
from fakemamba.models.frontends.outputs import Output

# Of features, whose root mean square is about one.
LARGEST_ERROR = {torch.float32: 2e-5, torch.float16: 0.03, torch.bfloat16: 0.15}


@pytest.fixture(scope="module")
def frontend():
    torch.manual_seed(0)
    return create_frontend("xls-r-tiny").eval()


@torch.inference_mode()
def both(frontend, fast, waveforms, lengths=None):
    wanted, counts = frontend(waveforms, lengths)
    found, found_counts = fast(waveforms, lengths)
    assert found.dtype == torch.float32 and found.shape == wanted.shape
    assert (counts is found_counts) or torch.equal(counts, found_counts)
    ends = [None] * len(wanted) if counts is None else counts.tolist()
    pairs = zip(found, wanted, ends, strict=True)
    return max(float((one[:end] - other[:end]).abs().max()) for one, other, end in pairs)


@pytest.mark.parametrize("dtype", LARGEST_ERROR, ids=str)
def test_its_features_are_those_of_the_plain_one(frontend, dtype):
    fast = FastFrontend(frontend, dtype)
    for samples in (400, 401, 16_003):
        waveforms = torch.stack([torch.from_numpy(speech_like(samples, k)) for k in range(2)])
        assert both(frontend, fast, waveforms) < LARGEST_ERROR[dtype]


def test_hubert_without_biases_has_one_too_and_may_be_normalised():
    torch.manual_seed(0)
    plain = create_frontend("hubert-tiny?waveform=utterance").eval()
    waveforms = torch.stack([torch.from_numpy(speech_like(8_000, k)) for k in range(2)])
    lengths = torch.tensor([8_000, 5_000])
    assert both(plain, FastFrontend(plain), waveforms, lengths) < LARGEST_ERROR[torch.float32]


@pytest.mark.parametrize("output", get_args(Output))
def test_every_output_is_that_of_the_plain_one(output):
    torch.manual_seed(0)
    plain = create_frontend(f"xls-r-tiny?output={output}").eval()
    if plain.layer_sum is not None:
        torch.nn.init.normal_(plain.layer_sum.weights)
    waveforms = torch.stack([torch.from_numpy(speech_like(8_000, k)) for k in range(2)])
    lengths = torch.tensor([8_000, 5_000])
    assert both(plain, FastFrontend(plain), waveforms, lengths) < LARGEST_ERROR[torch.float32]


@given(lengths=st.lists(st.integers(400, 9_000), min_size=1, max_size=4))
def test_a_ragged_batch_has_the_features_of_the_plain_one(frontend, lengths):
    waveforms = torch.zeros(len(lengths), max(lengths))
    for row, length in zip(waveforms, lengths, strict=True):
        row[:length] = torch.from_numpy(speech_like(length, length))
    fast = FastFrontend(frontend)
    assert both(frontend, fast, waveforms, torch.tensor(lengths)) < LARGEST_ERROR[torch.float32]


def test_it_needs_no_more_memory_than_its_precision(frontend):
    def stored(module):
        return sum(one.numel() * one.element_size() for one in module.parameters())

    assert stored(FastFrontend(frontend, torch.bfloat16)) < 0.6 * stored(frontend)


def test_another_attention_is_refused(frontend):
    with pytest.raises(UnsupportedSettingError, match="no eager attention"):
        FastFrontend(frontend).set_attention("eager")


@given(
    rows=st.integers(1, 5),
    columns=st.sampled_from((3, 64, 100, 512)),
    dtype=st.sampled_from((torch.float32, torch.bfloat16, torch.float16)),
    has_residual=st.booleans(),
    has_shift=st.booleans(),
    gelu=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_the_kernel_is_the_norm_of_a_sum(rows, columns, dtype, has_residual, has_shift, gelu, seed):
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(shape, generator=draw)

    x = (3 * normal(rows, 1, columns) + 1).to(dtype)
    residual = normal(rows, 1, columns) if has_residual else None
    shift, weight, bias = normal(columns) if has_shift else None, normal(columns), normal(columns)
    arguments = (x, residual, shift, weight, bias)
    total, found = by_kernel(*arguments, eps=1e-5, gelu=gelu, dtype=torch.float32)
    wanted_total, wanted = norm_of_sum(*arguments, eps=1e-5, gelu=gelu, dtype=torch.float32)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(total, wanted_total, rtol=1e-6, atol=1e-6)
    rounded = by_kernel(*arguments, eps=1e-5, gelu=gelu, dtype=dtype)[1]
    assert rounded.dtype == dtype
    torch.testing.assert_close(rounded.float(), wanted, rtol=2e-2, atol=2e-2)


def test_a_sum_is_made_in_fp32():
    x, residual = torch.full((1, 8), 1 / 3, dtype=torch.bfloat16), torch.full((1, 8), 1000.0)
    total, _ = norm_of_sum(
        x, residual, None, torch.ones(8), torch.zeros(8), eps=1e-5, gelu=False, dtype=x.dtype
    )
    assert torch.equal(total, x.float() + residual) and total.dtype == torch.float32
