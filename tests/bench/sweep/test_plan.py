"""Planning a sweep: profiles, and what the options change."""

from itertools import pairwise, product

import pytest
import soundfile

from fakemamba.bench.cells import PARTS
from fakemamba.bench.sweep.limits import plan_limits
from fakemamba.bench.sweep.plan import (
    EVERY_DETECTOR,
    FULL_SIZE,
    PROFILES,
    RIVALS,
    SweepOptions,
    plan,
)
from fakemamba.data.audio import AudioError
from fakemamba.data.manifest import ManifestError
from fakemamba.data.synthetic import speech_like
from fakemamba.models.registry import list_detectors


def options(**changes):
    return SweepOptions(**{"profile": "smoke", "device": "cpu"} | changes)


def test_smoke_has_every_detector_small_and_three_at_full_size():
    cells = plan(options())
    small = {cell.detector for cell in cells if cell.frontend == "xls-r-tiny"}
    full = {cell.detector for cell in cells if cell.frontend == FULL_SIZE}
    assert small == set(EVERY_DETECTOR) == set(list_detectors()) - {"fake-mamba"}
    assert full == {"fake-mamba-l", "xlsr-conformer", "xlsr-mamba"}
    assert len({cell.id for cell in cells}) == len(cells)


def test_paper_is_batch_1_from_1_to_6_s_with_100_rounds_after_10():
    cells = plan(options(profile="paper"))
    assert {cell.duration_s for cell in cells} == {1, 2, 3, 4, 5, 6}
    assert {cell.batch_size for cell in cells} == {1}
    effort = PROFILES["paper"].effort
    assert effort.warmup_rounds == 10 and effort.least_rounds * effort.least_visits == 100


def test_full_goes_on_beyond_64_s():
    durations = {cell.duration_s for cell in plan(options(profile="full"))}
    assert min(durations) == 0.5 and 64.0 in durations and max(durations) > 1_000


def test_kernels_for_a_gpu_are_decided_on_before_anything_is_measured(monkeypatch):
    asked = []

    def is_trusted(kernel, device):
        asked.append((kernel, str(device)))
        return False

    monkeypatch.setattr("fakemamba.models.scan.is_trusted", is_trusted)
    monkeypatch.setattr("fakemamba.models.execution.fused_norm.is_trusted", is_trusted)
    monkeypatch.setattr("fakemamba.models.execution.fused_norm.norm_kernel", object())
    monkeypatch.setattr("fakemamba.models.scan.triton_scan.unavailable", lambda: None)
    wanted = {"detectors": ["xlsr-mamba"], "device": "cuda:1", "executions": ["optimized"]}
    assert {cell.backend for cell in plan(options(**wanted))} == {"torch"}
    assert set(asked) == {("selective-scan", "cuda:1"), ("fused-norm", "cuda:1")}
    asked.clear()
    assert {one.backend for one in plan(options(**wanted, backends=["triton"]))} == {"triton"}
    plan(options(**wanted | {"executions": ["eager"], "backends": ["triton"]}))
    assert asked == [("fused-norm", "cuda:1")]
    asked.clear()
    plan(options(**wanted | {"detectors": ["xlsr-mambo"], "executions": ["eager"]}))
    assert set(asked) == {("ssd-scan", "cuda:1")}


def shape(cells):
    """Detectors, parts and durations of the cells of each part alone."""
    by_part = {}
    for cell in cells:
        by_part.setdefault(cell.part, []).append((cell.detector, cell.duration_s))
    return by_part


