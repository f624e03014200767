"""The group that adds most to the error of states comes first, whatever the states are like."""

import torch

from fakemamba.models.export.harm import most_harmed

GROUPS = ("convolutions", "0", "1", "2")


class Stub:
    """A draft whose int8 adds noise of a size in each group; kept ones add none."""

    groups = GROUPS

    def __init__(self, noises, exact):
        self.noises, self.exact = noises, exact

    def write(self, folder, precision, examples, *, kept, tells):
        assert tells and (precision == "int8") == (examples is not None)
        self.kept = kept

    def open(self, folder, precision):
        error, states = torch.zeros(()), []
        for group, exact in zip(self.groups, self.exact, strict=True):
            if precision == "int8" and group not in self.kept:
                error = error + self.noises[group] * torch.randn(exact.shape)
            states.append(exact + error)
        logits = torch.zeros(2, 2)
        return lambda waveforms, lengths: [logits[:, 1], logits, *states, logits]


def harmed(tmp_path, noises, exact, kept=()):
    draft = Stub(noises, exact)
    torch.manual_seed(0)
    return most_harmed(draft, tmp_path, torch.zeros(1, 8), kept, torch.zeros(2, 8))


def test_the_order_is_that_of_what_is_added(tmp_path):
    noises = {"convolutions": 0.02, "0": 0.3, "1": 0.01, "2": 0.1}
    exact = [torch.randn(2, 50, 8) for _ in GROUPS]
    assert harmed(tmp_path, noises, exact) == ["0", "2", "convolutions", "1"]
    assert harmed(tmp_path, noises, exact, ("0", "convolutions")) == ["2", "1"]
    assert not list(tmp_path.iterdir())


def test_a_channel_of_large_values_hides_no_other(tmp_path):
    exact = [torch.randn(2, 50, 8) for _ in GROUPS]
    for state in exact[2:]:
        state[..., 0] *= 1_000
    noises = {"convolutions": 0.05, "0": 0.01, "1": 0.01, "2": 0.3}
    assert harmed(tmp_path, noises, exact)[0] == "2"
