"""Trials to scores: those of each recording alone, in any batch, precision and memory."""

import numpy as np
import pytest
import soundfile
import torch
from torch import nn

from fakemamba.data.audio import cut_or_tile, read_audio
from fakemamba.data.synthetic import speech_like
from fakemamba.data.trials import Trial
from fakemamba.evaluation.manner import Manner
from fakemamba.evaluation.scoring import score_trials
from fakemamba.models.detector import Detector, UnsupportedInputError
from fakemamba.models.frontends.framing import Framing

LENGTHS = (16_000, 5_000, 900, 5_000, 12_345)


class Part(nn.Module):
    """A part made of a function of (input, lengths)."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, given, lengths=None):
        return self.function(given, lengths)


class Summing(Detector):
    """Its score is the sum of a recording's samples; ``watch`` sees every batch's shape."""

    framing = Framing(first_samples=400)

    def __init__(self, watch=lambda shape: None):
        nn.Module.__init__(self)

        def add(given, lengths):
            watch(tuple(given.shape))
            return given, lengths

        self.frontend = Part(add)
        self.encoder = Part(lambda given, lengths: given)
        self.head = Part(lambda given, lengths: given.sum(1)[:, None] * torch.tensor([0.0, 1.0]))


@pytest.fixture
def trials(tmp_path):
    paths = []
    for seed, num_samples in enumerate(LENGTHS):
        paths.append(tmp_path / f"clip{seed}.wav")
        soundfile.write(paths[-1], speech_like(num_samples, seed), 16_000, subtype="FLOAT")
    return [Trial(path.stem, path) for path in paths]


def results(detector, trials, budget_samples=100_000, **options):
    manner = Manner(batch_seconds=budget_samples / 16_000, **{"workers": 2, **options})
    scored = [one for some in score_trials(detector, trials, manner) for one in some]
    by_id = {one.trial.trial_id: one for one in scored}
    assert len(by_id) == len(scored) == len(trials)
    return by_id


@torch.inference_mode()
def alone(detector, trial, num_samples=None):
    clip = read_audio(trial.path)
    clip = clip if num_samples is None else cut_or_tile(clip, num_samples)
    return detector(torch.from_numpy(clip)[None])[0, 1].item()


def test_a_batch_of_one_gives_the_bona_fide_logit_of_the_whole_file(trials, make_detector):
    detector = make_detector("fake-mamba-s")
    scored = results(detector, trials, budget_samples=1)
    for trial, num_samples in zip(trials, LENGTHS, strict=True):
        one = scored[trial.trial_id]
        assert abs(one.score - alone(detector, trial)) < 1e-6 and one.num_samples == num_samples


@pytest.mark.parametrize("name", ["fake-mamba-s", "xlsr-conformer-tcm", "xlsr-aasist"])
def test_scores_do_not_depend_on_the_batch(name, trials, make_detector):
    detector = make_detector(name)
    usable = [t for t, n in zip(trials, LENGTHS, strict=True) if n >= detector.min_samples]
    scored = results(detector, usable)
    for trial in usable:
        assert abs(scored[trial.trial_id].score - alone(detector, trial)) < 1e-5


def test_a_fixed_length_cuts_or_tiles(trials, make_detector):
    detector = make_detector("fake-mamba-s")
    scored = results(detector, trials, length=8_000)
    for trial in trials:
        assert abs(scored[trial.trial_id].score - alone(detector, trial, 8_000)) < 1e-5
        assert scored[trial.trial_id].num_samples == 8_000


def test_a_file_that_cannot_be_read_does_not_stop_the_others(trials, make_detector, tmp_path):
    trials.insert(1, Trial("absent", tmp_path / "absent.wav"))
    scored = results(make_detector("fake-mamba-s"), trials)
    assert "absent.wav: no such file" in scored.pop("absent").reason
    assert all(one.score is not None and one.reason is None for one in scored.values())


def test_what_is_too_short_for_the_detector_is_refused_alone(trials, make_detector):
    detector = make_detector("xlsr-aasist")
    scored = results(detector, trials)
    short = scored.pop("clip2")
    assert short.score is None
    assert "clip2.wav" in short.reason and "XLSRAASIST needs 1040" in short.reason
    for trial in trials:
        if trial.trial_id != "clip2":
            assert abs(scored[trial.trial_id].score - alone(detector, trial)) < 1e-5
    tiled = results(detector, trials, length=4_000)
    assert all(one.score is not None for one in tiled.values())


def test_what_is_too_long_for_the_detector_is_refused_alone(trials):
    def refuse(shape):
        if shape[1] > 15_000:
            raise UnsupportedInputError("positions end at 15000")

    scored = results(Summing(refuse), trials)
    assert "clip0.wav: positions end at 15000" in scored.pop("clip0").reason
    assert all(one.score is not None for one in scored.values())


def test_where_memory_ends_batches_are_halved_and_stay_so(trials):
    shapes = []

    def limited(shape):
        shapes.append(shape)
        if shape[0] * shape[1] > 20_000:
            raise torch.OutOfMemoryError("stand-in")

    scored = results(Summing(limited), trials, budget_samples=80_000)
    for trial in trials:
        assert scored[trial.trial_id].score == pytest.approx(
            float(read_audio(trial.path).sum()), abs=1e-3
        )
    shapes.clear()
    many = [Trial(f"{trial.trial_id}-{k}", trial.path) for k in range(8) for trial in trials]
    assert all(one.score is not None for one in results(Summing(limited), many, 80_000).values())
    refused = [shape for shape in shapes if shape[0] * shape[1] > 20_000]
    assert 1 <= len(refused) <= 3  # not one a batch


def test_a_recording_that_does_not_fit_alone_is_a_failure_and_others_go_on(trials):
    def limited(shape):
        if shape[1] > 13_000:
            raise torch.OutOfMemoryError("stand-in")

    scored = results(Summing(limited), trials)
    assert "clip0.wav: out of memory with 1.0 s alone" in scored.pop("clip0").reason
    assert all(one.score is not None for one in scored.values())


def test_other_errors_of_a_detector_are_not_hidden(trials):
    def broken(shape):
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        results(Summing(broken), trials)


def test_a_score_that_is_no_number_is_a_failure(trials, make_detector):
    detector = make_detector("fake-mamba-s")
    with torch.no_grad():
        detector.head.classifier.bias.fill_(float("nan"))
    assert all("gives nan" in one.reason for one in results(detector, trials).values())


def test_bf16_is_near_fp32_and_its_scores_are_not_rounded_to_bf16(
    trials, make_detector, every_precision
):
    detector = make_detector("fake-mamba-s")
    exact, rough = results(detector, trials), results(detector, trials, precision="bf16")
    exact, rough = (np.array([r[t.trial_id].score for t in trials]) for r in (exact, rough))
    assert 0 < np.abs(exact - rough).max() < 0.05
    rounded = torch.tensor(rough).bfloat16().double().numpy()
    assert (rounded != rough).all()
    assert (rough == rough.astype(np.float32)).all()


def test_another_precision_is_refused(trials):
    with pytest.raises(ValueError, match="precision 'fp8' is not one of fp32, bf16"):
        results(Summing(), trials, precision="fp8")


@pytest.mark.parametrize(("precision", "error"), [("fp32", 1e-4), ("bf16", 0.05)])
def test_an_optimized_detector_gives_the_same_scores(
    trials, make_detector, every_precision, precision, error
):
    detector = make_detector("xlsr-conformer")
    options = {"execution": "eager", "precision": precision}
    for length in (None, 6_000):
        wanted = results(detector, trials, length=length)
        found = results(detector, trials, length=length, **options)
        assert all(abs(found[name].score - one.score) < error for name, one in wanted.items())


def test_another_execution_is_refused(trials):
    with pytest.raises(ValueError, match="execution 'fast' is not one of plain, eager"):
        results(Summing(), trials, execution="fast")


def test_a_batch_is_launched_before_the_last_ones_scores_are_read(trials):
    launched, done = [], []
    manner = Manner(batch_seconds=1 / 16_000, workers=1)
    for some in score_trials(Summing(launched.append), trials, manner):
        assert len(some) == 1 and len(launched) == min(len(trials), len(done) + 2)
        done.append(some[0].trial)
