"""What fakemamba builds on: shapes, rows that do not change each other, gradients, names."""

from pathlib import Path

import pytest
import torch
from fakemamba import create_detector
from fakemamba.training.recipe_files import read_recipe

RECIPES = sorted((Path(__file__).parents[1] / "recipes").glob("*.toml"))


@pytest.fixture(params=["own-detector", "own-detector-ssl"])
def detector(request):
    """A detector by its name, as the package's entry points declare it, in evaluation mode."""
    torch.manual_seed(0)
    return create_detector(request.param, "xls-r-tiny").eval()


@pytest.fixture
def waveforms():
    """Three waveforms of a second, (3, 16000)."""
    return 0.1 * torch.randn(3, 16_000, generator=torch.Generator().manual_seed(0))


def test_a_waveform_gets_two_logits(detector, waveforms):
    assert detector(waveforms).shape == (3, 2)
    assert detector(waveforms[:, :400]).isfinite().all()  # 25 ms


def test_a_row_of_a_batch_gets_what_it_gets_alone(detector, waveforms):
    lengths = torch.tensor([16_000, 9_600, 1_000])
    rows = [row[None, :length] for row, length in zip(waveforms, lengths.tolist(), strict=True)]
    with torch.inference_mode():
        alone = torch.cat([detector.network(row) for row in rows])
        padded = torch.nn.utils.rnn.pad_sequence([row[0] for row in rows], batch_first=True)
        torch.testing.assert_close(detector.network(padded, lengths), alone)
    found = detector.inspected(waveforms.device)  # what fakemamba finds out by trying
    assert found.batches and found.batches_by_lengths and not found.notes


def test_the_loss_moves_every_weight(detector, waveforms):
    logits = detector.train()(waveforms)
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 1])).backward()
    weights = detector.network.named_parameters()
    unmoved = [name for name, weight in weights if weight.grad is None]
    assert all(name.startswith("frontend.") for name in unmoved)  # which has some for masking


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_a_recipe_is_read(path):
    assert read_recipe(path).detector.name.startswith("own-detector")
