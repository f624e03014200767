"""Changed files end in an error that says so, or in what undamaged ones give: never anything else.

A few cases of each reader by default; `pytest tests/rough --fuzz-cases 100` tries many more, and
`--fuzz-seed` others. A case is its reader and seed alone.
"""

import collections
import contextlib
import faulthandler
import math
import random
import resource
import shutil
import signal

import numpy as np
import pandas as pd
import psutil
import pytest
from readers import READERS, Refused, checkpoint_of, write_everything

from fakemamba.training import epoch
from fakemamba.training.run import train

HANGS_AFTER_S = 60
MOST_MORE_BYTES = 3 << 30


class Killed(BaseException):
    """As SIGKILL: nothing in the package catches it."""


@pytest.fixture(scope="module")
def made(tmp_path_factory, make_recipe):
    """A folder of good files of every kind."""
    good = tmp_path_factory.mktemp("good")
    recipe = make_recipe(selection={"max_epochs": 1, "averaged": 1})
    write_everything(good, recipe)
    step, steps = epoch.Trainer._step, []

    def killing(self, *arguments):
        steps.append(1)
        if len(steps) == 3:
            raise Killed
        return step(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(epoch.Trainer, "_step", killing)
        with pytest.raises(Killed):
            train(recipe, good / "run", device="cpu", workers=0, save_minutes=0)
    return good


@pytest.fixture(autouse=True)
def bounded():
    """No case takes long, or much memory."""

    def hang(*_):
        raise TimeoutError(f"nothing after {HANGS_AFTER_S} s")

    used = psutil.Process().memory_info().vms
    before, handler = resource.getrlimit(resource.RLIMIT_AS), signal.signal(signal.SIGALRM, hang)
    resource.setrlimit(resource.RLIMIT_AS, (used + MOST_MORE_BYTES, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, handler)
    faulthandler.cancel_dump_traceback_later()


def same(found, expected):
    """Whether two results are, NaN being NaN."""
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(
            same(found[name], expected[name]) for name in expected
        )
    if isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, pd.DataFrame):
        return expected.equals(found)
    if isinstance(expected, np.ndarray):
        return np.array_equal(expected, found, equal_nan=True)
    if isinstance(expected, float) and math.isnan(expected):
        return isinstance(found, float) and math.isnan(found)
    return found == expected


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_a_changed_file(reader, made, tmp_path, pytestconfig, record_property):
    option = pytestconfig.getoption
    first, count = option("--fuzz-seed"), math.ceil(option("--fuzz-cases") * reader.weight)
    name = reader.file.replace("CHECKPOINT", str(checkpoint_of(made)))
    work = tmp_path / "work"
    shutil.copytree(made, work)
    with contextlib.chdir(work):
        expected = reader.read()
    ended = collections.Counter()
    for seed in range(first, first + count):
        shutil.rmtree(work)
        shutil.copytree(made, work)
        kind, content = reader.change(
            (made / name).read_bytes(), random.Random(f"{reader.name} {seed}")
        )
        (work / name).write_bytes(content)
        case = f"{reader.name}, seed {seed} ({kind})"
        signal.setitimer(signal.ITIMER_REAL, HANGS_AFTER_S)
        faulthandler.dump_traceback_later(2 * HANGS_AFTER_S, exit=True)
        try:
            with contextlib.chdir(work):
                found = reader.read()
        except Refused as refused:
            ended["refused"] += 1
            last = str(refused).strip().splitlines()[-1]
            assert len(last) < 2_000, case
        except BaseException as error:
            error.add_note(case)
            raise
        else:
            is_same = same(found, expected)
            ended["as undamaged" if is_same else "other"] += 1
            assert is_same or not {kind, "any"} & {*reader.known}, f"{case}: not the same"
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            faulthandler.cancel_dump_traceback_later()
    record_property("cases", dict(ended))
    print(f"{reader.name}: {dict(ended)}")
