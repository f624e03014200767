"""All claims, judged on launches of one machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fakemamba.analysis.claims.claim import Claim
from fakemamba.analysis.claims.goals import goal_claims
from fakemamba.analysis.claims.growth import growth_claims
from fakemamba.analysis.claims.offline_scoring import scoring_claim
from fakemamba.analysis.claims.place import places
from fakemamba.analysis.claims.rival import rival_claims
from fakemamba.analysis.compare.machine import differences
from fakemamba.analysis.results import Launch, ResultsError, together


def judge_claims(
    launches: Sequence[Launch], scoring: Sequence[Mapping[str, Any]] = ()
) -> list[Claim]:
    """The paper's claims and our goals, for every device and front-end of the results.

    Args:
        launches: from `read_launch`; what is in several was measured again.
        scoring: from `read_scoring`, of the same machine.

    Raises:
        ResultsError: the launches are of different machines, or have no cell of a detector.
    """
    for problem in differences(launches):
        if problem.reason_code == "other-machine":
            raise ResultsError(problem.reason)
    results = together(launches)
    found = list(places(results))
    if not found:
        raise ResultsError(f"none of the {len(results)} cells is a detector's, streams aside")
    claims = [
        claim
        for place in found
        for judged in (growth_claims, rival_claims, goal_claims)
        for claim in judged(place)
    ]
    is_gpu = any(place.is_gpu for place in found)
    return [*claims, scoring_claim(scoring, found[0].device_name, is_gpu)]
