"""Which clips make a step, and what becomes of a recording."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fakemamba.data.augmentation import parse_augmentation, utterance_rng
from fakemamba.data.manifest import iterate_manifest
from fakemamba.data.synthetic import speech_like
from fakemamba.data.trials import Trial
from fakemamba.training.clips import ClipsOfEpoch, Preparation, load, shuffled_batches


@given(st.integers(1, 200), st.integers(1, 30), st.integers(0, 9), st.integers(1, 9))
def test_an_epoch_has_whole_batches_of_different_clips(count, size, seed, epoch):
    batches = shuffled_batches(count, size, seed, epoch)
    places = [place for batch in batches for place in batch]
    assert len(batches) == count // size and all(len(batch) == size for batch in batches)
    assert len(set(places)) == len(places) and set(places) <= set(range(count))


def test_epochs_and_seeds_have_orders_of_their_own_that_come_back():
    first = shuffled_batches(100, 10, seed=1, epoch=1)
    assert first == shuffled_batches(100, 10, seed=1, epoch=1)
    assert first != shuffled_batches(100, 10, seed=1, epoch=2)
    assert first != shuffled_batches(100, 10, seed=2, epoch=1)


def test_first_takes_the_beginning_and_repeats_what_is_too_short():
    prepare = Preparation(1_000, "first", None, seed=0)
    long, short = speech_like(3_000, 0), speech_like(400, 1)
    assert np.array_equal(prepare(long, "a", 1).waveform, long[:1_000])
    assert np.array_equal(prepare(short, "b", 1).waveform, np.tile(short, 3)[:1_000])


def test_random_takes_every_stretch_and_another_one_each_epoch():
    prepare = Preparation(1_000, "random", None, seed=0)
    ramp = np.arange(1_004, dtype=np.float32)
    begins = [int(prepare(ramp, "a", epoch).waveform[0]) for epoch in range(100)]
    assert set(begins) == {0, 1, 2, 3, 4}
    assert begins == [prepare(ramp, "a", epoch).start for epoch in range(100)]


def test_a_clip_is_augmented_before_it_is_cut():
    augment = parse_augmentation("rawboost:5")
    clip = speech_like(5_000, 0)
    expected = augment(clip, utterance_rng(7, 3, "a"))[:1_000]
    prepare = Preparation(1_000, "first", augment, seed=7)
    assert np.array_equal(prepare(clip, "a", 3).waveform, expected)


@pytest.fixture
def epoch_clips(manifests):
    trials = list(iterate_manifest(manifests[0], need_label=True))

    def make(crop="random"):
        preparation = Preparation(3_200, crop, parse_augmentation("rawboost:4"), seed=1)
        return ClipsOfEpoch(trials, preparation, epoch=2)

    return make


def test_clips_do_not_depend_on_the_number_of_workers(epoch_clips):
    batches = [[3, 0, 7], [1, 2]]
    alone = list(load(epoch_clips(), batches, workers=0, pin=False))
    shared = list(load(epoch_clips(), batches, workers=2, pin=False))
    for one, other in zip(alone, shared, strict=True):
        assert torch.equal(one.waveforms, other.waveforms)
        assert one.labels.tolist() == other.labels.tolist()
    assert alone[0].waveforms.shape == (3, 3_200) and alone[0].lengths is None
    assert alone[0].labels.tolist() == [0, 1, 0]  # every second one is bona fide


def test_whole_clips_are_padded_and_tell_their_lengths(epoch_clips):
    (clips,) = load(epoch_clips("whole"), [[0, 2, 1]], workers=0, pin=False)
    assert clips.lengths.tolist() == [4_000, 5_000, 4_500]
    assert clips.waveforms.shape == (3, 5_000)
    assert not clips.waveforms[0, 4_000:].any() and clips.waveforms[0, :4_000].any()


def test_a_recording_that_cannot_be_read_is_named(tmp_path):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF")
    trials = [Trial("a", broken, label="spoof")]
    clips = ClipsOfEpoch(trials, Preparation(1_000, "first", None, seed=0), epoch=1)
    (loaded,) = load(clips, [[0]], workers=0, pin=False)
    assert len(loaded.reasons) == 1 and str(broken) in loaded.reasons[0]