@pytest.mark.parametrize(("device", "longest_s"), [("cpu", 32), ("meta", 128)])
def test_the_answer_has_nine_durations_of_three_encoders_and_all_others_once(device, longest_s):
    cells = plan(options(profile="answer", device=device))
    found = shape(cells)
    durations_s = sorted({duration_s for _, duration_s in found["encoder"]})
    ratios = [after / before for before, after in pairwise(durations_s)]
    assert len(durations_s) == 9 and durations_s[0] == 0.5 and durations_s[-1] == longest_s
    assert max(ratios) < 1.05 * min(ratios)
    assert {name for name, _ in found["encoder"]} == set(RIVALS)
    fives = [(name, 2.0**k) for name in RIVALS for k in range(-1, 4)]
    assert found["front-end"] == fives
    assert found["end-to-end"][: len(fives)] == fives
    others = found["end-to-end"][len(fives) :]
    assert {name for name, _ in others} == set(EVERY_DETECTOR) - set(RIVALS)
    assert {duration_s for _, duration_s in others} == {4.0}
    assert {cell.frontend for cell in cells} == {FULL_SIZE}


def test_the_answer_about_another_detector_is_about_that_one():
    found = shape(plan(options(profile="answer", detectors=["xlsr-aasist"])))
    assert {name for cells in found.values() for name, _ in cells} == {"xlsr-aasist"}
    assert [len(found[part]) for part in PARTS] == [5, 9, 5]
    steps = plan(options(profile="answer", detectors=["xlsr-aasist"], parts=["training-step"]))
    assert len({cell.id for cell in steps}) == len(steps) == 12


def test_every_cell_measures_one_part_and_durations_rise():
    cells = plan(options(detectors=["xlsr-aasist"], durations_s=[3, 1, 3]))
    assert [(cell.duration_s, cell.part) for cell in cells] == [
        (duration_s, part) for duration_s in (1, 3) for part in PARTS
    ]


def test_a_detector_that_the_profile_lacks_can_be_asked_for():
    cells = plan(options(detectors=["fake-mamba"], parts=["encoder"], durations_s=[1]))
    assert [(cell.detector, cell.frontend) for cell in cells] == [("fake-mamba", "xls-r-tiny")]


def test_a_frontend_replaces_the_profiles():
    cells = plan(options(frontend="xls-r-1b", durations_s=[1.0]))
    assert {cell.frontend for cell in cells} == {"xls-r-1b"}
    assert {cell.detector for cell in cells} == set(EVERY_DETECTOR)


def test_only_detectors_with_a_mamba_have_a_scan_backend():
    cells = plan(
        options(detectors=["fake-mamba-s", "xlsr-conformer"], backends=["reference", "torch"])
    )
    assert {(cell.detector, cell.backend) for cell in cells} == {
        ("fake-mamba-s", "reference"),
        ("fake-mamba-s", "torch"),
        ("xlsr-conformer", "none"),
    }


def test_every_way_to_run_a_part_is_a_dimension():
    dimensions = {
        "precisions": ["fp32", "bf16"],
        "executions": ["eager", "compile"],
        "attentions": ["sdpa", "flash"],
        "parts": ["encoder", "training-step"],
        "batch_sizes": [1, 8],
    }
    cells = plan(options(detectors=["xlsr-mamba"], durations_s=[1.0], frontend="t", **dimensions))
    assert len({cell.id for cell in cells}) == len(cells) == 2**5


def test_lengths_are_drawn_from_a_corpus_from_its_shortest_to_its_longest():
    cells = plan(options(lengths="asterisk-prompts", detectors=["fake-mamba-l"], parts=["encoder"]))
    durations_s = [cell.duration_s for cell in cells]
    assert durations_s == sorted(durations_s) and len(durations_s) > 15
    assert durations_s[0] < 0.5 and durations_s[-1] > 30
    assert {cell.frontend for cell in cells} == {FULL_SIZE}


def test_a_corpus_brings_its_own_lengths(tmp_path):
    for name, num_samples in (("b", 24_000), ("a", 8_000)):
        soundfile.write(tmp_path / f"{name}.wav", speech_like(num_samples, 0), 16_000)
    (tmp_path / "m.csv").write_text("path\nb.wav\na.wav\n")
    cells = plan(options(corpus=tmp_path / "m.csv", parts=["encoder"]))
    assert [(cell.duration_s, cell.recording.name) for cell in cells[:2]] == [
        (0.5, "a.wav"),
        (1.5, "b.wav"),
    ]
    assert {cell.frontend for cell in cells} == {FULL_SIZE}


