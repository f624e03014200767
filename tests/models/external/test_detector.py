"""An external detector is called, moved, kept and taken apart as ours are."""

import pytest
import torch

from fakemamba.models.detector import UnsupportedInputError
from fakemamba.models.execution.modes import UnsupportedSettingError
from fakemamba.models.external.names import ExternalDetectorError
from fakemamba.models.registry import create_detector

NET = """
class Net(nn.Module):
    parts = {"front-end": "filters", "encoder": "layers", "head": "last"}

    def __init__(self, width: int = 4):
        super().__init__()
        self.filters = nn.Conv1d(1, width, 400, 320)
        self.layers = nn.Linear(width, width)
        self.last = nn.Linear(width, 2)

    def forward(self, waveforms):
        frames = self.filters(waveforms[:, None]).transpose(1, 2)
        return self.last(torch.tanh(self.layers(frames)).mean(1))
"""


@pytest.fixture
def net(code):
    torch.manual_seed(0)
    return create_detector(f"{code(NET)}:Net").eval()


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2))


@torch.inference_mode()
@pytest.mark.parametrize("options", ["", "?sample_rate_hz=8000", "?num_samples=12000"])
def test_a_ragged_batch_is_its_rows_alone(code, options):
    detector = create_detector(f"{code(NET)}:Net{options}").eval()
    rows = [noise(length) for length in (9_000, 16_000, 800)]
    batch = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    together = detector(batch, torch.tensor([9_000, 16_000, 800]))
    alone = torch.cat([detector(row[None]) for row in rows])
    assert together.shape == (3, 2)
    torch.testing.assert_close(together, alone)


LENGTHS = "def detector(waveforms):\n    return waveforms.new_tensor([float(waveforms.shape[1])" + (
    " + 50 * row.mean() for row in waveforms])"
)


@pytest.mark.parametrize(
    ("options", "samples"),
    [
        ("", 3_000),
        ("?sample_rate_hz=8000", 1_500),
        ("?sample_rate_hz=48000", 9_000),
        ("?num_samples=64600", 64_600),
        ("?num_samples=500", 500),
        ("?num_samples=8000&sample_rate_hz=8000", 8_000),
    ],
)
def test_it_gets_the_rate_and_length_that_it_wants(code, options, samples):
    detector = create_detector(f"{code(LENGTHS)}:detector{options}").eval()
    assert detector(noise(1, 3_000))[0, 1] == pytest.approx(samples, abs=10)


def test_what_is_short_is_repeated_from_its_beginning(code):
    name = code("def detector(waveforms):\n    return waveforms[:, :2] + waveforms[:, -2:]")
    detector = create_detector(f"{name}:detector?num_samples=5").eval()
    given = torch.tensor([[1.0, 2.0, 3.0]])  # 1 2 3 1 2
    assert detector(given).tolist() == [[2, 4]]


@pytest.mark.parametrize("rate_hz", [4_000, 8_000, 44_100])
def test_the_shortest_rows_are_scored_or_refused(code, rate_hz):
    text = "def detector(waveforms):\n    return waveforms.mean(1)"
    detector = create_detector(
        f"{code(text)}:detector?num_samples=100&sample_rate_hz={rate_hz}"
    ).eval()
    for count in range(1, 9):
        try:
            assert detector(noise(1, count)).shape == (1, 2)
        except UnsupportedInputError as error:
            assert f"an utterance of {count} samples is too short" in str(error)


def test_the_scale_of_a_resampled_tone_is_kept(code):
    name = code("def detector(waveforms):\n    return waveforms.abs().amax(1)")
    detector = create_detector(f"{name}:detector?sample_rate_hz=8000").eval()
    tone = torch.sin(torch.arange(16_000) * 0.1)[None]
    assert detector(tone)[0, 1] == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("waveforms", "lengths"),
    [((16_000,), None), ((2, 800), [800]), ((2, 800), [800, 801]), ((2, 800), [800, 0])],
)
def test_inputs_of_wrong_shapes_are_refused_as_ours_refuse_them(net, waveforms, lengths):
    with pytest.raises(ValueError, match=r"must be|length of|too short"):
        net(noise(*waveforms), None if lengths is None else torch.tensor(lengths))


def test_parts_are_its_submodules_and_what_they_are_given(net):
    assert list(net.parts) == ["front-end", "encoder", "head"]
    assert net.parts["encoder"] is net.network.layers
    given = noise(2, 16_000)
    with torch.inference_mode():
        assert net.input_of("front-end", given).shape == (2, 1, 16_000)
        assert net.input_of("encoder", given).shape == (2, 49, 4)
        assert net.input_of("head", given).shape == (2, 4)


