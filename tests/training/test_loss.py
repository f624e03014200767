"""Shares of a batch's loss add up to torch's weighted mean, gradients included."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from fakemamba.training.loss import WeightedCrossEntropy


@given(
    st.lists(st.integers(0, 1), min_size=1, max_size=12),
    st.integers(1, 12),
    st.floats(0.05, 1),
    st.floats(0.05, 1),
)
def test_shares_of_micro_batches_add_up_to_the_weighted_mean(labels, size, spoof, bonafide):
    torch.manual_seed(len(labels))
    logits = torch.randn(len(labels), 2, dtype=torch.float32, requires_grad=True)
    known = torch.tensor(labels)
    loss = WeightedCrossEntropy((spoof, bonafide))
    weight = loss.total_weight(labels)
    whole = F.cross_entropy(logits, known, torch.tensor([spoof, bonafide]))
    (expected,) = torch.autograd.grad(whole, logits)
    parts = sum(
        loss.share(some, those, weight)
        for some, those in zip(logits.split(size), known.split(size), strict=True)
    )
    (found,) = torch.autograd.grad(parts, logits)
    assert float(parts.detach()) == pytest.approx(float(whole.detach()), rel=1e-5)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)
