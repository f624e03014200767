"""Files to scores."""

import numpy as np
import pytest
import soundfile
import torch

from fakemamba.data.audio import AudioError, cut_or_tile, read_audio
from fakemamba.data.synthetic import speech_like
from fakemamba.evaluation.scoring import check_stems, score_files, write_scores


@pytest.fixture
def recordings(tmp_path):
    paths = []
    for seed, num_samples in enumerate((16_000, 5_000, 900)):
        paths.append(tmp_path / f"clip{seed}.wav")
        soundfile.write(paths[-1], speech_like(num_samples, seed), 16_000, subtype="FLOAT")
    return paths


@torch.inference_mode()
def test_a_score_is_the_bona_fide_logit_of_the_whole_file(recordings, make_detector):
    detector = make_detector("fake-mamba-s")
    for path, score in score_files(detector, recordings):
        assert score == detector(torch.from_numpy(read_audio(path))[None])[0, 1].item()


@torch.inference_mode()
def test_a_fixed_length_cuts_or_tiles(recordings, make_detector):
    detector = make_detector("fake-mamba-s")
    for path, score in score_files(detector, recordings, num_samples=8_000):
        clip = torch.from_numpy(cut_or_tile(read_audio(path), 8_000))
        assert score == detector(clip[None])[0, 1].item()


def test_a_file_that_cannot_be_read_does_not_stop_the_others(recordings, make_detector):
    recordings.insert(1, recordings[0].with_name("absent.wav"))
    results = dict(score_files(make_detector("fake-mamba-s"), recordings))
    assert isinstance(results[recordings[1]], AudioError)
    assert sum(isinstance(result, float) for result in results.values()) == 3


def test_a_clip_that_is_too_short_for_the_detector_is_refused(recordings, make_detector):
    results = dict(score_files(make_detector("xlsr-aasist"), recordings))
    assert "XLSRAASIST needs 1040" in str(results[recordings[2]])
    tiled = dict(score_files(make_detector("xlsr-aasist"), recordings, num_samples=4_000))
    assert np.isfinite(list(tiled.values())).all()


def test_score_lines_have_nine_significant_digits(tmp_path):
    write_scores(tmp_path / "deep" / "scores.txt", {"a": 1 / 3, "b": -123456.789012})
    assert (tmp_path / "deep" / "scores.txt").read_text() == "a 0.333333333\nb -123456.789\n"
    assert len(list((tmp_path / "deep").iterdir())) == 1


def test_files_with_one_stem_are_refused(tmp_path):
    with pytest.raises(ValueError, match="several files are called a:"):
        check_stems([tmp_path / "a.wav", tmp_path / "b" / "a.flac"])