def test_a_part_that_is_not_there_is_refused_with_those_that_are(code):
    with pytest.raises(ExternalDetectorError) as caught:
        create_detector(f"{code(NET)}:Net?parts=encoder:missing")
    assert str(caught.value).endswith(
        "its part encoder is said to be the submodule missing, which is not there; its submodules "
        "are filters, layers, last"
    )


PARTS = """
class Net(nn.Module):
    parts = {"front-end": "unused", "encoder": "two", "head": "many"}

    def __init__(self):
        super().__init__()
        self.unused, self.two, self.many = nn.Identity(), Two(), nn.Identity()

    def forward(self, waveforms):
        found = self.two(waveforms, waveforms)
        return self.many(self.many(found.mean(1)))


class Two(nn.Module):
    def forward(self, one, other):
        return one + other


class Rows(nn.Module):
    parts = {"encoder": "net"}

    def __init__(self):
        super().__init__()
        self.net = nn.Identity()

    def forward(self, waveforms):
        assert len(waveforms) == 1
        return self.net(waveforms).mean(1)
"""


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("front-end", r"unused, 0 times for 1 waveforms: it cannot be run by itself"),
        ("encoder", "two, is given more than one tensor"),
        ("head", "many, 2 times for 1 waveforms"),
    ],
)
def test_a_part_that_cannot_be_run_by_itself_says_why(code, part, told):
    detector = create_detector(f"{code(PARTS)}:Net").eval()
    with pytest.raises(UnsupportedSettingError, match=told):
        detector.input_of(part, noise(1, 800))


def test_a_part_of_what_is_run_row_by_row_has_no_batch(code):
    detector = create_detector(f"{code(PARTS)}:Rows").eval()
    assert detector.input_of("encoder", noise(1, 800)).shape == (1, 800)
    with pytest.raises(UnsupportedSettingError, match="2 times for 2 waveforms"):
        detector.input_of("encoder", noise(2, 800))


def test_the_embedding_is_what_its_head_is_given(net, code):
    rows = noise(2, 16_000)
    with torch.inference_mode():
        found = net.embed(rows, torch.tensor([16_000, 8_000]))
        assert found.shape == (2, 4)
        torch.testing.assert_close(found[1:], net.embed(rows[1:, :8_000]))
    headless = create_detector(f"{code(NET)}:Net?parts=encoder:layers")
    with pytest.raises(UnsupportedSettingError, match="names no part `head`"):
        headless.embed(rows)


def test_it_has_no_frames_optimized_execution_or_attention_of_ours(net):
    with pytest.raises(UnsupportedSettingError, match="no evidence by frames"):
        net.frames(noise(1, 800))
    with pytest.raises(UnsupportedSettingError, match="optimized execution is for detectors of"):
        net.optimize()
    with pytest.raises(UnsupportedSettingError, match="no front-end of this package"):
        net.set_attention("eager")
    net.set_attention("sdpa")


def test_its_state_is_its_modules(net, code):
    state = net.state_dict()
    assert set(state) == {f"network.{key}" for key in net.network.state_dict()}
    other = create_detector(net.name).eval()
    other.load_state_dict(state)
    given = noise(1, 16_000)
    assert torch.equal(net(given), other(given))


def test_in_training_rows_of_one_length_are_one_batch_with_gradients(net):
    seen = []
    net.train()
    net.network.register_forward_pre_hook(lambda module, given: seen.append(len(given[0])))
    for lengths in (None, torch.tensor([800, 800])):
        logits = net(noise(2, 800), lengths)
    assert seen == [2, 2]  # and it was not tried first
    logits.sum().backward()
    assert all(one.grad is not None for one in net.network.parameters())
    net(noise(2, 800), torch.tensor([800, 500]))
    assert seen == [2, 2, 1, 1]


def test_what_is_known_of_it_can_be_recorded(net):
    assert net.facts(torch.device("cpu")) == {
        "takes_lengths": False,
        "sample_rate_hz": 16_000,
        "num_samples": None,
        "bona_fide": 1,
        "parts": {"front-end": "filters", "encoder": "layers", "head": "last"},
        "own_frontend": True,
        "can_be_trained": True,
        "batches": True,
        "batches_by_lengths": False,
        "changes_input": False,
        "prints": False,
        "notes": (),
    }


def test_scores_in_another_precision_are_given_in_fp32(net):
    with torch.inference_mode():
        logits = net.logits_in(torch.autocast("cpu", torch.bfloat16), noise(1, 16_000))
        assert logits.dtype == torch.float32
        torch.testing.assert_close(logits, net(noise(1, 16_000)), atol=0.05, rtol=0.05)
