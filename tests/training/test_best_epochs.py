"""The best epochs, the end of a run, and averages of detectors."""

import json
from dataclasses import asdict

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fakemamba.models.checkpoints import from_pretrained, save_pretrained
from fakemamba.records import parse_record
from fakemamba.training.best_epochs import BestEpoch, averaged, epochs_without_gain, with_epoch
from fakemamba.training.progress import EpochRecord, Progress
from fakemamba.training.recipe import RecipeError, SelectionRecipe

# Values with ties, as EERs on few trials have them.
courses = st.lists(st.integers(0, 6).map(float), min_size=1, max_size=30)


@given(courses, st.integers(1, 6))
def test_the_best_are_the_least_and_of_equal_ones_the_earliest(values, kept):
    best = ()
    for epoch, value in enumerate(values, 1):
        best = with_epoch(best, BestEpoch(epoch, value), kept)
    ranked = sorted(range(len(values)), key=lambda i: (values[i], i))[:kept]
    assert [one.epoch for one in best] == [i + 1 for i in ranked]


def published_end(values, patience, most):
    """The epochs that the published loop trains, when it sees these values."""
    best, not_improving, epoch = float("inf"), 0, 0
    while not_improving < patience and epoch < most:
        if values[epoch] < best:
            best, not_improving = values[epoch], 0
        else:
            not_improving += 1
        epoch += 1
    return epoch


@given(courses, st.integers(1, 8))
def test_a_run_ends_where_the_published_one_does(values, patience):
    selection = SelectionRecipe(patience=patience, max_epochs=len(values))
    progress = Progress()
    while not progress.is_over(selection):
        value = values[len(progress.history)]
        progress.begin_next(EpochRecord(progress.epoch, 1, 0.1, 0.1, value, 0.5, 1.0), ())
    assert len(progress.history) == published_end(values, patience, len(values))


def test_without_patience_only_the_number_of_epochs_ends_a_run():
    progress = Progress()
    for epoch in range(1, 11):
        assert not progress.is_over(SelectionRecipe(patience=0, max_epochs=10))
        progress.begin_next(EpochRecord(epoch, 1, 0.1, 0.1, 1.0, 0.5, 1.0), ())
    assert progress.is_over(SelectionRecipe(patience=0, max_epochs=10))
    assert epochs_without_gain([1.0] * 10) == 9


def test_the_criterion_may_be_the_eer():
    selection = SelectionRecipe(criterion="eer", patience=2, max_epochs=9)
    progress = Progress()
    for epoch, (loss, eer) in enumerate([(3, 0.1), (2, 0.2), (1, 0.1)], 1):
        progress.begin_next(EpochRecord(epoch, 1, 0.1, 0.1, loss, eer, 1.0), ())
    assert progress.is_over(selection)
    assert not progress.is_over(SelectionRecipe(criterion="loss", patience=2, max_epochs=9))


@pytest.mark.parametrize(
    ("how", "weights"), [("true", [1, 1, 1, 1, 1]), ("as-released", [0, 2, 1, 1, 1])]
)
def test_averages_are_the_mean_or_what_the_published_code_computes(
    tmp_path, make_detector, how, weights
):
    folders, biases = [], []
    for number in range(5):
        detector = make_detector("fake-mamba", depth=1, width=16)
        with torch.no_grad():
            detector.head.classifier.bias.copy_(torch.tensor([float(number), number**2]))
        biases.append(detector.head.classifier.bias.detach())
        folders.append(tmp_path / str(number))
        save_pretrained(detector, folders[-1])
    found = averaged(folders, how)
    expected = sum(w * bias for w, bias in zip(weights, biases, strict=True)) / 5
    torch.testing.assert_close(found.head.classifier.bias.detach(), expected)
    assert not found.training
    alone = averaged(folders[3:4], "true").state_dict()
    written = from_pretrained(folders[3]).state_dict()
    assert all(torch.equal(alone[key], written[key]) for key in written)


@pytest.mark.parametrize(("patience", "most"), [(3, 75), (0, 4), (7, 4)])
def test_the_released_average_needs_five_epochs(patience, most):
    with pytest.raises(RecipeError, match="may end after 4"):
        SelectionRecipe(averaging="as-released", patience=patience, max_epochs=most)
    SelectionRecipe(averaging="as-released", patience=4, max_epochs=5)


def test_progress_comes_back_from_json_with_all_its_digits():
    progress = Progress()
    best = (BestEpoch(1, 1 / 3), BestEpoch(2, 2 / 3))
    progress.begin_next(EpochRecord(1, 4, 1e-6 / 3, 0.1 + 0.2, 1 / 3, 0.5, 1.5), best)
    text = json.dumps(asdict(progress))
    assert parse_record(text, Progress, "progress.json", ValueError, "train again") == progress
