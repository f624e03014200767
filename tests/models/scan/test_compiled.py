"""torch.compile of the scan; apart from test_scan.py, whose poisoned empty() torch would keep."""

import torch

from fakemamba.models.scan import selective_scan


def test_the_torch_backend_compiles_without_a_graph_break():
    torch.manual_seed(0)
    frames, states = (1, 30, 4), (1, 30, 4)
    inputs = {
        "u": torch.randn(frames),
        "delta": torch.randn(frames) - 2,
        "A": -8 * torch.rand(4, 4),
        "B": torch.randn(states),
        "C": torch.randn(states),
        "D": torch.randn(4),
        "z": torch.randn(frames),
        "delta_bias": torch.randn(4),
    }
    compiled = torch.compile(selective_scan, fullgraph=True, backend="aot_eager")
    found = compiled(**inputs, backend="torch")
    wanted = selective_scan(**inputs, backend="torch")
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
