"""What a detector returns becomes logits, and what it says of itself is checked."""

import pytest
import torch
from torch import nn

from fakemamba.models.external.contract import Contract, parts_of_text, said_by
from fakemamba.models.external.names import ExternalDetectorError

SCORES = torch.tensor([1.0, -2.0])
PAIRS = torch.tensor([[0.5, 1.0], [3.0, -2.0]])


@pytest.mark.parametrize("output", [SCORES, SCORES[:, None], SCORES.double(), SCORES.bfloat16()])
def test_a_score_is_the_logit_of_bona_fide_beside_zero(output):
    logits = Contract().logits(output, 2)
    assert logits.shape == (2, 2) and logits.dtype == output.dtype
    assert logits.tolist() == [[0, 1], [0, -2]]
    assert Contract(bona_fide=0).logits(output, 2).tolist() == [[0, -1], [0, 2]]


def test_two_outputs_are_logits_with_bona_fide_last():
    assert Contract().logits(PAIRS, 2) is PAIRS
    assert Contract(bona_fide=0).logits(PAIRS, 2).tolist() == [[1, 0.5], [-2, 3]]


def test_of_two_waveforms_two_numbers_are_scores_and_of_one_they_are_logits():
    assert Contract().logits(SCORES, 2).shape == (2, 2)
    assert Contract().logits(SCORES[None], 1).tolist() == [[1, -2]]


@pytest.mark.parametrize(
    ("output", "told"),
    [
        (torch.ones(2, 3), r"returns the shape \(2, 3\) for 2 waveforms"),
        (torch.ones(3), r"returns the shape \(3,\)"),
        (torch.tensor(1.0), r"returns the shape \(\)"),
        (torch.ones(2, 1, 2), r"returns the shape \(2, 1, 2\)"),
        (torch.ones(2, dtype=torch.int64), "returns torch.int64, but scores are floating"),
        (torch.ones(2, 2, dtype=torch.complex64), "returns torch.complex64"),
        ((SCORES, SCORES), "returns a tuple of 2 values"),
        ([SCORES], "returns a list of 1 values"),
        ((), "returns 'tuple'"),
        (None, "returns 'NoneType'"),
        (3, "returns 'int'"),
        ({"logits": SCORES}, "returns 'dict'"),
        (SCORES.numpy(), "returns 'ndarray'"),
    ],
)
def test_anything_else_is_named(output, told):
    with pytest.raises(ExternalDetectorError, match=told) as caught:
        Contract().logits(output, 2)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"bona_fide": 2}, "bona_fide"),
        ({"bona_fide": "spoof"}, "bona_fide"),
        ({"sample_rate_hz": 16}, "sample_rate_hz is 16, but should be from 4000 to 384000"),
        ({"sample_rate_hz": 16_000.0}, "sample_rate_hz"),
        ({"num_samples": 0}, "num_samples is 0, but should be 1 or more"),
        ({"num_samples": torch.ones(1)}, "num_samples"),
        ({"parts": {"backbone": "ssl"}}, "parts has 'backbone', but a part is one of front-end"),
        ({"parts": ["ssl"]}, "parts"),
        ({"parts": {"encoder": nn.Linear(1, 1)}}, "parts"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line_with_who_says_it(said, told):
    with pytest.raises(ExternalDetectorError, match=f"^their:net: {told}") as caught:
        Contract().updated(said, "their:net")
    assert "\n" not in str(caught.value)


def test_the_last_one_that_says_something_counts():
    class Net(nn.Module):
        bona_fide = 0
        num_samples = nn.Linear(1, 1)  # a name of its own for something else

        def sample_rate_hz(self):
            return 1

    def make():
        return Net()

    make.bona_fide = 1
    make.parts = {}
    assert said_by(make, Net()) == {"bona_fide": 0, "parts": {}}
    assert said_by(make, Net) == {"bona_fide": 1, "parts": {}}


def test_a_class_with_properties_says_what_its_instances_say():
    class Net:
        @property
        def num_samples(self):
            return None

    assert said_by(Net, Net()) == {}


def test_parts_are_written_in_an_option():
    assert parts_of_text("front-end:ssl.model;encoder:net") == {
        "front-end": "ssl.model",
        "encoder": "net",
    }


@pytest.mark.parametrize("text", ["", "encoder", "encoder:", ":net", "encoder:net;"])
def test_parts_that_are_written_otherwise_are_refused(text):
    with pytest.raises(ExternalDetectorError, match="parts are written front-end:SUBMODULE;"):
        parts_of_text(text)
