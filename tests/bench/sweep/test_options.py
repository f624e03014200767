"""What the command line chooses: which cells, how they are measured, and for how long."""

import argparse

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
        ({"stream": [(4.0, 1.0)]}, False),
    ],
)
def test_the_profiles_budget_is_for_any_detectors_at_its_durations(given, is_limited):
    sweep = options.SweepOptions("answer", "cpu")
    found = options.budget_s(Config(**given), sweep)
    assert found == (PROFILES["answer"].budget_s[0] if is_limited else None)
    assert options.budget_s(Config(budget=60.0, **given), sweep) == 60.0
    assert options.budget_s(Config(**given), options.SweepOptions("full", "cpu")) is None


@pytest.fixture
def parsed():
    """What the definition of ``--bench-stream`` makes of arguments."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--bench-stream", **options.OPTIONS["--bench-stream"])
    return lambda *arguments: parser.parse_args(arguments).bench_stream


def test_streams_are_windows_and_hops_once_or_repeated(parsed):
    assert parsed() is None
    wanted = [(4.0, 1.0), (4.0, 0.25), (2.0, 2.0)]
    assert parsed("--bench-stream", "4,1; 4,.25;2,2") == wanted
    assert parsed("--bench-stream", "4,1;4,0.25;", "--bench-stream=2,2") == wanted
    assert options._word(wanted) == "4,1;4,0.25;2,2", "as it is typed"


@pytest.mark.parametrize("text", ["4", "4,1,2", "4,x", "4,1,4,0.5"])
def test_what_is_no_window_and_hop_is_told_in_one_line(parsed, text):
    with pytest.raises(argparse.ArgumentError, match="no list of windows and hops") as caught:
        parsed("--bench-stream", text)
    assert text in str(caught.value) and "'4,1;4,0.5'" in str(caught.value)
