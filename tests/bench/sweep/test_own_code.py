"""Cells of code of others: the result says where it comes from, and other code is not resumed."""

import json

import pytest

NET = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv1d(1, 2, 400, 160)

    def forward(self, waveforms):
        return self.layer(waveforms[:, None]).mean(2) * {factor}
"""


@pytest.fixture
def sweep(run_pytest, tmp_path, monkeypatch):
    """A command on a detector in the current folder, which is written with some factor."""

    def run(factor, *options):
        (tmp_path / "resumed_net.py").write_text(NET.format(factor=factor))
        cells = ["--bench-profile", "smoke", "--bench-detectors", "resumed_net:Net"]
        cells += ["--bench-visits", "2", "--bench-time", "0", "--bench-instruments", "memory"]
        return run_pytest("bench/", *cells, *options)

    monkeypatch.syspath_prepend(tmp_path)
    return run


def test_the_result_says_where_code_comes_from_and_other_code_is_not_resumed(sweep, tmp_path):
    out = tmp_path / "out.json"
    assert sweep(1, "--bench-durations", "0.5", "--bench-resume", str(out)).returncode == 0
    result = json.loads(out.read_text())
    (entry,) = result["benchmarks"]
    info, told = entry["extra_info"], result["fakemamba"]["environment"]["detectors"]
    assert (info["cell"]["frontend"], info["cell"]["part"]) == ("own", "end-to-end")
    assert told == {"resumed_net:Net": info["origin"]}
    assert info["origin"]["module"] == "resumed_net" and info["origin"]["package"] is None

    again = sweep(1, "--bench-durations", "0.5,0.6", "--bench-resume", str(out))
    assert again.returncode == 0 and "1 cells are known from before" in again.stdout
    other = sweep(2, "--bench-durations", "0.5,0.7", "--bench-resume", str(out))
    assert other.returncode == pytest.ExitCode.USAGE_ERROR
    told = "resumed_net:Net has changed since it was measured: sources_sha256"
    assert told in other.stdout + other.stderr
