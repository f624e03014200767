"""Batches: every trial once, within the budget, and no more of the list in memory than a window."""

import threading
import tracemalloc

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

from fakemamba.data import reading
from fakemamba.data.audio import Recording, cut_or_tile, read_audio
from fakemamba.data.batches import batches
from fakemamba.data.trials import Trial

BUDGET = 10_000


def constant(path, *, allow_damaged):
    samples = np.full(int(path), int(path), dtype=np.float32)
    return Recording(samples, len(samples) / 16_000)


@pytest.fixture
def lengths(monkeypatch):
    """Recordings that need no files: a trial's duration in samples is its path."""
    monkeypatch.setattr(reading, "read_recording", constant)

    def make(samples):
        return [Trial(f"t{i}", n, duration_s=n / 16_000) for i, n in enumerate(samples)]

    return make


def sizes(made):
    return [tuple(batch.waveforms.shape) for batch in made]


def test_every_row_is_its_recording_and_zeros(lengths):
    trials = lengths([500, 3_000, 400, 2_999, 7_000])
    seen = {}
    for batch in batches(trials, budget_samples=BUDGET, workers=2):
        for trial, row, length in zip(
            batch.trials, batch.waveforms, batch.lengths.tolist(), strict=True
        ):
            assert length == trial.path and trial.trial_id not in seen
            assert (row[:length] == length).all() and not row[length:].any()
            seen[trial.trial_id] = length
    assert len(seen) == len(trials)


@given(
    samples=st.lists(st.integers(400, 12_000), max_size=60),
    window=st.integers(1, 70),
    budget=st.integers(1, 40_000),
)
def test_no_trial_is_lost_or_doubled_and_no_batch_is_over_the_budget(samples, window, budget):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "read_recording", constant)
        # A header that is wrong by half either way must change the order only.
        trials = [
            Trial(str(i), n, duration_s=n * (0.5 + i % 3 / 2) / 16_000)
            for i, n in enumerate(samples)
        ]
        made = list(batches(trials, budget_samples=budget, workers=2, window=window))
    names = [trial.trial_id for batch in made for trial in batch.trials]
    assert sorted(names, key=int) == [trial.trial_id for trial in trials]
    for count, longest in sizes(made):
        assert count == 1 or count * longest <= budget


def test_similar_lengths_are_put_together(lengths):
    rng = np.random.default_rng(0)
    trials = lengths(rng.integers(400, 9_000, 400).tolist())
    made = list(batches(trials, budget_samples=100_000, workers=2))
    padded = sum(count * longest for count, longest in sizes(made))
    assert padded < 1.1 * sum(trial.path for trial in trials)


def test_a_recording_over_the_budget_comes_alone(lengths):
    made = batches(lengths([3 * BUDGET, 500, 500]), budget_samples=BUDGET, workers=1)
    assert sizes(made) == [(1, 3 * BUDGET), (2, 500)]


def test_a_fixed_length_cuts_and_tiles(tmp_path):
    paths = [tmp_path / "a.wav", tmp_path / "b.wav"]
    for path, num_samples in zip(paths, (700, 5_000), strict=True):
        waveform = np.random.default_rng(0).uniform(-0.5, 0.5, num_samples)
        soundfile.write(path, waveform, 16_000, subtype="FLOAT")
    trials = [Trial(path.stem, path) for path in paths]
    (batch,) = batches(trials, budget_samples=BUDGET, workers=2, num_samples=1_600)
    assert batch.lengths.tolist() == [1_600, 1_600]
    assert [trial.trial_id for trial in batch.trials] == ["a", "b"]
    for row, path in zip(batch.waveforms, paths, strict=True):
        np.testing.assert_array_equal(row, cut_or_tile(read_audio(path), 1_600))


