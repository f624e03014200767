"""How much of a detector is trained, whatever the family of its front-end."""

import pytest
import torch

from fakemamba import create_detector
from fakemamba.training.detector_tuning import prepare_frontend
from fakemamba.training.recipe import DetectorRecipe


def prepared(source, **options):
    torch.manual_seed(0)
    detector = create_detector("xlsr-mamba", source, depth=1).train()
    prepare_frontend(detector, DetectorRecipe("xlsr-mamba", source, **options))
    return detector


def trained(detector):
    return {key for key, value in detector.frontend.named_parameters() if value.requires_grad}


@pytest.mark.parametrize(
    ("source", "layers", "norm"),
    [
        ("hubert-tiny", "model.encoder.layers.1.", "model.encoder.layer_norm."),
        ("wavlm-tiny", "model.encoder.layers.1.", None),  # its norm is before the layers
        ("w2v-bert-tiny", "model.encoder.layers.1.", None),
        ("whisper-tiny?layers=2", "model.layers.1.", "model.layer_norm."),
    ],
)
def test_the_last_layers_and_a_norm_behind_them_are_trained(source, layers, norm):
    names = trained(prepared(source, tuned="top", tuned_layers=1))
    assert any(name.startswith(layers) for name in names)
    assert any(name.startswith("model.") and not name.startswith(layers) for name in names) == (
        norm is not None
    )
    assert all(name.startswith((layers, norm or layers)) for name in names)


def test_a_sum_of_layers_is_learned_beside_a_frozen_front_end():
    assert trained(prepared("wavlm-tiny?output=weighted", tuned="none")) == {"layer_sum.weights"}


@pytest.mark.parametrize("source", ["wavlm-tiny?output=weighted", "w2v-bert-tiny"])
def test_activations_that_are_computed_again_give_the_same_gradients(source):
    waveforms, lengths = torch.randn(2, 4_000), torch.tensor([4_000, 3_000])
    gradients = []
    for again in (False, True):
        detector = prepared(source, activation_checkpointing=again).eval()
        detector.frontend.train()
        detector(waveforms, lengths).sum().backward()
        gradients.append([value.grad for value in detector.parameters() if value.grad is not None])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)
