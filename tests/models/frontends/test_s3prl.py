"""s3prl's number of frames: a frame for every 320 samples begun, whatever a network makes."""

import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fakemamba import create_detector, from_pretrained, save_pretrained
from fakemamba.data.synthetic import speech_like
from fakemamba.models.detector import UnsupportedInputError
from fakemamba.models.execution.fast_frontend import FastFrontend
from fakemamba.models.frontend import FRONTEND_SIZES, Frontend

WHISPER = replace(
    FRONTEND_SIZES["whisper-tiny"], hidden_size=32, num_layers=1, num_heads=4, ffn_size=48
)
NAMES = ("xls-r-tiny", "wavlm-tiny", "w2v-bert-tiny", "whisper")


def made(name, frames="s3prl", **changes):
    torch.manual_seed(0)
    config = WHISPER if name == "whisper" else FRONTEND_SIZES[name]
    return Frontend(replace(config, frames=frames, **changes)).eval()


def speech(num_samples, seed=0):
    return torch.from_numpy(speech_like(num_samples, seed))


@given(st.integers(0, 10**7))
def test_a_frame_is_counted_for_every_320_samples_begun(num_samples):
    framing = replace(FRONTEND_SIZES["wavlm-base-plus"], frames="s3prl").framing
    assert framing.frame_count(num_samples) == -(-num_samples // 320)
    assert framing.frame_counts(torch.tensor([num_samples])).tolist() == [-(-num_samples // 320)]
    if num_samples:
        count = framing.frame_count(num_samples)
        assert framing.samples_for(count) <= num_samples < framing.samples_for(count + 1)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("num_samples", [801, 1_000, 1_040, 8_123, 16_000])
@torch.inference_mode()
def test_what_the_network_does_not_make_are_copies_of_its_last_frame(name, num_samples):
    waveforms = speech(num_samples)[None]
    found, wanted = made(name)(waveforms)[0], made(name, "network")(waveforms)[0]
    count, own = -(-num_samples // 320), wanted.shape[1]
    assert found.shape[1] == count >= own
    assert torch.equal(found[:, :own], wanted)
    assert torch.equal(found[:, own:], wanted[:, -1:].expand(-1, count - own, -1))


@pytest.mark.parametrize("num_samples", [1, 320, 321, 799, 800])
@torch.inference_mode()
def test_less_than_50_ms_is_filled_up_with_silence(num_samples):
    waveforms = torch.zeros(1, 800)
    waveforms[0, :num_samples] = speech(800)[:num_samples]
    found, _ = made("wavlm-tiny")(waveforms[:, :num_samples])
    own, _ = made("wavlm-tiny", "network")(waveforms)
    wanted = torch.cat([own, own[:, -1:]], 1)[:, : -(-num_samples // 320)]
    assert torch.equal(found, wanted)


def test_any_utterance_has_a_frame():
    frontend = made("xls-r-tiny")
    assert frontend.min_samples == 1
    with pytest.raises(UnsupportedInputError, match="0 samples is too short"):
        frontend(torch.zeros(1, 0))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=6)
@given(lengths=st.lists(st.integers(1, 3_000), min_size=1, max_size=3), seed=st.integers(0, 99))
@torch.inference_mode()
def test_a_row_depends_on_its_own_samples_alone(name, lengths, seed):
    frontend = made(name, output="all-normed", waveform="utterance")
    waveforms = torch.randn(len(lengths), max(lengths), generator=torch.manual_seed(seed))
    alone = []
    for row, length in zip(waveforms, lengths, strict=True):
        row[:length] = speech(length, seed)
        alone.append(frontend(row[None, :length])[0][0])
    features, counts = frontend(waveforms, torch.tensor(lengths))
    assert features.shape[2] == max(counts.tolist())
    # Of few frames w2v-BERT's normalisation enlarges the rounding of a batch's transform.
    close = {"rtol": 1e-2, "atol": 1e-2} if "bert" in name else {"rtol": 1e-4, "atol": 1e-4}
    for row, count, wanted in zip(features, counts.tolist(), alone, strict=True):
        assert wanted.shape[1] == count
        torch.testing.assert_close(row[:, :count], wanted, **close)


@pytest.mark.parametrize("output", ["last", "all", "weighted"])
@torch.inference_mode()
def test_the_fast_front_end_has_the_same_frames(output):
    plain = made("xls-r-tiny", output=output, waveform="utterance")
    fast = FastFrontend(plain)
    lengths = torch.tensor([8_000, 1_000, 500])
    waveforms = torch.stack([speech(8_000, seed) for seed in range(3)])
    wanted, counts = plain(waveforms, lengths)
    found, found_counts = fast(waveforms, lengths)
    assert torch.equal(counts, found_counts) and found.shape == wanted.shape
    for row, other, count in zip(found, wanted, counts.tolist(), strict=True):
        torch.testing.assert_close(row[..., :count, :], other[..., :count, :], rtol=1e-4, atol=1e-4)
    short = waveforms[:, :500]
    torch.testing.assert_close(fast(short)[0], plain(short)[0], rtol=1e-4, atol=1e-4)


def test_checkpoints_that_know_nothing_of_it_are_those_of_the_networks_frames(tmp_path):
    saved = create_detector("xlsr-mamba", "wavlm-tiny?output=weighted", depth=1).eval()
    save_pretrained(saved, tmp_path)
    record = json.loads((tmp_path / "config.json").read_text())
    assert "family" in record["frontend"] and "frames" not in record["frontend"]
    assert from_pretrained(tmp_path).config == saved.config

    chosen = create_detector("xlsr-mamba", "xls-r-tiny?frames=s3prl", depth=1).eval()
    save_pretrained(chosen, tmp_path)
    record = json.loads((tmp_path / "config.json").read_text())
    assert "family" not in record["frontend"] and record["frontend"]["frames"] == "s3prl"
    read = from_pretrained(tmp_path)
    assert read.config == chosen.config
    torch.testing.assert_close(read(speech(4_000)[None]), chosen(speech(4_000)[None]))
