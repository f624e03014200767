"""Seams that leak the label, and seams that do not."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from fakemamba.data.trials import Trial
from fakemamba.evaluation.audit import AuditError
from fakemamba.evaluation.metrics.segments import Segment
from fakemamba.evaluation.seam_audit import SEAM_CUES, audit_seams, seam_figures

RATE_HZ = 16_000
COUNT = 40


@pytest.fixture
def corpus(tmp_path):
    """Write recordings with a cut at 0.25 s, and give their trials and segments.

    At a spoof's cut the level falls by ``step_db``, and all but low tones go where ``is_dull``.
    """

    def make(step_db=0.0, is_dull=False):
        rng, trials, segments = np.random.default_rng(0), [], {}
        for number in range(COUNT):
            is_spoof = number % 2 == 1
            sides = 0.1 * rng.standard_normal((2, RATE_HZ // 4))
            sides[1] *= 10 ** (rng.normal() / 20)
            if is_spoof:
                sides[1] *= 10 ** (-step_db / 20)
                if is_dull:
                    sides[1] = np.convolve(sides[1], np.ones(8) / np.sqrt(8), mode="same")
            name = f"r{number}"
            soundfile.write(tmp_path / f"{name}.wav", sides.ravel(), RATE_HZ, subtype="FLOAT")
            label = "spoof" if is_spoof else "bonafide"
            trials.append(Trial(name, tmp_path / f"{name}.wav", label))
            segments[name] = [Segment(0, 0.25, True), Segment(0.25, 0.5, not is_spoof)]
        return trials, segments

    return make


def test_seams_that_are_alike_give_nothing_away(corpus):
    for one in audit_seams(*corpus()):
        assert (one.bonafide, one.spoof) == (COUNT // 2, COUNT // 2)
        assert one.low <= one.eer <= one.high == 0.5 and not one.gives_away


@pytest.mark.parametrize(
    ("how", "cue"), [({"step_db": 9.0}, SEAM_CUES[0]), ({"is_dull": True}, SEAM_CUES[1])]
)
def test_a_seam_that_differs_gives_the_class_away(corpus, how, cue):
    found = {one.cue: one for one in audit_seams(*corpus(**how))}
    assert list(found) == list(SEAM_CUES)
    assert found[cue].gives_away and found[cue].eer < 0.2
    assert found[cue].spoof_median > found[cue].bonafide_median + 1


def test_the_step_of_the_level_is_in_decibels():
    samples = np.concatenate([np.full(400, 0.1), np.full(400, 0.01)]).astype(np.float32)
    step_db, flux_db = seam_figures(samples, 400)
    assert step_db == pytest.approx(20, abs=1e-4) and flux_db > 0
    assert seam_figures(samples, 319) is None and seam_figures(samples, 481) is None
    assert seam_figures(np.zeros(800, np.float32), 400) == (0, 0)


def test_recordings_without_cuts_or_sound_are_passed_over(corpus):
    trials, segments = corpus()
    segments["r0"] = [Segment(0, 0.5, True)]
    trials[2].path.write_bytes(b"no audio")
    trials.append(replace(trials[0], trial_id="unlabelled"))
    found = audit_seams(trials, segments)
    assert {(one.bonafide, one.spoof) for one in found} == {(COUNT // 2 - 2, COUNT // 2)}


def test_a_class_without_cuts_is_told(corpus):
    trials, segments = corpus()
    real = [one for one in trials if one.label == "bonafide"]
    with pytest.raises(AuditError, match="no spoof among these recordings has a cut"):
        audit_seams(real, segments)
    with pytest.raises(AuditError, match="no control among"):
        audit_seams(trials, {})


def test_one_recording_of_a_class_has_a_figure_without_an_interval(corpus):
    trials, segments = corpus()
    found = audit_seams(trials[:2], segments)
    assert all(one.eer is not None and one.high is None for one in found)
    assert all(one.reason.startswith("no interval: ") for one in found)
