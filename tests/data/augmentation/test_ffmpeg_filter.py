"""FFmpeg's filters: what comes out of them, and that no thread of theirs is ever there."""

import av
import numpy as np
import psutil
import pytest

from fakemamba.data.ffmpeg_filter import filtered


def frames(*samples, rate_hz=16_000):
    for block in samples:
        frame = av.AudioFrame.from_ndarray(np.array([block], np.int16), format="s16", layout="mono")
        frame.sample_rate = rate_hz
        yield frame


def test_samples_of_any_format_come_out_as_floats():
    blocks = list(filtered(frames([0, 16_384], [-32_768]), "anull"))
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), [[0.0, 0.5, -1.0]])
    assert all(block.dtype == np.float32 for block in blocks)
    assert list(filtered(frames(), "anull")) == []


def test_what_a_filter_keeps_back_comes_at_the_end():
    telephone = frames([1_000] * 8_000, rate_hz=8_000)
    blocks = list(filtered(telephone, "aresample", "16000"))
    assert len(blocks) > 1 and sum(block.shape[1] for block in blocks) == 16_000


def test_a_filter_has_no_threads_that_a_forked_process_would_wait_for():
    process = psutil.Process()
    before = process.num_threads()
    blocks = filtered(frames([1] * 4_000, [2] * 4_000), "aresample", "8000")
    next(blocks)
    assert process.num_threads() == before  # the filter is in use
    list(blocks)


@pytest.mark.parametrize(
    ("given", "name", "arguments"),
    [
        ((*frames([1]), *frames([1], rate_hz=8_000)), "anull", None),
        (frames([1]), "aresample", "no=1"),
    ],
)
def test_what_a_filter_cannot_do_is_an_error_of_ffmpegs(given, name, arguments):
    with pytest.raises(av.FFmpegError):
        list(filtered(given, name, arguments))
