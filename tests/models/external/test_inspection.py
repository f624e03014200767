"""What trying an external detector shows, and that what it lacks is worked around."""

import re

import pytest
import torch

from fakemamba.models.external.names import ExternalDetectorError
from fakemamba.models.registry import create_detector

CPU = torch.device("cpu")


def inspected(code, body, parameters="waveforms"):
    """What is found of a function of others, and the detector."""
    name = code("calls = []\ndef detector(" + parameters + "):\n    " + body)
    detector = create_detector(f"{name}:detector").eval()
    return detector.inspected(CPU), detector


def alone(detector, rows):
    with torch.inference_mode():
        return torch.cat([detector(row[None]) for row in rows])


def ragged(lengths=(9_000, 16_000, 12_345)):
    generator = torch.Generator().manual_seed(1)
    rows = [torch.randn(length, generator=generator) for length in lengths]
    return rows, torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), torch.tensor(lengths)


def test_one_that_needs_nothing(code):
    found, _ = inspected(code, "return waveforms.square().mean(1)")
    assert found.batches and not found.batches_by_lengths
    assert not found.changes_input and not found.prints and found.notes == ()


def test_one_that_normalises_over_the_batch_is_run_row_by_row(code):
    found, detector = inspected(
        code, "return ((waveforms - waveforms.mean()) / waveforms.std()).abs().amax(1)"
    )
    assert not found.batches
    (note,) = found.notes
    assert note.startswith("rows are run one at a time: together their logits differ by up to")
    rows, batch, lengths = ragged()
    with torch.inference_mode():
        assert torch.equal(detector(batch, lengths), alone(detector, rows))
        assert torch.equal(detector(batch), alone(detector, batch))


def test_one_that_takes_lengths_and_heeds_them_is_run_in_ragged_batches(code):
    found, detector = inspected(
        code,
        "calls.append(len(waveforms)); "
        "n = torch.full((len(waveforms),), waveforms.shape[1]) if lengths is None else lengths; "
        "return waveforms.square().sum(1) / n",
        "waveforms, lengths=None",
    )
    assert found.batches_by_lengths and found.notes == ()
    rows, batch, lengths = ragged()
    with torch.inference_mode():
        together = detector(batch, lengths)
    calls = detector.network.function.__globals__["calls"]
    assert calls[-1] == 3
    torch.testing.assert_close(together, alone(detector, rows))


def test_one_that_takes_lengths_but_hears_the_padding_is_run_row_by_row(code):
    found, detector = inspected(
        code, "return waveforms.square().mean(1)", "waveforms, lengths=None"
    )
    assert found.batches and not found.batches_by_lengths
    (note,) = found.notes
    assert note.startswith("rows of other lengths are run one at a time: together their logits")
    rows, batch, lengths = ragged()
    with torch.inference_mode():
        assert torch.equal(detector(batch, lengths), alone(detector, rows))


def test_one_that_cannot_do_without_lengths_gets_them(code):
    found, detector = inspected(
        code, "return waveforms.square().sum(1) / lengths", "waveforms, lengths"
    )
    assert found.batches_by_lengths and detector.takes_lengths
    assert detector(torch.ones(2, 800)).tolist() == [[0, 1], [0, 1]]


@pytest.mark.parametrize(
    "parameters", ["waveforms, mask=None, lengths=None", "waveforms, *, lengths"]
)
def test_lengths_are_told_by_their_name(code, parameters):
    found, _ = inspected(
        code,
        "n = waveforms.shape[1] if lengths is None else lengths; "
        "return waveforms.square().sum(1) / n",
        parameters,
    )
    assert found.batches_by_lengths and found.notes == ()


def test_one_that_writes_into_its_input_gets_a_copy(code):
    found, detector = inspected(code, "return waveforms.mul_(2).square().mean(1)")
    assert found.changes_input
    given = torch.ones(1, 8_000)
    assert detector(given).tolist() == detector(given).tolist() and bool((given == 1).all())


def test_one_that_prints_is_silenced(code, capsys):
    found, detector = inspected(code, "print('shape', waveforms.shape); return waveforms.mean(1)")
    detector(torch.ones(2, 800))
    assert found.prints and capsys.readouterr().out == ""


def test_one_that_rolls_dice_is_noted(code):
    found, _ = inspected(code, "return waveforms.mean(1) + torch.rand(len(waveforms))")
    assert found.notes[0] == "it gives another score when it is given the same waveform again"


def test_one_that_fails_for_batches_is_run_row_by_row(code):
    found, detector = inspected(
        code, "assert len(waveforms) == 1, 'one at a time'; return waveforms.mean(1)"
    )
    assert found.notes == (
        "rows are run one at a time: together they fail (AssertionError: one at a time)",
    )
    assert detector(torch.ones(3, 800)).shape == (3, 2)


def refusal(code, body):
    with pytest.raises(ExternalDetectorError) as caught:
        inspected(code, body)
    first, _, told = str(caught.value).partition("\n")
    return first.partition(":detector")[2].strip(), told


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            "return waveforms.new_ones(len(waveforms), 2)",
            "gives the same for all waveforms, [1.0, 1.0]: are its weights loaded, and does it use "
            "its input?",
        ),
        ("return waveforms.mean(1) / 0 * 0", "gives [0.0, nan] for noise of a second"),
        (
            "return waveforms.mean(1).to('meta')",
            "was asked to run on cpu, but its output is on meta: it chooses its device itself, so "
            "ask for that one",
        ),
        ("return None", ": it returns 'NoneType', but should return a tensor"),
        (
            "return (waveforms, 1)",
            ": it returns a tuple of 2 values, but should return one tensor; "
            "a wrapper's forward can choose",
        ),
    ],
)
def test_what_gives_no_scores_is_told_in_a_line(code, body, told):
    assert refusal(code, body) == (told, "")


@pytest.mark.skipif(torch.cuda.is_available(), reason="it would run")
def test_one_that_asks_for_a_gpu_shows_where(code):
    first, told = refusal(code, "return waveforms.cuda().mean(1)")
    assert first.startswith("fails on waveforms (1, 16000): ") and re.search("CUDA|NVIDIA", first)
    assert "waveforms.cuda()" in told and "detector.py" not in told


def test_one_that_fails_shows_its_own_frames(code):
    first, told = refusal(code, "return undefined")
    assert first == "fails on waveforms (1, 16000): NameError: name 'undefined' is not defined"
    assert told.startswith("Traceback") and told.count("  File ") == 1


def test_one_that_leaves_python_is_only_a_failure(code):
    assert refusal(code, "raise SystemExit(0)")[0] == (
        "fails on waveforms (1, 16000): SystemExit: 0"
    )


def test_it_is_tried_once_and_nothing_is_kept_of_it(code):
    _, detector = inspected(code, "calls.append(1); return waveforms.mean(1)")
    calls = detector.network.function.__globals__["calls"]
    before = len(calls)
    detector.inspected(CPU)
    assert len(calls) == before
    detector(torch.ones(1, 800))
    assert len(calls) == before + 1
