"""A claim as a test: ``pytest examples/test_claim.py``, where a sweep has written out.json.

pytest bench/ --benchmark-json=out.json
"""

from fakemamba.analysis.results import read_results
from fakemamba.analysis.scaling.verdicts import assert_near_linear, curves


def test_the_encoder_is_near_linear():
    """It fails, with the numbers, if the curve is not near-linear, or if that is undecided."""
    found = curves(read_results(["out.json"]), ["latency"])
    (curve,) = (one for one in found if (one.detector, one.part) == ("fake-mamba-l", "encoder"))
    assert_near_linear(curve, up_to_s=30)
