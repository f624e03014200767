"""Every family: transformers' own numbers, in any batch, of any layer, with gradients."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kinds import KINDS

from fakemamba import create_detector, from_pretrained, save_pretrained
from fakemamba.data.synthetic import speech_like
from fakemamba.models.detector import UnsupportedInputError
from fakemamba.models.frontend import FRONTEND_SIZES, Frontend
from fakemamba.models.frontend_sources import create_frontend
from fakemamba.models.registry import DETECTORS

BUILDS = (
    *("wav2vec2-group", "wav2vec2-layer", "hubert-group", "hubert-layer"),
    *("wavlm-group", "wavlm-layer", "w2v-bert", "whisper"),
)
WHISPER = replace(
    FRONTEND_SIZES["whisper-tiny"], hidden_size=32, num_layers=2, num_heads=4, ffn_size=48
)
SMALL = {
    name: FRONTEND_SIZES[name]
    for name in ("xls-r-tiny", "wav2vec2-tiny", "hubert-tiny", "wavlm-tiny", "w2v-bert-tiny")
} | {"whisper": WHISPER}
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def speech(num_samples, seed=0):
    return torch.from_numpy(speech_like(num_samples, seed))


def small(name, **changes):
    torch.manual_seed(0)
    return Frontend(replace(SMALL[name], **changes)).eval()


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("build", BUILDS)
@torch.inference_mode()
def test_states_are_those_of_transformers(published, build, attention):
    model = published(build)
    frontend = create_frontend(model.folder, attention).eval()
    waveform = speech(9_999)
    wanted = model.encode(waveform)
    last, _ = frontend(waveform[None])
    count = frontend.config.framing.frame_count(9_999)
    # What the features are computed in differs: transformers has NumPy's, in fp64.
    close = CLOSE if model.extractor is None else {"rtol": 2e-3, "atol": 2e-3}
    torch.testing.assert_close(last, wanted.last_hidden_state[:, :count], **close)
    states, _ = frontend.layer_frames(waveform[None])
    assert len(states) == 4
    for state, other in zip(states[:-1], wanted.hidden_states[:-1], strict=True):
        torch.testing.assert_close(state, other[:, :count], **close)
    norm = frontend.final_norm or torch.nn.Identity()
    torch.testing.assert_close(norm(states[-1]), last)
    normed, _ = frontend.layer_frames(waveform[None], is_normed=True)
    torch.testing.assert_close(normed[-1], last)


@pytest.mark.parametrize("build", ["w2v-bert", "whisper"])
@torch.inference_mode()
def test_of_the_same_features_the_states_are_the_same_to_rounding(published, build, monkeypatch):
    model = published(build)
    frontend = create_frontend(model.folder).eval()
    waveform = speech(9_999)
    given = model.extractor(waveform.numpy(), sampling_rate=16_000, return_tensors="pt")
    if build == "whisper":
        name, features = "whisper_log_mel", given["input_features"]
    else:
        given["input_features"] = given["input_features"][:, given["attention_mask"][0] == 1]
        features = given["input_features"].unflatten(2, (2, -1)).flatten(1, 2), None
        name = "kaldi_log_mel"
    monkeypatch.setattr(f"fakemamba.models.frontends.networks.{name}", lambda *args: features)
    last, _ = frontend(waveform[None])
    wanted = model.network(given["input_features"]).last_hidden_state
    torch.testing.assert_close(last, wanted[:, : last.shape[1]], **CLOSE)


@pytest.fixture(scope="module", params=SMALL)
def frontend(request):
    return small(request.param, output="all-normed", waveform="utterance")


@settings(max_examples=8)
@given(lengths=st.lists(st.integers(600, 9_000), min_size=1, max_size=3), seed=st.integers(0, 99))
@torch.inference_mode()
def test_a_row_depends_on_its_own_samples_alone(frontend, lengths, seed):
    waveforms = torch.randn(len(lengths), max(lengths), generator=torch.manual_seed(seed))
    alone = []
    for row, length in zip(waveforms, lengths, strict=True):
        row[:length] = speech(length, seed)
        alone.append(frontend(row[None, :length])[0])
    features, counts = frontend(waveforms, torch.tensor(lengths))
    # w2v-BERT's features are normalised over time: of few frames that are much alike, it enlarges
    # the rounding of a batch's transform. Another row's samples would show in the first digit.
    is_enlarged = frontend.config.family == "wav2vec2-bert"
    close = {"rtol": 1e-2, "atol": 1e-3} if is_enlarged else {"rtol": 1e-4, "atol": 3e-5}
    for row, count, wanted in zip(features, counts.tolist(), alone, strict=True):
        assert wanted.shape[2] == count
        torch.testing.assert_close(row[:, :count], wanted[0], **close)


@pytest.mark.parametrize("name", SMALL)
def test_an_utterance_without_a_frame_is_refused(name):
    made = small(name)
    assert made(speech(made.min_samples)[None])[0].shape[1] == 1
    with pytest.raises(UnsupportedInputError, match=r"too short: .* needs"):
        made(torch.zeros(1, made.min_samples - 1))


@pytest.mark.parametrize("name", SMALL)
@torch.inference_mode()
def test_a_detector_is_saved_and_read_with_its_front_end(tmp_path, name):
    chosen = replace(SMALL[name], output="weighted", waveform="utterance-fairseq")
    detector = create_detector("xlsr-mamba", chosen, depth=1).eval()
    save_pretrained(detector, tmp_path)
    waveforms, lengths = torch.randn(2, 3_000), torch.tensor([3_000, 2_000])
    read = from_pretrained(tmp_path)
    assert torch.equal(read(waveforms, lengths), detector(waveforms, lengths))


def test_whisper_takes_thirty_seconds_and_no_more():
    detector = create_detector("xlsr-mamba", WHISPER, depth=1).eval()
    with pytest.raises(UnsupportedInputError, match=r"480001 samples is too long.* 30 s; cut it"):
        detector(torch.zeros(1, 480_001))


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("output", ["last", "weighted"])
def test_gradients_reach_the_waveform_and_every_parameter(name, output):
    made = small(name, output=output, waveform="utterance").train()
    waveforms = torch.stack([speech(3_000), speech(3_000, 1)]).requires_grad_()
    features, counts = made(waveforms, torch.tensor([3_000, 2_000]))
    rows = zip(features, counts.tolist(), strict=True)
    weights = torch.randn(features.shape[1:], generator=torch.manual_seed(0))
    sum((row * weights)[:count].sum() for row, count in rows).backward()
    assert waveforms.grad[1, :2_000].any() and not waveforms.grad[1, 2_000:].any()
    for key, value in made.named_parameters():
        assert (value.grad is not None) == value.requires_grad, key


@pytest.mark.parametrize("name", KINDS)
def test_every_detector_takes_every_family(name):
    takes_layers = DETECTORS[name].load().frontend_output.startswith("all")
    for config in (SMALL["wavlm-tiny"], SMALL["w2v-bert-tiny"]):
        taken = config if takes_layers else replace(config, output="weighted")
        detector = create_detector(name, taken).eval()
        with torch.inference_mode():
            assert detector(speech(4_000)[None]).isfinite().all()


def test_a_detector_takes_the_layers_that_it_is_made_for_or_refuses():
    made = create_detector("xlsr-sls", SMALL["wavlm-tiny"])
    assert made.config.frontend.output == made.frontend.config.output == "all"
    chosen = create_detector("xlsr-sls", replace(SMALL["wavlm-tiny"], output="all-normed"))
    assert chosen.config.frontend.output == "all-normed"
    with pytest.raises(ValueError, match="output 'weighted' is not for XLSRSLS: choose all"):
        create_detector("xlsr-sls", replace(SMALL["wavlm-tiny"], output="weighted"))
    with pytest.raises(ValueError, match="output 'all' is not for FakeMamba: choose one that"):
        create_detector("fake-mamba-s", replace(SMALL["wavlm-tiny"], output="all"))


@torch.inference_mode()
def test_outputs_are_the_states_that_they_are_called_after():
    waveforms = speech(4_000)[None]
    base = small("hubert-tiny")
    states, _ = base.layer_frames(waveforms)
    last, _ = base(waveforms)

    def output(name):
        made = small("hubert-tiny", output=name)
        made.load_state_dict(base.state_dict(), strict=False)
        return made(waveforms)[0]

    assert torch.equal(output("last-raw"), states[-1])
    assert torch.equal(output("all"), torch.stack(states, 1))
    assert torch.equal(output("all-normed"), torch.stack([*states[:-1], last], 1))
    torch.testing.assert_close(output("weighted"), torch.stack(states).mean(0))
    mean = torch.stack([*states[:-1], last]).mean(0)
    torch.testing.assert_close(output("weighted-normed"), mean)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("wav2vec2-base", 94_371_712 - 768),
        ("wavlm-base-plus", 94_381_936 - 768),
        ("whisper-tiny", 8_208_384),
    ],
)
def test_named_sizes_have_the_published_number_of_parameters(name, parameters):
    """Without the mask embedding, which is for pre-training."""
    with torch.device("meta"):
        made = Frontend(FRONTEND_SIZES[name])
    assert sum(parameter.numel() for parameter in made.parameters()) == parameters


def test_every_named_size_can_be_built():
    with torch.device("meta"):
        for config in FRONTEND_SIZES.values():
            Frontend(replace(config, num_layers=1))
