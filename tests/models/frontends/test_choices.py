"""What is chosen of a front-end behind its name, and what cannot be."""

import json
from dataclasses import replace

import pytest
import torch

from fakemamba.models.frontend import FRONTEND_SIZES
from fakemamba.models.frontend_sources import create_frontend, frontend_config
from fakemamba.models.frontends.choices import split_source
from fakemamba.models.weight_files import CheckpointError

TINY = FRONTEND_SIZES["wavlm-tiny"]


@pytest.mark.parametrize(
    ("choices", "changes"),
    [
        ("output=weighted", {"output": "weighted"}),
        ("layers=1&waveform=utterance", {"num_layers": 1, "waveform": "utterance"}),
        ("output=1", {"num_layers": 1, "output": "last-raw"}),
        ("waveform=card", {}),
        ("frames=s3prl", {"frames": "s3prl"}),
    ],
)
def test_choices_are_fields_of_the_configuration(choices, changes):
    source = f"wavlm-tiny?{choices}"
    assert frontend_config(source) == replace(TINY, name=source, **changes)


def test_the_card_of_a_named_size_is_known():
    assert frontend_config("xls-r-300m").waveform == "none"
    assert frontend_config("xls-r-300m?waveform=card").waveform == "utterance"
    assert frontend_config("wavlm-base?waveform=card").waveform == "none"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("wavlm-tiny?layer=1", "no choice 'layer'; did you mean layers"),
        ("wavlm-tiny?layers=1&layers=2", "layers is given twice"),
        ("wavlm-tiny?layers=3", "layers should be a layer's number from 1 to 2, but is '3'"),
        ("wavlm-tiny?layers=-1", "from 1 to 2, but is '-1'"),
        ("wavlm-tiny?output=0", "output should be a layer's number from 1 to 2, but is '0'"),
        ("wavlm-tiny?output=weigted", "output 'weigted' is unknown; did you mean weighted"),
        ("wavlm-tiny?waveform=yes", "waveform 'yes' is unknown.*or card"),
        ("wavlm-tiny?frames=s3pr", "frames 's3pr' is unknown; did you mean s3prl.*network or s3pr"),
        ("wavlm-tinny?layers=1", "unknown front-end 'wavlm-tinny'; did you mean wavlm-tiny"),
    ],
)
def test_what_cannot_be_chosen_is_told_with_what_can(source, told):
    with pytest.raises(ValueError, match=told) as caught:
        frontend_config(source)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"family": "wavml"}, "family 'wavml' is not one of .*; did you mean wavlm"),
        ({"num_mels": 80}, "num_mels should be 1: WavLM has no such thing"),
        ({"family": "whisper"}, "conv_channels should be 1: Whisper has no such thing"),
        ({"output": "first"}, "output: should be 'last', 'last-raw', .*, but is 'first'"),
        ({"waveform": 1}, "waveform: should be 'none', .*, but is 1"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(changes, told):
    with pytest.raises(ValueError, match=told):
        replace(TINY, **changes)


def test_a_file_may_have_a_question_mark_in_its_name(tmp_path):
    path = tmp_path / "really?layers=1.pt"
    path.touch()
    assert split_source(path) == (str(path), {})


def test_the_first_layers_alone_are_loaded(published):
    whole = create_frontend(published("wavlm-layer").folder).eval()
    first = create_frontend(f"{published('wavlm-layer').folder}?output=2&waveform=card").eval()
    assert len(first.layers) == 2 and first.config.waveform == "utterance"
    waveforms = torch.randn(1, 4_000)
    normed = (waveforms - waveforms.mean()) / (waveforms.var(correction=0) + 1e-7).sqrt()
    states, _ = whole.layer_frames(normed)
    torch.testing.assert_close(first(waveforms)[0], states[2])
    with pytest.raises(ValueError, match="from 1 to 3, but is '4'"):
        create_frontend(f"{published('wavlm-layer').folder}?layers=4")


def test_a_learned_sum_begins_with_equal_weights_beside_loaded_ones(published):
    made = create_frontend(f"{published('hubert-group').folder}?output=weighted")
    assert made.layer_sum.weights.tolist() == [0.0] * 4


def test_a_card_that_says_nothing_or_another_thing_is_an_error(published, tmp_path):
    folder = published("w2v-bert").folder
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).symlink_to(folder / name)
    with pytest.raises(CheckpointError, match=r"has no preprocessor_config\.json.*choose waveform"):
        frontend_config(f"{tmp_path}?waveform=card")
    for field, value in (("sampling_rate", 8_000), ("stride", 1), ("do_normalize", "yes")):
        (tmp_path / "preprocessor_config.json").write_text(json.dumps({field: value}))
        with pytest.raises(CheckpointError, match=f"{field} should be .*, but is"):
            frontend_config(f"{tmp_path}?waveform=card")


@pytest.mark.parametrize("how", ["utterance", "utterance-fairseq"])
def test_each_row_is_normalised_by_its_own_samples(how):
    made = create_frontend(f"xls-r-tiny?waveform={how}").eval()
    waveforms, lengths = 3 * torch.randn(2, 4_000) + 1, torch.tensor([4_000, 2_000])
    features, counts = made(waveforms, lengths)
    for row, length, found, count in zip(waveforms, lengths, features, counts, strict=True):
        for scaled in (row[:length], 5 * row[:length] - 2):
            wanted, _ = made(scaled[None])
            torch.testing.assert_close(found[:count], wanted[0], rtol=1e-4, atol=1e-4)