def test_what_cannot_be_read_is_a_failure_with_its_reason(tmp_path):
    good, empty = tmp_path / "good.wav", tmp_path / "empty.wav"
    soundfile.write(good, np.full(800, 0.1), 16_000)
    empty.touch()
    noise = tmp_path / "noise.flac"
    noise.write_bytes(b"no audio at all" * 50)
    bad = tmp_path / "nan.wav"
    soundfile.write(bad, np.full(800, np.nan), 16_000, subtype="FLOAT")
    paths = {"good": good, "empty": empty, "noise": noise, "nan": bad, "none": None}
    paths["absent"] = tmp_path / "absent.wav"
    trials = [Trial(name, path) for name, path in paths.items()]
    made = list(batches(trials, budget_samples=BUDGET, workers=2))
    reasons = {trial.trial_id: reason for batch in made for trial, reason in batch.failures}
    assert [trial.trial_id for batch in made for trial in batch.trials] == ["good"]
    assert set(reasons) == set(paths) - {"good"}
    wanted = {
        "empty": "empty.wav: the file is empty",
        "noise": "neither libsndfile nor FFmpeg",
        "nan": "sample 0 is not a finite number",
        "none": "no audio file is known",
        "absent": "absent.wav: no such file",
    }
    for name, text in wanted.items():
        assert text in reasons[name]


def test_damage_goes_with_its_trial(tmp_path):
    trials = [Trial(name, tmp_path / f"{name}.wav") for name in ("whole", "cut")]
    for trial in trials:
        soundfile.write(trial.path, np.full(1_600, 0.1), 16_000)
    trials[1].path.write_bytes(trials[1].path.read_bytes()[:-1_600])
    how = {"budget_samples": BUDGET, "workers": 1}
    (reason,) = (reason for batch in batches(trials, **how) for _, reason in batch.failures)
    assert "cut.wav: damaged" in reason
    (batch,) = batches(trials, **how, allow_damaged=True)
    assert batch.lengths.tolist() == [1_600, 800] and list(batch.damage) == ["cut"]


@pytest.mark.parametrize("window", [10, 64])
def test_the_list_is_read_two_windows_ahead_at_most(lengths, window):
    read = 0

    def counted():
        nonlocal read
        for trial in lengths([1_000] * 2_000):
            read += 1
            yield trial

    given_out = 0
    for batch in batches(counted(), budget_samples=5_000, workers=2, window=window):
        given_out += len(batch.trials)
        assert read - given_out <= 2 * window


def test_memory_does_not_grow_with_the_list(lengths):
    def peak_bytes(count):
        trials = (Trial(f"utterance-{i}", 400, duration_s=0.025) for i in range(count))
        tracemalloc.start()
        total = sum(
            len(batch.trials)
            for batch in batches(trials, budget_samples=4_000, workers=1, window=100)
        )
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert total == count
        return peak

    peak_bytes(300)  # what is made once
    assert peak_bytes(6_000) < 1.5 * peak_bytes(600)


def test_leaving_early_ends_the_threads(lengths):
    made = batches(lengths([1_000] * 500), budget_samples=2_000, workers=2, window=50)
    next(made)
    assert any(thread.name.startswith("decoding") for thread in threading.enumerate())
    made.close()
    assert not any(thread.name.startswith("decoding") for thread in threading.enumerate())


@pytest.mark.parametrize("name", ["budget_samples", "workers", "window", "num_samples"])
def test_numbers_below_one_are_refused(name):
    numbers = {"budget_samples": 1, "workers": 1, name: 0}
    with pytest.raises(ValueError, match=f"{name} is 0"):
        next(batches([], **numbers))


def test_headers_are_what_sorts_where_no_duration_is_known(tmp_path):
    trials = []
    for index, num_samples in enumerate((800, 4_000, 810, 4_010)):
        path = tmp_path / f"{index}.flac"
        soundfile.write(path, np.full(num_samples, 0.1), 16_000)
        trials.append(Trial(str(index), path))
    made = list(batches(trials, budget_samples=9_000, workers=2))
    assert [[t.trial_id for t in batch.trials] for batch in made] == [["3", "1"], ["2", "0"]]
    assert all(batch.waveforms.dtype == torch.float32 for batch in made)
