"""``fakemamba load`` as it is called: what is measured, told and written, and what is refused."""

import sys
from contextlib import contextmanager

import pytest

from fakemamba import interrupts, save_pretrained
from fakemamba.cli.main import main
from fakemamba.load_record import read_load

QUICK = ("--queries", "12", "--seconds", "0.05", "--percentile", "70", "--device", "cpu")
SHORT = (*QUICK, "--duration", "0.25", "--window", "0.25", "--threads", "1")


@pytest.fixture
def loadgen():
    return pytest.importorskip("mlperf_loadgen", reason="loadgen is not installed")


@pytest.fixture
def model(tmp_path, make_detector):
    save_pretrained(make_detector("antideepfake"), tmp_path / "model")
    return str(tmp_path / "model")


@pytest.fixture
def within(monkeypatch):
    """Workers that are no processes."""

    class Within:
        def __init__(self, make, device, timeout_s):
            self.compute = make()

        def wait_until_ready(self):
            pass

        def answers(self, samples):
            return self.compute(samples)

        def close(self):
            pass

    monkeypatch.setattr("fakemamba.cli.load.Worker", Within)


def test_all_scenarios_of_a_detector(model, within, loadgen, tmp_path, capsys):
    out = tmp_path / "out"
    given = ["load", model, "--out", str(out), "--rates", "20,40", "--hop", "0.02", *SHORT]
    assert main([*given, "--max-wait", "0.001"]) == 0
    told = capsys.readouterr().out
    assert "single-stream: p50" in told and "none is lost" in told
    assert "Concurrent calls with a decision on 0.25 s every 0.02 s, p70 within 0.02 s" in told
    record = read_load(out / "load.json")
    assert {(one.scenario, one.level) for one in record.runs} >= {
        *(("single-stream", None), ("multi-stream", None), ("offline", None)),
        *(("server", 20.0), ("server", 40.0), ("streams", 1.0)),
    }
    assert record.settings.max_wait_s == 0.001 and len(record.origin) == 64
    assert all("answered" in one.requests.ending for one in record.runs)
    assert "| server | 20 |" in (out / "load.md").read_text()


def test_utterances_are_as_long_as_a_corpuss(model, within, loadgen, tmp_path):
    out = tmp_path / "out"
    given = ["load", model, "--out", str(out), "--lengths", "asterisk-prompts-en", *QUICK]
    assert main([*given, "--scenarios", "single-stream"]) == 0
    (run,) = read_load(out / "load.json").runs
    assert len(set(run.requests.samples)) > 5


def test_an_slo_that_one_at_a_time_misses_is_said_first(model, within, loadgen, tmp_path, capsys):
    out = tmp_path / "out"
    given = ["load", model, "--out", str(out), "--slo", "0.000001", *SHORT]
    assert main([*given, "--scenarios", "server"]) == 1
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("single-stream") and "misses --slo: no rate is looked for" in second
    assert [one.scenario for one in read_load(out / "load.json").runs] == ["single-stream"]
    assert "Even one utterance at a time misses the SLO" in (out / "load.md").read_text()


def test_an_interrupt_leaves_a_result(model, within, tmp_path, capsys, monkeypatch):
    @contextmanager
    def interrupting():
        def watch(what, ended):
            if ended:
                raise KeyboardInterrupt

        yield watch, print

    monkeypatch.setattr("fakemamba.cli.load._progress", interrupting)
    monkeypatch.setattr("fakemamba.cli.load.check_installed", lambda: None)
    out = tmp_path / "out"
    given = ["load", model, "--out", str(out), "--scenarios", "streams", *SHORT]
    assert main(given) == interrupts.status()
    assert "stopped; what there is is in" in capsys.readouterr().out
    record = read_load(out / "load.json")
    assert record.is_cut and record.runs[-1].is_cut
    assert "It ended early" in (out / "load.md").read_text()


