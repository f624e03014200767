"""Windows of a stream: kept frames change no logit, and what cannot be kept is told."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fakemamba import create_detector
from fakemamba.data.synthetic import speech_like
from fakemamba.models.execution.errors import UnsupportedSettingError
from fakemamba.models.execution.modes import quantised
from fakemamba.models.execution.optimized import optimized_frontend, with_frontend
from fakemamba.models.frontend_sources import frontend_config
from fakemamba.models.frontends.framing import Framing
from fakemamba.models.registry import build_detector
from fakemamba.models.streaming import WindowedDetector, shared_frames, why_not_reusable

AUDIO = torch.from_numpy(speech_like(48_000, 7))[None]
CLOSE = 1e-5


def make(name="xlsr-transformer", frontend="xls-r-tiny", **options):
    torch.manual_seed(0)
    return create_detector(name, frontend, **options).eval()


@pytest.fixture(scope="module")
def detector():
    return make(depth=1)


def largest_difference(detector, windowed, spans):
    """Between logits of windows with kept frames, and of the same windows alone."""
    found = [
        (windowed(AUDIO[:, start:end], start) - detector(AUDIO[:, start:end])).abs().max()
        for start, end in spans
    ]
    return float(torch.stack(found).max())


def sliding(window_samples, hop_samples, count=4, first=0):
    return [
        (first + hop_samples * k, first + hop_samples * k + window_samples) for k in range(count)
    ]


@settings(max_examples=20)
@given(
    window_samples=st.integers(800, 12_000),
    hop_samples=st.one_of(st.integers(1, 9_000), st.sampled_from([160, 320, 640, 4_000])),
    first=st.integers(0, 1_000),
)
@torch.inference_mode()
def test_logits_are_those_of_the_window_alone(detector, window_samples, hop_samples, first):
    windowed = WindowedDetector(detector)
    spans = sliding(window_samples, hop_samples, first=first)
    assert largest_difference(detector, windowed, spans) < CLOSE


@settings(max_examples=20)
@given(
    spans=st.lists(
        st.tuples(st.integers(0, 20_000), st.integers(400, 9_000)), min_size=2, max_size=6
    )
)
@torch.inference_mode()
def test_windows_may_lie_anywhere(detector, spans):
    """They grow, jump over silence, and go back."""
    spans = [(start, start + size) for start, size in spans]
    assert largest_difference(detector, WindowedDetector(detector), spans) < CLOSE


class Counted:
    """The convolutions of a detector, with the frames that each call of them makes."""

    def __init__(self, detector):
        self.frames = []
        extractor = detector.frontend.model.feature_extractor
        self.hook = extractor.register_forward_hook(
            lambda module, given, made: self.frames.append(made.shape[-1])
        )


@pytest.mark.parametrize(
    ("hop_samples", "made"),
    [
        (320, [49, 1, 1, 1]),
        (3_200, [49, 10, 10, 10]),
        (480, [49, 49, 3, 3]),  # the frames of every other window lie alike
        (16_000, [49, 49, 49, 49]),
    ],
)
def test_only_what_is_new_is_made(detector, hop_samples, made):
    counted, windowed = Counted(detector), WindowedDetector(detector)
    for start, end in sliding(16_000, hop_samples):
        windowed(torch.nn.functional.pad(AUDIO, (0, 16_000))[:, start:end], start)
    counted.hook.remove()
    assert counted.frames == made
    assert made[-1] == 49 - shared_frames(Framing(400), 16_000, hop_samples)


def test_what_is_kept_is_no_more_than_the_windows_need(detector):
    windowed = WindowedDetector(detector)
    sizes = []
    for start, end in sliding(8_000, 480, count=40):
        windowed(AUDIO[:, start:end], start)
        sizes.append(sum(frames.shape[-1] for _, frames in windowed._frames.kept.values()))
    assert max(sizes) == 2 * 24


def test_after_a_restart_nothing_of_before_is_used(detector):
    windowed = WindowedDetector(detector)
    windowed(AUDIO[:, :8_000], 0)
    windowed.restart()
    other = AUDIO[:, 20_000:28_000]
    assert torch.equal(windowed(other, 0), detector(other))


@torch.inference_mode()
def test_many_streams_share_one_detector(detector):
    before = detector.frontend.model.feature_extractor
    streams = [WindowedDetector(detector) for _ in range(2)]
    for start in (0, 3_200, 6_400):
        for k, windowed in enumerate(streams):
            window = AUDIO[:, 9_000 * k + start :][:, :8_000]
            assert float((windowed(window, start) - detector(window)).abs().max()) < CLOSE
    assert detector.frontend.model.feature_extractor is before


@pytest.mark.parametrize(
    ("name", "frontend", "options"),
    [
        ("xlsr-sls", "xls-r-tiny", {}),  # all layers
        ("xlsr-transformer", "hubert-tiny?output=weighted", {"depth": 1}),
        ("xlsr-transformer", "xls-r-tiny?frames=s3prl", {"depth": 1}),
    ],
)
@torch.inference_mode()
def test_whatever_is_taken_of_the_front_end(name, frontend, options):
    detector = make(name, frontend, **options)
    assert why_not_reusable(detector) is None
    spans = [*sliding(16_000, 3_200), (20_000, 20_500), (20_000, 21_000)]
    assert largest_difference(detector, WindowedDetector(detector), spans) < CLOSE


@torch.inference_mode()
def test_a_large_wavlm_has_frames_that_can_be_kept():
    config = replace(frontend_config("wavlm-tiny"), feature_norm="layer", pre_norm=True)
    torch.manual_seed(0)
    detector = build_detector("xlsr-transformer", config, {"depth": 1}).eval()
    assert largest_difference(detector, WindowedDetector(detector), sliding(8_000, 3_200)) < CLOSE


@torch.inference_mode()
def test_a_window_that_is_repeated_to_a_fixed_length_keeps_nothing():
    detector = make("xlsr-aasist")
    detector.fixed_samples = 8_000
    spans = [(0, 3_200), (0, 6_400), (0, 9_600), (3_200, 12_800)]
    assert largest_difference(detector, WindowedDetector(detector), spans) < CLOSE


@torch.inference_mode()
def test_int8_has_the_convolutions_in_fp32():
    detector = quantised(make(depth=1))
    assert largest_difference(detector, WindowedDetector(detector), sliding(8_000, 3_200)) < 1e-3


@pytest.mark.parametrize(
    ("frontend", "told"),
    [
        ("wav2vec2-tiny", "first convolution of wav2vec2-tiny is normalised over the whole window"),
        ("xls-r-tiny?waveform=utterance", "waveforms are normalised over the whole window"),
        ("w2v-bert-tiny", "w2v-BERT normalises its spectra"),
        ("whisper-tiny", "Whisper normalises its spectra"),
    ],
)
def test_what_sees_the_whole_window_is_refused(frontend, told):
    detector = make(frontend=frontend, depth=1)
    assert told in why_not_reusable(detector)
    with pytest.raises(UnsupportedSettingError, match="frames of windows cannot be kept"):
        WindowedDetector(detector)


def test_an_optimized_front_end_keeps_nothing(detector):
    fast = with_frontend(detector, optimized_frontend(detector, "fp32"))
    assert "optimized front-end" in why_not_reusable(fast)
