"""Masks, flips and batch statistics: padding never counts."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from fakemamba.models.masking import FrameBatchNorm, flip_frames, frame_mask, masked_mean

LENGTHS = st.lists(st.integers(1, 9), min_size=1, max_size=4)


def ragged(lengths, width=3):
    """Frames (B, T, width) whose padding is garbage."""
    return torch.randn(len(lengths), max(lengths), width) * 10, torch.tensor(lengths)


@given(LENGTHS)
def test_flipping_twice_changes_nothing(lengths):
    frames, counts = ragged(lengths)
    torch.testing.assert_close(flip_frames(flip_frames(frames, counts), counts), frames)


@given(LENGTHS)
def test_each_utterance_is_flipped_by_itself(lengths):
    frames, counts = ragged(lengths)
    flipped = flip_frames(frames, counts)
    for row, length in enumerate(lengths):
        torch.testing.assert_close(flipped[row, :length], frames[row, :length].flip(0))


@given(LENGTHS)
def test_a_mean_is_that_of_the_utterance_alone(lengths):
    frames, counts = ragged(lengths)
    means = masked_mean(frames, counts)
    for row, length in enumerate(lengths):
        torch.testing.assert_close(means[row], frames[row, :length].mean(0))


@given(LENGTHS.filter(lambda lengths: sum(lengths) > 1))
def test_training_statistics_leave_padding_out(lengths):
    frames, counts = ragged(lengths)
    valid = frame_mask(counts, frames.shape[1])
    ours, plain = FrameBatchNorm(3), torch.nn.BatchNorm1d(3)
    normed = ours(frames, valid)
    torch.testing.assert_close(normed[valid], plain(frames[valid]))
    torch.testing.assert_close(ours.running_var, plain.running_var)
    assert not normed[~valid].any()
