"""The Mamba mixer: parity with transformers' own, init, directions."""

import math

import pytest
import torch
import torch.nn.functional as F
from transformers.models.mamba.configuration_mamba import MambaConfig
from transformers.models.mamba.modeling_mamba import MambaMixer

from fakemamba.models.mamba import Mamba, make_mixer


def test_the_mixer_takes_transformers_weights_and_agrees():
    torch.manual_seed(0)
    config = MambaConfig(
        hidden_size=144, state_size=16, conv_kernel=4, expand=2, time_step_rank="auto"
    )
    theirs = MambaMixer(config, layer_idx=0).eval()
    ours = Mamba(144)
    ours.load_state_dict(theirs.state_dict())
    frames = torch.randn(2, 37, 144)
    torch.testing.assert_close(ours(frames), theirs(frames), rtol=1e-4, atol=1e-6)


def test_the_mixer_has_the_published_number_of_parameters():
    assert sum(parameter.numel() for parameter in Mamba(144).parameters()) == 145_440


def test_the_state_space_starts_as_published():
    mixer = Mamba(144)
    assert mixer.A_log.exp().round().tolist() == [list(range(1, 17))] * 288
    assert mixer.D.unique().tolist() == [1.0]
    steps = F.softplus(mixer.dt_proj.bias)
    assert steps.min() > 1e-3 * 0.999 and steps.max() < 1e-1 * 1.001
    assert mixer.dt_proj.weight.abs().max() <= 1 / 3
    assert math.isclose(steps.log().mean().item(), math.log(1e-2), abs_tol=0.3)


def test_reversed_is_forward_on_the_flipped_frames():
    mixer, frames = Mamba(16), torch.randn(2, 11, 16)
    torch.testing.assert_close(mixer(frames, reverse=True), mixer(frames.flip(1)).flip(1))


@pytest.mark.parametrize("directions", ["shared", "separate", "forward"])
def test_an_utterance_is_mixed_as_if_alone(directions):
    mixer, frames = make_mixer(directions, 16), torch.randn(3, 11, 16)
    lengths = torch.tensor([11, 4, 1])
    together = mixer(frames, lengths)
    for row, length in enumerate(lengths):
        alone = mixer(frames[row : row + 1, :length])
        torch.testing.assert_close(together[row, :length], alone[0], rtol=1e-4, atol=1e-6)


def test_one_direction_sees_no_future():
    mixer, frames = make_mixer("forward", 16), torch.randn(1, 11, 16)
    changed = frames.clone()
    changed[:, 6:] += 1
    torch.testing.assert_close(mixer(changed)[:, :6], mixer(frames)[:, :6])


def test_unknown_directions_are_refused():
    with pytest.raises(ValueError, match="'both' is not one of shared, separate, forward"):
        make_mixer("both", 16)
