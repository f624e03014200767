"""Shortcuts of corpora that were made by hand: the one that is there is found, and no other."""

import json

import numpy as np
import pytest
import soundfile
from scipy.signal import butter, sosfilt

from fakemamba.data.trials import Trial
from fakemamba.evaluation.audit import CUES, TOGETHER, AuditError, audit, untied_ranks

RATE_HZ = 16_000
COUNT = 60  # recordings of each class
LOW_PASS = butter(6, 4_000, fs=RATE_HZ, output="sos")
# What is done to the spoofs alone, and the cues that it changes.
SHORTCUTS = {
    "none": (),
    "duration": ("duration_s",),
    "level": ("level_dbfs", "peak_dbfs"),
    "peak": ("peak_dbfs",),
    "before": ("leading_silence_s", "duration_s"),
    "after": ("trailing_silence_s", "duration_s"),
    "band": ("bandwidth_hz",),
    "digital": ("digital_silence_share",),
    "offset": ("dc_offset",),
}


def recording(rng, trick):
    """Noise with silence around it, all of which vary as much in both classes but for a trick."""
    before, after = (rng.uniform(0.05, 0.15, 2) * RATE_HZ).astype(int)
    speech = rng.standard_normal(int(rng.uniform(0.3, 0.5) * RATE_HZ))
    speech = np.tile(speech, 1 + (trick == "duration"))
    if trick == "band":
        speech = sosfilt(LOW_PASS, speech)
    # Clipped, so that the peak does not depend on the length.
    peak = rng.uniform(2.2, 2.6) * (1.3 if trick == "peak" else 1)
    speech = 0.1 * np.clip(speech / speech.std(), -peak, peak)
    before, after = before * (1 + (trick == "before")), after * (1 + (trick == "after"))
    around = [2e-4 * rng.standard_normal(length) for length in (before, after)]
    samples = np.concatenate([around[0], speech, around[1]])
    samples -= samples.mean()
    if trick == "digital":
        samples[: before // 2] = 0
    samples *= rng.uniform(0.5, 1.0) * (0.3 if trick == "level" else 1)
    return samples + rng.uniform(-1e-4, 1e-4) + 0.01 * (trick == "offset")


@pytest.fixture
def corpus(tmp_path):
    """Write a corpus whose spoofs have a trick, and give its trials."""

    def make(trick, attacks=("A01", "A02"), speakers=None):
        rng, trials = np.random.default_rng(5), []
        for place in range(2 * COUNT):
            is_spoof = place % 2 == 1
            attack = attacks[place // 2 % len(attacks)] if is_spoof else None
            path = tmp_path / f"{trick}{place}.wav"
            samples = recording(rng, trick if attack == attacks[0] or not attack else "none")
            samples = samples if is_spoof else recording(rng, "none")
            soundfile.write(path, samples, RATE_HZ, subtype="FLOAT")
            speaker = speakers and f"s{place % speakers}"
            label = "spoof" if is_spoof else "bonafide"
            trials.append(Trial(path.stem, path, label, attack=attack, speaker=speaker))
        return trials

    return make


@pytest.mark.parametrize("trick", SHORTCUTS)
def test_the_one_cue_that_differs_is_found(corpus, trick):
    found = audit(corpus(trick, attacks=("A01",)))
    assert [one.cue for one in found.shortcuts] == [*CUES, TOGETHER]
    expected = {*SHORTCUTS[trick], TOGETHER} if trick != "none" else set()
    assert {one.cue for one in found.shortcuts if one.gives_away} == expected
    for one in found.shortcuts:
        assert (one.bonafide, one.spoof) == (COUNT, COUNT)
        assert 0 <= one.low <= one.eer <= one.high <= 0.5
        if one.cue in expected:
            assert one.eer < 0.35
        elif trick == "none":
            assert one.eer > 0.35


def test_medians_say_which_class_has_more(corpus):
    by_cue = {one.cue: one for one in audit(corpus("level", ("A01",))).shortcuts}
    assert by_cue["level_dbfs"].bonafide_median > by_cue["level_dbfs"].spoof_median + 8
    assert by_cue[TOGETHER].bonafide_median is None


def test_an_attack_that_gives_itself_away_is_named(corpus):
    found = audit(corpus("offset"), per_attack=True).shortcuts
    of_attack = {(one.attack, one.cue): one for one in found if one.cue == "dc_offset"}
    assert of_attack["A01", "dc_offset"].eer == 0 and of_attack["A01", "dc_offset"].gives_away
    assert of_attack["A02", "dc_offset"].eer > 0.3
    assert not of_attack["A02", "dc_offset"].gives_away
    assert of_attack["A01", "dc_offset"].bonafide == COUNT
    assert 0.2 < of_attack[None, "dc_offset"].eer < 0.4  # a half of the spoofs


def test_speakers_are_kept_together_where_they_are_known(corpus):
    kept = [
        audit(corpus("none", speakers=speakers)).shortcuts[-1].kept_together
        for speakers in (6, None)
    ]
    assert kept == ["speaker", "attack"]


def test_bad_files_are_listed_and_the_others_are_heard(corpus):
    trials = corpus("none")
    trials[4].path.unlink()
    found = audit(trials)
    assert found.trials == 2 * COUNT - 1
    assert len(found.failures) == 1 and "none4.wav: no such file" in found.failures[0]


def test_a_cue_that_one_class_does_not_have_has_a_reason(corpus):
    trials = corpus("none")
    for trial in trials:
        if trial.label == "spoof":
            soundfile.write(trial.path, np.zeros(8_000), RATE_HZ)
    by_cue = {one.cue: one for one in audit(trials).shortcuts}
    level, together = by_cue["level_dbfs"], by_cue[TOGETHER]
    assert level.eer is None and "nothing but silence" in level.reason and level.spoof == 0
    assert together.eer is None and "0 trials" in together.reason
    assert by_cue["digital_silence_share"].eer == 0


def test_the_same_corpus_gives_the_same_audit_as_json(corpus):
    trials = corpus("band")
    first, second = (json.dumps(audit(trials).to_json(), allow_nan=False) for _ in range(2))
    assert first == second
    content = json.loads(first)
    assert content["shortcuts"][0]["cue"] == "duration_s" and "50 % is chance" in content["rule"]


def test_a_corpus_of_one_class_cannot_be_audited(corpus):
    trials = corpus("none")
    with pytest.raises(AuditError, match="no spoof recording among 60"):
        audit(trial for trial in trials if trial.label == "bonafide")
    with pytest.raises(AuditError, match="x has no label"):
        audit([Trial("x", trials[0].path)])


def test_a_lot_decides_between_equal_values_and_nothing_else():
    values = np.array([3.0, 1.0, 1.0, 2.0, 1.0])
    ranks = untied_ranks(values, 0)
    assert sorted(ranks) == [0, 1, 2, 3, 4] and ranks[0] == 4 and ranks[3] == 3
    assert len({tuple(untied_ranks(values, seed)) for seed in range(20)}) > 3
