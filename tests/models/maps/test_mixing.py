"""The matrices of scans: multiplied with the inputs they give what the scans give."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fakemamba.models.maps import mixing
from fakemamba.models.maps.mixing import ScanMixing
from fakemamba.models.scan import directional_scan, ssd_scan
from fakemamba.models.scan.inputs import ScanInputs, SSDInputs

TOLERANCES = {torch.float32: 1e-5, torch.float64: 1e-12}
DIRECTIONS = st.sampled_from([(False,), (True,), (False, True)])


def scan_inputs(generator, time, lengths, reverse, dtype, largest_step=1.0):
    """A selective scan of five channels and three states; its step sizes are up to ``largest``."""
    shape = (len(reverse), len(lengths), time)

    def normal(*sizes):
        return torch.randn(*sizes, generator=generator, dtype=dtype)

    A = -(normal(len(reverse), 5, 3).abs() + 0.1) * 4
    bias = normal(len(reverse), 5)
    delta = normal(*shape, 5) * largest_step
    B, C, u = normal(*shape, 3), normal(*shape, 3), normal(*shape, 5)
    counts = torch.tensor(lengths)
    return ScanInputs(u, delta, A, B, C, None, None, bias, reverse, counts)


@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    more=st.integers(0, 5),
    reverse=DIRECTIONS,
    dtype=st.sampled_from([*TOLERANCES]),
    largest_step=st.sampled_from([1.0, 30.0]),
    seed=st.integers(0, 1000),
)
def test_the_matrix_times_the_inputs_is_the_scan(lengths, more, reverse, dtype, largest_step, seed):
    generator = torch.Generator().manual_seed(seed)
    time = max(lengths) + more
    inputs = scan_inputs(generator, time, lengths, reverse, dtype, largest_step)
    expected = directional_scan(
        *inputs[:8], reverse=reverse, lengths=inputs.lengths, backend="reference"
    )
    matrices = ScanMixing.of_scan(inputs).channel_matrices()
    found = torch.einsum("dbcts,dbsc->dbtc", matrices, inputs.u)
    scale = expected.abs().max().item() + 1e-30
    torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCES[dtype] * max(scale, 1))


@given(
    lengths=st.lists(st.integers(1, 20), min_size=1, max_size=3),
    reverse=DIRECTIONS,
    exclusive=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_a_head_of_an_ssd_scan_has_one_matrix_for_its_channels(lengths, reverse, exclusive, seed):
    generator = torch.Generator().manual_seed(seed)
    shape = (len(reverse), len(lengths), max(lengths) + 1)

    def normal(*sizes):
        return torch.randn(*sizes, generator=generator, dtype=torch.float64)

    x, delta = normal(*shape, 2, 3), normal(*shape, 2)
    A, bias = -normal(len(reverse), 2).abs(), normal(len(reverse), 2)
    B, C = normal(*shape, 4), normal(*shape, 4)
    inputs = SSDInputs(x, delta, A, B, C, bias, reverse, exclusive, torch.tensor(lengths))
    expected = ssd_scan(
        *inputs[:6],
        reverse=reverse,
        exclusive=exclusive,
        lengths=inputs.lengths,
        backend="reference",
    )
    matrices = ScanMixing.of_ssd(inputs).channel_matrices()
    found = torch.einsum("dbhts,dbshp->dbthp", matrices, x)
    if exclusive:  # padding gets what the last frame has, and is cut off
        inside = torch.arange(shape[2]) < torch.tensor(lengths)[:, None]
        found = found * inside[None, :, :, None, None]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)


@given(
    lengths=st.lists(st.integers(1, 70), min_size=1, max_size=2),
    reverse=DIRECTIONS,
    most=st.sampled_from([1, 200, 1 << 20]),
)
def test_channels_are_averaged_in_whatever_pieces_they_come(lengths, reverse, most):
    generator = torch.Generator().manual_seed(0)
    inputs = scan_inputs(generator, max(lengths), lengths, reverse, torch.float64)
    found = ScanMixing.of_scan(inputs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mixing, "MOST_NUMBERS", most)
        matrices = found.matrices()
    expected = found.channel_matrices().abs().mean(2)
    torch.testing.assert_close(matrices, expected, rtol=1e-12, atol=1e-12)
