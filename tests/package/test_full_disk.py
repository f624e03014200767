"""A full disk is one line with the file that was being written, and costs nothing that stood there.

A limit of the size of files stands in for it.
"""

import resource
import shutil
import threading
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest

from fakemamba import save_pretrained
from fakemamba.analysis.pictures.plots import write_table
from fakemamba.data.trials import Trial
from fakemamba.evaluation.embedding_files import Embeddings, write_embeddings
from fakemamba.evaluation.score_files import write_scores
from fakemamba.evaluation.score_journal import open_journal
from fakemamba.evaluation.scoring import Scored
from fakemamba.training.epoch import TrainingStep
from fakemamba.training.logs import logs
from fakemamba.training.progress import Progress
from fakemamba.training.run_folder import RunFolder, TrainingError


@contextmanager
def no_file_above(size):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def scores(folder, make_detector):
    write_scores(folder / "out", ((f"trial{number}", 0.5) for number in range(10_000)))


def weights(folder, make_detector):
    save_pretrained(make_detector("fake-mamba-s"), folder)


def embeddings(folder, make_detector):
    trials = tuple(Trial(str(number), None, "spoof") for number in range(100))
    vectors = np.random.default_rng(0).random((100, 200), np.float32)
    write_embeddings(folder / "out", Embeddings(trials, vectors, (), {}))


def cells(folder, make_detector):
    table = pd.DataFrame({"samples_s": 0, "disturbed_by": [()] * 1000, "cell_id": "x" * 100})
    write_table(table, folder / "out")


@pytest.mark.parametrize("write", [scores, weights, embeddings, cells])
def test_the_file_is_named_and_stays_as_it_was(write, tmp_path, make_detector):
    for name in ("out", "model.safetensors"):
        (tmp_path / name).write_text("before")
    told = r"File too large: '.*(/out|\.safetensors)'$"
    with no_file_above(10_000), pytest.raises(OSError, match=told):
        write(tmp_path, make_detector)
    assert {path.read_text() for path in tmp_path.iterdir()} == {"before"}


def test_a_journal_is_named(tmp_path):
    one = Scored(Trial("a", None), 0.5, 16_000, None)
    told = r"File too large: '.*rank-0\.jsonl'"
    with (
        no_file_above(1_000),
        pytest.raises(OSError, match=told),
        open_journal(tmp_path, 0, {"weights": "x"}) as add,
    ):
        add((number, one) for number in range(1_000))


@pytest.mark.parametrize("size", [10, 60, 3_000])  # of steps.csv, events at the start, and later
def test_logs_of_a_training_are_named_once(tmp_path, monkeypatch, size):
    printed = []
    monkeypatch.setattr(threading, "excepthook", printed.append)
    told = r"File too large: '.*(steps\.csv|tensorboard)'.*Make room, and go on with --resume"
    with (
        no_file_above(size),
        pytest.raises(TrainingError, match=told),
        logs(RunFolder(tmp_path), Progress()) as log,
    ):
        for number in range(100):
            log.add_step(1, TrainingStep(number, 0.5, 0.1, 1e-3, 4, save=False, stop=False))
    assert not printed


def test_torchs_words_for_a_full_disk_are_put_into_ours(tmp_path, monkeypatch):
    full = type(shutil.disk_usage(tmp_path))(10**9, 10**9, 0)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    told = r"cannot be written \(No space left on device; 0 MB are free\); there is no checkpoint"
    with pytest.raises(TrainingError, match=told), RunFolder(tmp_path).writing():
        raise RuntimeError("unexpected pos 1134656 vs 1134548")
