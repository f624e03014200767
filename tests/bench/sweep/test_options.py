"""What the command line chooses: which cells, how they are measured, and for how long."""

import pytest

from fakemamba.bench.sweep import options
from fakemamba.bench.sweep.plan import PROFILES


class Config:
    """pytest's, of options that were given."""

    def __init__(self, **given):
        self.given = given

    def getoption(self, name):
        key = name.removeprefix("--bench-").replace("-", "_")
        return self.given.get(key, options.OPTIONS[name].get("default"))


@pytest.mark.parametrize(
    ("given", "is_limited"),
    [
        ({}, True),
        ({"detectors": ["fake-mamba-l", "package.module:factory"]}, True),
        ({"parts": ["end-to-end"]}, True),
        ({"durations": [1.0, 64.0]}, False),
        ({"frontend": "wavlm-large"}, False),
        ({"isolate": True}, False),
    ],
)
def test_the_profiles_budget_is_for_any_detectors_at_its_durations(given, is_limited):
    sweep = options.SweepOptions("answer", "cpu")
    found = options.budget_s(Config(**given), sweep)
    assert found == (PROFILES["answer"].budget_s[0] if is_limited else None)
    assert options.budget_s(Config(budget=60.0, **given), sweep) == 60.0
    assert options.budget_s(Config(**given), options.SweepOptions("full", "cpu")) is None
