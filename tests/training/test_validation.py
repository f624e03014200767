"""The validation's loss is the published code's sum over batches, and its EER the metric's."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from accelerate import Accelerator

from fakemamba.data.manifest import iterate_manifest
from fakemamba.evaluation.metrics.detection import equal_error
from fakemamba.training.clips import ClipsOfEpoch, Preparation
from fakemamba.training.loss import WeightedCrossEntropy
from fakemamba.training.objectives.recordings import RecordingObjective
from fakemamba.training.run_folder import TrainingError
from fakemamba.training.validation import validate

WEIGHTS = (0.1, 0.9)


@pytest.fixture
def clips(manifests):
    trials = list(iterate_manifest(manifests[1], need_label=True))
    return ClipsOfEpoch(trials, Preparation(3_200, "first", None, seed=0), epoch=1)


def judge(detector, clips, batch_size=3):
    return validate(
        detector,
        clips,
        RecordingObjective(WEIGHTS),
        WeightedCrossEntropy(WEIGHTS),
        Accelerator(cpu=True),
        batch_size=batch_size,
        workers=0,
        on_batch=lambda: None,
    )


def published_loss(logits, labels, batch_size):
    """As the published code sums it: each batch's weighted mean times its clips."""
    criterion = torch.nn.CrossEntropyLoss(weight=torch.tensor([0.1, 0.9]))
    total = 0.0
    for some, known in zip(logits.split(batch_size), labels.split(batch_size), strict=True):
        total += float(criterion(some, known)) * len(known)
    return total / len(labels)


@pytest.mark.parametrize("batch_size", [1, 3, 20])
def test_the_loss_is_the_published_one(make_detector, clips, batch_size):
    detector = make_detector("fake-mamba", depth=1, width=16)
    found = judge(detector.train(), clips, batch_size)
    assert detector.training  # as it was
    with torch.no_grad():
        rows = [torch.from_numpy(clips[place][0]) for place in range(len(clips))]
        logits = detector.eval()(torch.stack(rows))
    labels = torch.tensor([1, 0, 1, 0, 1, 0, 1])
    assert found.loss == pytest.approx(published_loss(logits, labels, batch_size), rel=1e-5)
    scores = logits[:, 1].double().numpy()
    truth = labels.numpy().astype(bool)
    assert found.figures == {"eer": equal_error(scores[truth], scores[~truth]).eer}


def test_in_batches_of_one_class_the_weights_cancel_out(make_detector, clips):
    detector = make_detector("fake-mamba", depth=1, width=16)
    rows = torch.stack([torch.from_numpy(clips[place][0]) for place in range(len(clips))])
    with torch.no_grad():
        logits = detector(rows)
    unweighted = F.cross_entropy(logits, torch.tensor([1, 0, 1, 0, 1, 0, 1]))
    assert judge(detector, clips, batch_size=1).loss == pytest.approx(float(unweighted), rel=1e-5)


def test_a_score_that_is_not_finite_is_an_error_with_its_recording(make_detector, clips):
    detector = make_detector("fake-mamba", depth=1, width=16)
    with torch.no_grad():
        detector.head.classifier.bias.fill_(np.nan)
    with pytest.raises(TrainingError, match=r"score of dev0 .*dev0\.wav.*not finite"):
        judge(detector, clips)
