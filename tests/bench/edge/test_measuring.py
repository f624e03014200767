"""A model in a process of its own: what it costs there, and why it did not run."""

import numpy as np
import pytest
import torch

from fakemamba import save_pretrained
from fakemamba.bench.edge.measuring import LEAST_CALLS, RunAloneError, run_alone
from fakemamba.data.recordings import real_speech


def test_a_detector_runs_alone(make_detector, tmp_path):
    detector = make_detector("antideepfake")
    save_pretrained(detector, tmp_path)
    waveform = real_speech(16_000, 0)
    held = np.ones(1 << 30, np.uint8)  # by whoever starts it: no part of what it takes
    found = run_alone("torch", tmp_path, waveform, precision="fp32", threads=1, seconds=0.01)
    with torch.no_grad():
        wanted = detector.scores(detector(torch.from_numpy(waveform)[None])).item()
    assert found.score == pytest.approx(wanted, abs=1e-5)
    assert len(found.calls_s) >= LEAST_CALLS and min(found.calls_s) > 0
    assert found.loaded_s > 0 and 50_000_000 < found.peak_bytes < held.nbytes
    assert (found.energy_j is None) == (found.energy_reason is not None)


def test_a_model_that_cannot_be_opened_is_told_by_its_own_words(tmp_path):
    pytest.importorskip("onnxruntime", reason="not installed")
    with pytest.raises(RunAloneError, match=r"it ended with status 1: .*nowhere"):
        run_alone(
            *("onnxruntime", tmp_path / "nowhere", np.zeros(16_000, np.float32)),
            **{"precision": "fp32", "threads": 1, "seconds": 0.01},
        )
