"""Scans as torch.export follows them are the scans."""

from importlib.util import find_spec

import pytest
import torch
from torch import nn

from fakemamba.models.export.parts import ANY_ROWS
from fakemamba.models.mamba import SharedBiMamba
from fakemamba.models.scan import directional_scan, ssd_scan
from fakemamba.models.scan.traced import TracedScans, as_node, by_scan

LENGTHS = torch.tensor([11, 4])


def random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def selective():
    return directional_scan(
        random(2, 2, 11, 6),
        random(2, 2, 11, 6),
        -random(2, 6, 3).abs(),
        random(2, 2, 11, 3),
        random(2, 2, 11, 3),
        random(2, 6),
        random(2, 2, 11, 6),
        random(2, 6),
        reverse=(False, True),
        lengths=LENGTHS,
        backend="reference",
    )


def ssd(exclusive):
    return ssd_scan(
        random(2, 2, 11, 2, 3),
        random(2, 2, 11, 2),
        -random(2, 2).abs(),
        random(2, 2, 11, 4),
        random(2, 2, 11, 4),
        random(2, 2),
        reverse=(False, True),
        exclusive=exclusive,
        lengths=LENGTHS,
        backend="reference",
    )


@pytest.mark.parametrize(
    "scan", [selective, lambda: ssd(False), lambda: ssd(True)], ids=["selective", "ssd", "late"]
)
def test_the_traced_form_is_the_recurrence(scan):
    wanted = scan()
    with torch.no_grad(), TracedScans(by_scan):
        found = scan()
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(
    any(find_spec(one) is None for one in ("onnx", "onnxruntime", "onnxscript")),
    reason="not installed: onnx, onnxruntime or onnxscript",
)
@pytest.mark.at_length
def test_a_graph_scans_any_number_of_frames(tmp_path):
    from fakemamba.models.execution.engines.frontend import ENGINES
    from fakemamba.models.execution.engines.onnx_graph import OnnxGraph
    from fakemamba.models.export.onnx_detector import traced

    torch.manual_seed(0)
    mixer, width = SharedBiMamba(16).eval(), torch.linspace(-1, 1, 16)

    class Scanned(nn.Module):
        def forward(self, waveforms, lengths):
            frames = waveforms[..., None] * width  # a sample is a frame
            with TracedScans(as_node):
                return mixer(frames, lengths)

    given = {"waveforms": random(2, 9), "lengths": torch.tensor([9, 5])}
    with OnnxGraph(tmp_path) as graph:
        part = traced(Scanned(), given, ANY_ROWS)
        (mixed,) = graph.include(part, "waveforms", "lengths")
        graph.write(mixed=mixed)
    run = ENGINES["onnxruntime"].open(tmp_path, "fp32", 1)
    for rows, counts in ((1, [23]), (3, [1, 30, 7])):
        frames, lengths = random(rows, max(counts)), torch.tensor(counts)
        with torch.no_grad():
            wanted = mixer(frames[..., None] * width, lengths)
        torch.testing.assert_close(run(frames, lengths)[0], wanted, rtol=0, atol=1e-5)
