"""What a machine can do at best takes seconds to measure, so tests of a process measure it once."""

import functools

import pytest

from fakemamba.bench.measuring import measure


@pytest.fixture(scope="session", autouse=True)
def ceilings_once():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "measure_ceilings", functools.cache(measure.measure_ceilings))
        yield
