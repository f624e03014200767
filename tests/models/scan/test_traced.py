"""Scans as torch.export follows them are the scans."""

import pytest
import torch

from fakemamba.models.scan import directional_scan, ssd_scan
from fakemamba.models.scan.traced import TracedScans, by_scan

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
