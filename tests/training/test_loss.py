"""Shares of a batch's loss add up to torch's weighted mean, gradients included."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from fakemamba.training.loss import FocalLoss, WeightedCrossEntropy


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


def test_a_focal_loss_is_the_mean_over_clips_and_classes():
    logits, labels = torch.tensor([[0.3, -1.0], [2.0, 0.5], [0.0, 0.0]]), [0, 1, 1]
    loss = FocalLoss((0.1, 0.9))
    rows = zip(logits.softmax(1).tolist(), labels, strict=True)
    own = [row[label] for row, label in rows]
    weights = [(0.1, 0.9)[label] for label in labels]
    pairs = zip(weights, own, strict=True)
    wanted = sum(w * (1 - p) ** 2 * -math.log(p) for w, p in pairs) / (3 * 2)
    total, known = loss.total_weight(labels), torch.tensor(labels)
    assert float(loss.share(logits, known, total)) == pytest.approx(wanted)
    parts = [loss.share(logits[rows], known[rows], total) for rows in ([0], [1, 2])]
    assert float(sum(parts)) == pytest.approx(wanted)
