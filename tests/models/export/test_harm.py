"""The group comes first whose int8 moves the score most, whatever the errors of states are."""

import pytest
import torch
from torch import nn

from fakemamba.models.export.harm import most_harmed

GROUPS = ("convolutions", "0", "1", "2")


class StubDetector(nn.Module):
    """Scores are means of frames' first channel; the second moves no score."""

    def __init__(self, *, as_tuple):
        super().__init__()
        self.frontend = nn.Module()
        self.frontend.layers = nn.ModuleList(_Layer(as_tuple) for _ in GROUPS[1:])

    def forward(self, waveforms, lengths):
        frames = waveforms[..., None].expand(-1, -1, 2)
        for layer in self.frontend.layers:
            made = layer(frames)
            frames = made[0] if isinstance(made, tuple) else made
        return frames

    def scores(self, frames):
        return frames[..., 0].mean(1)


class _Layer(nn.Module):
    def __init__(self, as_tuple):
        super().__init__()
        self.as_tuple = as_tuple

    def forward(self, frames):
        return (frames + 1, None) if self.as_tuple else frames + 1


class StubDraft:
    """Adds errors (2,) behind each group that is not kept; it has a frame less."""

    groups = GROUPS

    def __init__(self, errors):
        self.errors = {key: torch.tensor(one) for key, one in errors.items()}

    def write(self, folder, precision, examples, *, kept, tells):
        assert tells and precision == "int8" and folder.is_dir()
        self.kept = kept

    def open(self, folder, precision):
        def run(waveforms, lengths):
            frames, states = waveforms[:, :-1, None].expand(-1, -1, 2), []
            for number, group in enumerate(self.groups):
                frames = frames + (number > 0)
                if group not in self.kept:
                    frames = frames + self.errors[group]
                states.append(frames)
            return [None, None, *states, "the encoder's"]

        return run


@pytest.mark.parametrize("as_tuple", [False, True])
def test_the_order_is_that_of_how_far_scores_move(as_tuple, tmp_path):
    errors = {"convolutions": [0.02, 50.0], "0": [-0.3, 0.0], "1": [0.01, 9.0], "2": [0.1, 0.0]}
    detector, draft = StubDetector(as_tuple=as_tuple), StubDraft(errors)
    given = (detector, draft, tmp_path, None)
    waveforms = torch.randn(3, 8)
    assert most_harmed(*given, (), waveforms) == ["0", "2", "convolutions", "1"]
    assert most_harmed(*given, ("0", "convolutions"), waveforms) == ["2", "1"]
    assert not list(tmp_path.iterdir())
    plain = detector.scores(detector(waveforms, None))
    torch.testing.assert_close(plain, waveforms.mean(1) + 3)  # nothing of it stays