def test_recordings_that_only_a_folder_tells_apart_are_different_cells(tmp_path):
    for folder in ("en", "fr"):
        (tmp_path / folder).mkdir()
        soundfile.write(tmp_path / folder / "a.wav", speech_like(8_000, 0), 16_000)
    (tmp_path / "m.csv").write_text("path\nen/a.wav\nfr/a.wav\n")
    asked_for = {"parts": ["encoder"], "detectors": ["fake-mamba-l"]}
    cells = plan(options(corpus=tmp_path / "m.csv", **asked_for))
    assert len({cell.id for cell in cells}) == 2
    (tmp_path / "m.csv").write_text("path,trial_id\nen/a.wav,one\nen/a.wav,two\n")
    with pytest.raises(ValueError, match="cannot be told apart"):
        plan(options(corpus=tmp_path / "m.csv", **asked_for))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"detectors": ["fake-mamba-xl"]}, "did you mean fake-mamba-l"),
        ({"parts": ["backend"]}, "unknown part 'backend'"),
        ({"precisions": ["int4"]}, "unknown precision 'int4'"),
        ({"backends": ["torch", "cuda"]}, "unknown scan backend"),
        ({"attentions": ["flash3"]}, "unknown attention"),
        ({"executions": ["jit"]}, "unknown execution"),
        ({"clock": "cpu"}, "unknown clock"),
        ({"lengths": "asvspoof"}, "none of the tables"),
        ({"durations_s": [0.0]}, "a duration of 0.0 s"),
        ({"batch_sizes": [0]}, "a batch of 0"),
    ],
    ids=str,
)
def test_what_cannot_be_measured_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        plan(options(**changes))


def test_a_corpus_with_durations_is_refused(tmp_path):
    with pytest.raises(ValueError, match="each of them says how long"):
        plan(options(corpus=tmp_path / "m.csv", durations_s=[1.0]))


def test_a_corpus_that_cannot_be_used_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="no such file"):
        plan(options(corpus=tmp_path / "m.csv"))
    (tmp_path / "empty.wav").touch()
    (tmp_path / "m.csv").write_text("path\nempty.wav\n")
    with pytest.raises(AudioError, match="the file is empty"):
        plan(options(corpus=tmp_path / "m.csv"))


def test_streams_come_after_all_else_for_every_detector_once():
    chosen = {"profile": "answer", "detectors": ["fake-mamba-s", "xlsr-conformer"]}
    before = plan(options(**chosen, batch_sizes=[1, 8], precisions=["fp32", "bf16"]))
    streams = [(4.0, 1.0), (4.0, 0.25)]
    cells = plan(
        options(**chosen, batch_sizes=[1, 8], precisions=["fp32", "bf16"], streams=streams)
    )
    assert cells[: len(before)] == before
    added = cells[len(before) :]
    found = [(one.detector, one.duration_s, one.hop_s, one.part, one.precision) for one in added]
    assert sorted(found) == sorted(
        product(
            chosen["detectors"], (4.0,), (1.0, 0.25), ("stream", "stream-cached"), ("fp32", "bf16")
        )
    )
    assert {one.batch_size for one in added} == {1} and len({one.id for one in cells}) == len(cells)
    assert added[0].audio_s == 1.0 and before[-1].audio_s == 8 * before[-1].duration_s


@pytest.mark.parametrize("stream", [(4.0, 0.0), (4.0, 5.0), (float("inf"), 1.0), (4.0, -1.0)])
def test_what_is_no_stream_is_refused(stream):
    with pytest.raises(ValueError, match="are no stream"):
        plan(options(streams=[stream]))


def test_there_is_no_limit_of_a_stream():
    cells = plan(options(detectors=["xlsr-aasist"], streams=[(4.0, 1.0)]))
    with pytest.raises(ValueError, match="leave out --bench-stream"):
        plan_limits(cells)
