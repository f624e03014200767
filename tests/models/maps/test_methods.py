"""Maps of every kind of detector, and what each of them has to be."""

import pytest
import torch

from fakemamba import create_detector, list_detectors
from fakemamba.data.synthetic import speech_like
from fakemamba.models.detector import UnsupportedInputError
from fakemamba.models.maps.gradients import baseline_features, bona_fide_minus_spoof
from fakemamba.models.maps.methods import (
    METHODS,
    MapError,
    MapSettings,
    frame_maps,
    methods_of,
)
from fakemamba.models.maps.observation import observe
from fakemamba.models.registry import family_name

ALWAYS = {"gradient", "integrated-gradients", "front-end-rollout"}
SCANS = {"hidden-attention", "step-size", "pooling"}
ATTENTION = {"attention-rollout", "pooling"}
SMALL = {"depth": 2}
HAVE = {
    "fake-mamba": (SMALL, SCANS),
    "trans-bimamba": (SMALL, SCANS),
    "con-bimamba": (SMALL, SCANS),
    "xlsr-conformer": (SMALL, ATTENTION),
    "xlsr-conformer-tcm": (SMALL, ATTENTION),
    "xlsr-mamba": (SMALL, SCANS),
    "xlsr-aasist": ({}, set()),
    "xlsr-transformer": (SMALL, ATTENTION),
    "nes2net-x": ({}, set()),
    "xlsr-sls": ({}, set()),
    "xlsr-mambo": ({"repeats": 1, "mixers": 1}, SCANS | ATTENTION),
    "antideepfake": ({}, set()),
    "df-arena": (SMALL, ATTENTION),
    "wavlm-mhfa": ({}, {"pooling"}),
}
ONCE = MapSettings(steps=1)


@pytest.fixture
def speech():
    return torch.from_numpy(speech_like(12_000, 3))


def test_all_detectors_are_looked_at():
    assert {family_name(name) for name in list_detectors()} == set(HAVE)


@pytest.mark.parametrize("name", HAVE)
def test_a_detector_has_maps_with_a_finite_score_a_frame(name, make_detector, speech):
    options, more = HAVE[name]
    detector = make_detector(name, **options)
    has = methods_of(detector)
    assert set(has) == ALWAYS | more and list(has) == [one for one in METHODS if one in has]
    maps = frame_maps(detector, speech, has, ONCE)
    frames = detector.framing.frame_count(len(speech))
    assert abs(frames * 0.02 - len(speech) / 16_000) <= 0.04  # as evaluate-segments allows
    for method, scores in maps.items():
        assert scores.shape == (frames,) and scores.isfinite().all()
        assert scores.std() > 0 and scores.dtype == torch.float32
        if not METHODS[method].is_signed:
            assert (scores <= 0).all()
    for method in set(has) & {"pooling", "attention-rollout", "hidden-attention"}:
        assert maps[method].mean() == pytest.approx(-1, abs=1e-5)
    assert all(parameter.grad is None for parameter in detector.parameters())


def test_a_method_that_a_detector_has_not_is_refused_with_those_that_it_has(make_detector, speech):
    with pytest.raises(MapError, match="XLSRConformer has no hidden-attention; it has: gradient"):
        frame_maps(make_detector("xlsr-conformer", depth=1), speech, ["hidden-attention"])
    with pytest.raises(UnsupportedInputError, match="too short"):
        frame_maps(make_detector("xlsr-conformer", depth=1), speech[:300], ["gradient"])


def test_a_linear_detector_s_frames_add_up_to_what_it_says(make_detector, speech):
    detector = make_detector("antideepfake")
    maps = frame_maps(detector, speech, ["gradient", "integrated-gradients"])
    with torch.no_grad():
        difference = bona_fide_minus_spoof(detector, detector(speech[None])).item()
        bias = bona_fide_minus_spoof(detector, detector.head.classifier.bias[None]).item()
    assert maps["gradient"].sum().item() == pytest.approx(difference - bias, rel=1e-4)
    torch.testing.assert_close(maps["integrated-gradients"], maps["gradient"])


@pytest.mark.parametrize(("name", "baseline"), [("fake-mamba", "zero"), ("df-arena", "silence")])
def test_integrated_gradients_are_complete(name, baseline, make_detector, speech):
    detector = make_detector(name, depth=1)
    settings = MapSettings(steps=40, baseline=baseline)
    found = frame_maps(detector, speech, ["integrated-gradients"], settings)
    seen = observe(detector, speech, in_frontend=False)
    with torch.no_grad():
        here, there = (
            bona_fide_minus_spoof(detector, detector.head(detector.encoder(features))).item()
            for features in (seen.features, baseline_features(seen, baseline))
        )
    assert abs(here - there) > 1e-3
    assert found["integrated-gradients"].sum().item() == pytest.approx(here - there, rel=0.02)


def test_the_baseline_matters(make_detector, speech):
    detector = make_detector("con-bimamba", depth=1)
    zero, silence = (
        frame_maps(detector, speech, ["integrated-gradients"], MapSettings(2, baseline))
        for baseline in ("zero", "silence")
    )
    assert not torch.allclose(zero["integrated-gradients"], silence["integrated-gradients"])


def test_a_swap_of_classes_swaps_the_sign(make_detector, speech, monkeypatch):
    detector = make_detector("fake-mamba", depth=1)
    before = frame_maps(detector, speech, ["gradient"])["gradient"]
    monkeypatch.setattr(type(detector), "bona_fide", 0)
    torch.testing.assert_close(frame_maps(detector, speech, ["gradient"])["gradient"], -before)


def test_of_what_a_detector_does_not_hear_nothing_counts(make_detector):
    detector = make_detector("xlsr-sls")
    maps = frame_maps(detector, torch.from_numpy(speech_like(80_000, 1)), ["gradient"])
    assert maps["gradient"].shape == (249,)
    assert maps["gradient"][:201].any() and not maps["gradient"][201:].any()


GIVES_GRADIENTS = """
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.weights = nn.Parameter(torch.tensor([[1.0], [-1.0]]))

        def forward(self, waveforms):
            loud = waveforms.square().mean(1, keepdim=True)
            return torch.cat([loud, -loud], 1) * 2

    def make():
        return Net()

    def blind():
        return lambda waveforms: torch.stack([waveforms.detach().mean(1)] * 2, 1).cos()
"""


def test_of_code_of_others_there_is_the_gradient_at_the_waveform(code, speech):
    name = code(GIVES_GRADIENTS)
    detector = create_detector(f"{name}:make").eval()
    assert methods_of(detector) == ("gradient",)
    found = frame_maps(detector, speech, ["gradient"])["gradient"]
    # f = bona fide - spoof = -4 mean(x²), of which x · df/dx is -8 x² / n.
    shares = torch.nn.functional.pad(-8 * speech.square() / len(speech), (0, 160))
    torch.testing.assert_close(found, shares.unflatten(0, (38, 320)).sum(1))
    with pytest.raises(MapError, match="has no pooling; it has: gradient"):
        frame_maps(detector, speech, ["pooling"])


def test_code_without_gradients_has_no_map(code):
    assert methods_of(create_detector(f"{code(GIVES_GRADIENTS)}:blind").eval()) == ()