def test_a_detector_that_answers_nothing_is_an_error_and_recorded(
    model, within, loadgen, tmp_path, capsys
):
    out = tmp_path / "out"
    given = ["load", model, "--out", str(out), "--slo", "1", *QUICK, "--duration", "0.001"]
    assert main([*given, "--scenarios", "server"]) == 1
    assert "single-stream: not one request was answered: " in capsys.readouterr().err
    record = read_load(out / "load.json")
    assert record.is_cut and set(record.runs[0].requests.ending) == {"failed"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((), "no detector given"),
        (("MODEL",), "give --slo S, or --rates"),
        (("MODEL", "--slo", "0"), "--slo 0: give a number over 0"),
        (("MODEL", "--rates", "0"), "--rates 0: give arrivals a second over 0"),
        (("MODEL", "--rates", "2,x"), "--rates 2,x: give arrivals a second over 0"),
        (("MODEL", "--slo", "1", "--scenarios", "burst"), "--scenarios burst: give some of"),
        (("MODEL", "--slo", "1", "--percentile", "100"), "--percentile 100: give one between"),
        (("MODEL", "--slo", "1", "--max-batch", "0"), "--max-batch 0: give a number over 0"),
        (("MODEL", "--slo", "1", "--max-wait", "-1"), "--max-wait -1: give 0 or more"),
        (("MODEL", "--slo", "1", "--hop", "1e-9"), "--hop 1e-09: give 0.01 or more"),
        (("MODEL", "--slo", "1", "--seed", "-1"), "--seed -1: give a whole number"),
        (("MODEL", "--slo", "1", "--window", "1e9"), "--window 1e+09: give one over 0"),
        (("MODEL", "--rates", "1e12"), "--rates 1e12: give arrivals a second over 0, up to"),
        (("MODEL", "--slo", "1", "--queries", "9", "--most-queries", "8"), "--most-queries 8"),
        (("MODEL", "--slo", "1", "--lengths", "nowhere"), "nowhere: no such file"),
        (("MODEL", "--slo", "1", "--lengths", "a", "--duration", "1"), "exclude each other"),
        (("MODEL", "--slo", "1", "--device", "tpu"), "device 'tpu'"),
        (("MODEL", "--slo", "1", "--execution", "graph", "--device", "cpu"), "CUDA"),
        (("fake-mambo", "--slo", "1"), "unknown detector 'fake-mambo'; did you mean"),
    ],
)
def test_bad_input_is_a_line(model, tmp_path, capsys, monkeypatch, given, told):
    monkeypatch.setattr("fakemamba.cli.load.check_installed", lambda: None)
    out = tmp_path / "out"
    words = [model if one == "MODEL" else one for one in given]
    assert main(["load", *words, "--out", str(out)]) == 1
    error = capsys.readouterr().err
    assert told in error and len(error.splitlines()) == 1
    assert not out.exists()


def test_without_loadgen_a_line_says_how_to_get_it(model, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlperf_loadgen", None)
    assert main(["load", model, "--out", str(tmp_path / "out"), "--slo", "1"]) == 1
    error = capsys.readouterr().err
    assert "this needs mlperf_loadgen: pip install" in error and "[load]'" in error


@pytest.mark.at_length
def test_a_detector_that_ends_its_process_loses_no_request(code, tmp_path, loadgen, capsys):
    name = code(
        """
        import os
        calls = []
        class Net(nn.Module):
            def forward(self, waveforms):
                calls.append(1)
                if len(calls) == 40:
                    os._exit(7)
                return torch.stack([waveforms.std(1), waveforms.mean(1)], 1)
        def make():
            return Net()
        """
    )
    out = tmp_path / "out"
    given = ["load", f"{name}:make", "--out", str(out), "--rates", "100", *SHORT]
    assert main([*given, "--scenarios", "server", "--queries", "60", "--max-batch", "1"]) == 0
    runs = read_load(out / "load.json").runs
    assert sum(one.worker_starts for one in runs) >= 1
    failed = [one for run in runs for one in run.requests.reason if one]
    assert failed and set(failed) == {"its process ended with status 7 and left no record"}
    assert "Workers that ended" in (out / "load.md").read_text()
