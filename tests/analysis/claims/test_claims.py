"""Claims on made results whose truth is known: what holds, what does not, what cannot be told."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fakemamba.analysis.claims.claim import PAPER, Claim, Figure, to_json
from fakemamba.analysis.claims.judge import judge_claims
from fakemamba.analysis.claims.markdown import to_markdown
from fakemamba.analysis.claims.offline_scoring import read_scoring
from fakemamba.analysis.results import Launch, ResultsError, read_launch

LONG_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
SHORT_S = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
PLAIN = {"precision": "fp32", "execution": "eager"}
FAST = {"precision": "bf16", "execution": "optimized", "max_abs_error": 0.004}
GPU = {"device": "cuda:0", "device_name": "GPU: Test"}


def linear(duration_s):
    return 0.002 + 0.001 * duration_s


def quadratic(duration_s):
    return 0.001 + 0.0001 * duration_s + 0.0003 * duration_s**2


def cell(detector, part, duration_s, latency_s, **fields):
    """A cell, and figures of memory and FLOPs that grow as its latency does."""
    made = {
        **{"detector": detector, "frontend": "xls-r-300m", "part": part, "recording": None},
        **{"duration_s": duration_s, "batch_size": 1, "backend": "none", "attention": "sdpa"},
        **{"clock": "latency", "status": "measured", "reason": None, "disturbed": False},
        "disturbed_by": (),
        **PLAIN,
        **GPU,
        **{"latency_s": latency_s, "samples_s": None, "activation_bytes": np.nan},
        **{"peak_bytes": 1e9 * latency_s, "peak_bytes_with_weights": 2e9 * latency_s},
        **{"flops": 1e12 * latency_s, "flop_coverage": 1.0},
        **{"bytes_moved": 1e9 * latency_s, "mfu": 0.5, "max_abs_error": np.nan},
        **{"copy_bytes_per_s": 1e12, "matmul_flops_per_s": 2e12},
        **fields,
    }
    names = ("detector", "part", "duration_s", "batch_size", "precision", "execution", "clock")
    return made | {"cell_id": "-".join(str(made[name]) for name in names)}


def launches(cells, count=3, noise=0.003, environment=None):
    """The cells measured in several launches, every one off by some noise."""
    rng = np.random.default_rng(0)
    found = []
    for number in range(count):
        table = pd.DataFrame(cells)
        table["latency_s"] *= np.exp(rng.normal(0, noise, len(table)))
        table["latency_low_s"] = table["latency_s"] * 0.999
        table["latency_high_s"] = table["latency_s"] * 1.001
        facts = {"device": "Test"} | (environment or {})
        found.append(Launch(Path(f"{number}.json"), table, facts, {}, {}, None))
    return found


def sweep(curves, part, durations_s=LONG_S, **fields):
    return [
        cell(detector, part, duration_s, curve(duration_s), **fields)
        for detector, curve in curves.items()
        for duration_s in durations_s
    ]


def only(claims, name, **wanted):
    """The one claim of this name with these fields of cells or of its statement."""
    words = wanted.pop("words", "")
    (found,) = (
        one
        for one in claims
        if one.name == name
        and words in one.statement
        and all(one.cells.get(key) == value for key, value in wanted.items())
    )
    return found


def figure(claim, name):
    (found,) = (one for one in claim.figures if one.name == name)
    return found


@pytest.mark.parametrize(
    ("ours", "rival", "verdict"),
    [(linear, quadratic, "holds"), (quadratic, linear, "does not hold")],
)
def test_growth_is_as_it_was_made(ours, rival, verdict):
    curves = {"fake-mamba-l": ours, "xlsr-conformer": rival}
    found = judge_claims(launches(sweep(curves, "encoder")))
    for words in ("latency", "peak memory", "FLOPs"):
        for name in ("near-linear", "quadratic"):
            claim = only(found, name, part="encoder", words=words)
            assert claim.verdict == verdict
            assert (claim.by, claim.source) == ("paper", PAPER)


def test_too_few_durations_and_missing_cells_are_never_guessed():
    curves = {"fake-mamba-l": linear}
    found = judge_claims(launches(sweep(curves, "encoder", LONG_S[:3])))
    claim = only(found, "near-linear", part="encoder", words="latency")
    assert claim.verdict == "cannot tell" and "a fit needs 5 durations" in claim.reason
    for name, part in (("near-linear", "end-to-end"), ("quadratic", "encoder")):
        claim = only(found, name, part=part, words="latency")
        assert (claim.verdict, claim.reason, claim.figures) == ("cannot tell", "not measured", ())
    out_of_memory = {"status": "out-of-memory", "reason": "4 GiB are not there"}
    cells = sweep(curves, "encoder") + [
        cell("xlsr-conformer", "encoder", one, np.nan, **out_of_memory) for one in LONG_S
    ]
    claim = only(judge_claims(launches(cells)), "lower RTF", part="encoder")
    assert claim.verdict == "cannot tell"
    assert "xlsr-conformer at 1 to 6 s: out-of-memory: 4 GiB are not there" in claim.reason


def test_the_front_end_is_told_beside_the_end_to_end_cost():
    parts = {"front-end": lambda t: 0.09 * t, "end-to-end": lambda t: 0.1 * t}
    cells = [one for part, curve in parts.items() for one in sweep({"fake-mamba-l": curve}, part)]
    claim = only(judge_claims(launches(cells)), "near-linear", part="end-to-end", words="latency")
    assert claim.verdict == "holds"
    shares = [one for one in claim.figures if one.name.startswith("front-end's share")]
    assert [one.name.split()[-2] for one in shares] == ["1", "4", "16", "64"]
    for one in shares:
        assert one.low < one.value < one.high < 1 and one.value == pytest.approx(0.9, rel=0.01)
    assert "of the shares: " in claim.interval


@pytest.mark.parametrize(
    ("factor", "verdict"), [(0.8, "holds"), (1.25, "does not hold"), (1.0, "cannot tell")]
)
def test_a_rival_is_faster_slower_or_level(factor, verdict):
    curves = {"fake-mamba-l": lambda t: factor * linear(t), "xlsr-conformer": linear}
    claim = only(
        judge_claims(launches(sweep(curves, "encoder", SHORT_S))), "lower RTF", part="encoder"
    )
    assert claim.verdict == verdict
    assert [one.name for one in claim.figures] == [f"ratio at {one:g} s" for one in SHORT_S]
    for one in claim.figures:
        assert one.low < factor < one.high
    if factor == 1:
        assert "holds a tie" in claim.reason


def test_from_which_duration_on_is_told():
    curves = {"fake-mamba-l": lambda t: 0.004 + 0.0005 * t, "xlsr-conformer": lambda t: 0.002 * t}
    claim = only(
        judge_claims(launches(sweep(curves, "encoder", SHORT_S))), "lower RTF", part="encoder"
    )
    assert claim.verdict == "does not hold" and "it is higher at 1, 2 s" in claim.reason
    assert "fake-mamba-l is faster from 2.6" in claim.reason  # they cross at 8/3 s


def test_part_of_the_range_does_not_hold_for_all_of_it():
    curves = {"fake-mamba-l": lambda t: 0.5 * linear(t), "xlsr-conformer": linear}
    claim = only(
        judge_claims(launches(sweep(curves, "encoder", (1.0, 2.0, 3.0)))),
        "lower RTF",
        part="encoder",
    )
    assert claim.verdict == "cannot tell"
    assert claim.reason.startswith("measured at 1, 2, 3 s, but the claim is about 1 to 6 s")


def test_one_launch_that_repeats_nothing_decides_nothing():
    curves = {"fake-mamba-l": lambda t: 0.5 * linear(t), "xlsr-conformer": linear}
    cells = sweep(curves, "end-to-end", SHORT_S)
    claim = only(judge_claims(launches(cells, count=1)), "lower RTF", part="end-to-end")
    assert claim.verdict == "cannot tell" and "visited fewer than three times" in claim.reason
    assert claim.interval is None and all(one.low is None for one in claim.figures)


@pytest.mark.parametrize(
    ("rtf", "verdict", "words"),
    [
        (0.42, "holds", "6 of 6 durations are inside"),
        (0.0037, "does not hold", "times below 0.37"),
        (4.7, "does not hold", "times above 0.47"),
        (0.37, "cannot tell", "holds an end of the range"),
    ],
)
def test_the_published_rtf_is_judged_at_all_durations(rtf, verdict, words):
    cells = sweep({"fake-mamba-l": lambda t: rtf * t}, "end-to-end", SHORT_S)
    claim = only(judge_claims(launches(cells)), "published RTF", detector="fake-mamba-l")
    assert claim.verdict == verdict and words in claim.reason
    assert "not verified" in claim.source and "V100" in claim.source
    on_cpu = [one | {"device": "cpu", "device_name": "CPU: Test"} for one in cells]
    claim = only(judge_claims(launches(on_cpu)), "published RTF", detector="fake-mamba-l")
    assert claim.verdict == "cannot tell" and "this is a CPU" in claim.reason and claim.figures
    tiny = [one | {"frontend": "xls-r-tiny"} for one in cells]
    claim = only(judge_claims(launches(tiny)), "published RTF", detector="fake-mamba-l")
    assert claim.verdict == "cannot tell" and "published for xls-r-300m" in claim.reason


def fast_cells(fast_s=0.001, plain_s=0.012, **fields):
    ours = ("fake-mamba-l", "end-to-end", 4.0)
    return [cell(*ours, plain_s), cell(*ours, fast_s, **FAST | fields)]


@pytest.mark.parametrize(
    ("fast_s", "latency", "speed_up"),
    [
        (0.0010, "holds", "holds"),
        (0.0015, "cannot tell", "cannot tell"),
        (0.0020, "does not hold", "does not hold"),
    ],
)
def test_latency_and_speed_up_by_their_limits(fast_s, latency, speed_up):
    found = judge_claims(launches(fast_cells(fast_s)))
    claim = only(found, "latency")
    assert claim.verdict == latency and claim.by == "goal"
    assert figure(claim, "latency").value == pytest.approx(fast_s, rel=0.01)
    assert figure(claim, "largest error of a logit").value == 0.004
    claim = only(found, "speed-up")
    assert claim.verdict == speed_up
    assert figure(claim, "speed-up").value == pytest.approx(0.012 / fast_s, rel=0.01)
    assert ("the interval holds the limit" in claim.reason) == (speed_up == "cannot tell")


def test_a_speed_counts_only_beside_its_error():
    wrong = judge_claims(launches(fast_cells(max_abs_error=0.03)))
    unknown = judge_claims(launches(fast_cells(max_abs_error=np.nan)))
    for name in ("latency", "speed-up", "throughput"):
        claim = only(wrong, name)
        assert claim.verdict == "does not hold" and "it does not count" in claim.reason
        claim = only(unknown, name)
        assert claim.verdict == "cannot tell" and "its error is not known" in claim.reason


def test_a_speed_up_is_within_one_launch():
    plain, fast = fast_cells()
    one, other = launches([plain], 1), launches([fast], 1)
    claim = only(judge_claims([*one, *other]), "speed-up")
    assert claim.verdict == "cannot tell" and "not measured in one launch" in claim.reason


def test_on_a_cpu_a_goal_is_told_but_not_judged():
    cells = [one | {"device": "cpu", "device_name": "CPU: Test"} for one in fast_cells()]
    half = dict(cells[1], precision="fp16", max_abs_error=0.001, latency_s=0.006)
    half["cell_id"] += "-fp16"
    claim = only(judge_claims(launches([*cells, half])), "speed-up")
    assert claim.verdict == "cannot tell"
    assert claim.reason.startswith("a goal for GPUs, and this is a CPU")
    assert figure(claim, "speed-up").value == pytest.approx(12, rel=0.01)
    assert figure(claim, "in fp16").value == pytest.approx(2, rel=0.01)
    assert figure(claim, "largest error of a logit in fp16").value == 0.001


def test_disturbed_cells_are_told_but_decide_nothing():
    disturbed = {"disturbed": True, "disturbed_by": ("other processes on the GPU: 7",)}
    cells = [*fast_cells()[:1], fast_cells()[1] | disturbed]
    found = judge_claims(launches(cells))
    for name, told in (("latency", 0.001), ("speed-up", 12)):
        claim = only(found, name)
        assert claim.verdict == "cannot tell" and "other processes on the GPU: 7" in claim.reason
        assert figure(claim, name).value == pytest.approx(told, rel=0.01)
        assert figure(claim, name).low is None
    quiet = launches(fast_cells(), 3)
    slow = launches([one | disturbed | {"latency_s": 1.0} for one in fast_cells()], 1)
    assert only(judge_claims([*quiet, *slow]), "latency").verdict == "holds"


def test_the_best_batch_is_judged_against_the_matrix_rate():
    ours = ("fake-mamba-l", "end-to-end", 4.0)
    shares = {1: 0.1, 16: 0.5, 64: 0.3}
    cells = [
        cell(*ours, 0.01, **FAST, batch_size=size, mfu=share, clock="throughput")
        for size, share in shares.items()
    ]
    claim = only(judge_claims(launches(cells)), "throughput")
    assert claim.verdict == "holds" and claim.cells["batch_size"] == 16
    assert figure(claim, "share of the matrix rate").value == pytest.approx(0.5)
    assert figure(claim, "utterances a second").value == pytest.approx(1600, rel=0.01)
    reasons = {"disturbed": True, "disturbed_by": ("GPU throttled: power",)}
    throttled = [one | (reasons if one["batch_size"] == 16 else {}) for one in cells]
    claim = only(judge_claims(launches(throttled)), "throughput")
    assert (claim.verdict, claim.cells["batch_size"]) == ("cannot tell", 16)
    assert "GPU throttled" in claim.reason and "of batches 1, 16, 64" in claim.reason
    enough = [one | {"mfu": 1.5 * one["mfu"]} for one in throttled]
    claim = only(judge_claims(launches(enough)), "throughput")
    assert (claim.verdict, claim.cells["batch_size"]) == ("holds", 64)
    low = [one | {"mfu": one["mfu"] * 0.7} for one in cells]
    assert only(judge_claims(launches(low)), "throughput").verdict == "does not hold"
    unknown = [one | {"mfu": np.nan} for one in cells]
    claim = only(judge_claims(launches(unknown)), "throughput")
    assert claim.verdict == "cannot tell" and "no count of its work" in claim.reason


def test_every_part_is_held_against_its_roofline():
    bound = {"flops": 2e9, "bytes_moved": 1e7}  # 1 ms of arithmetic, 10 µs of traffic
    latencies_s = {"front-end": 0.0015, "encoder": 0.003, "end-to-end": 0.002}
    cells = [
        cell("fake-mamba-l", part, 4.0, one, **FAST, **bound) for part, one in latencies_s.items()
    ]
    found = judge_claims(launches(cells))
    wanted = {"front-end": "holds", "encoder": "does not hold", "end-to-end": "cannot tell"}
    for part, verdict in wanted.items():
        claim = only(found, "roofline", part=part)
        assert claim.verdict == verdict and "the bound is arithmetic" in claim.reason
        times = figure(claim, "times its bound").value
        assert times == pytest.approx(latencies_s[part] / 0.001, rel=0.01)


def scoring_file(tmp_path, name="scoring.json", **fields):
    path = tmp_path / name
    content = {"utterances_per_s": 2500.0, "decoded_per_s": 9000, "bottleneck": "decoding"}
    path.write_text(json.dumps(content | fields))
    return path


def test_offline_scoring_is_read_from_its_own_file(tmp_path):
    runs = launches(fast_cells())
    claim = only(judge_claims(runs), "offline scoring")
    assert claim.verdict == "cannot tell" and "--scoring" in claim.reason
    one = read_scoring(scoring_file(tmp_path))
    claim = only(judge_claims(runs, [one]), "offline scoring")
    assert claim.verdict == "cannot tell" and "1 runs do not show" in claim.reason
    several = [one | {"utterances_per_s": rate} for rate in (2490, 2500, 2510)]
    claim = only(judge_claims(runs, several), "offline scoring")
    assert claim.verdict == "holds" and "the bottleneck is decoding" in claim.reason
    assert figure(claim, "decoded alone").value == 9000
    tiny = [one | {"frontend": "xls-r-tiny"}]
    assert only(judge_claims(runs, tiny), "offline scoring").verdict == "cannot tell"
    elsewhere = read_scoring(scoring_file(tmp_path, environment={"device": "CPU: Other"}))
    with pytest.raises(ResultsError, match="ran on CPU: Other, but the results are of GPU: Test"):
        judge_claims(runs, [elsewhere])
    slow = [run | {"utterances_per_s": run["utterances_per_s"] - 1000} for run in several]
    assert only(judge_claims(runs, slow), "offline scoring").verdict == "does not hold"
    unknown = read_scoring(scoring_file(tmp_path, utterances_per_s=None, reason="too short"))
    claim = only(judge_claims(runs, [unknown]), "offline scoring")
    assert (claim.verdict, claim.reason) == ("cannot tell", "too short")
    scattered = [one | {"utterances_per_s": rate} for rate in (1900, 2300, 2700)]
    claim = only(judge_claims(runs, scattered), "offline scoring")
    assert claim.verdict == "cannot tell" and claim.interval == "scatter of 3 runs"


@pytest.mark.parametrize("rate", [0, -1, "fast", True])
def test_what_is_no_scoring_is_refused(tmp_path, rate):
    path = scoring_file(tmp_path, utterances_per_s=rate)
    with pytest.raises(ResultsError, match=r"scoring\.json, utterances_per_s: should be"):
        read_scoring(path)
    for text in ("[1]", "{", "", "{}"):
        path.write_text(text)
        with pytest.raises(ResultsError, match=r"scoring\.json(:| is |, utterances_per_s: it is)"):
            read_scoring(path)


def test_results_of_two_machines_are_refused():
    one, other = launches(fast_cells(), 2)
    with pytest.raises(ResultsError, match=r"device is Other in 1\.json, but Test in 0\.json"):
        judge_claims([one, replace(other, environment={"device": "Other"})])


def test_a_scan_alone_has_no_claims():
    with pytest.raises(ResultsError, match="none of the 1 cells is a detector's"):
        judge_claims(launches([cell("selective-scan", "scan", 4.0, 0.1)], 1))


def test_ways_with_a_duration_or_two_say_nothing_of_a_range():
    cells = sweep({"fake-mamba-l": linear}, "encoder")
    at_4_s = cell("fake-mamba-l", "encoder", 4.0, 0.001, **FAST)
    found = judge_claims(launches([*cells, at_4_s]))
    assert only(found, "near-linear", part="encoder", words="latency").cells["precision"] == "fp32"


def test_the_page_shows_foreign_names_as_text_and_the_json_is_strict():
    hostile = Claim(
        **{"name": "x", "by": "goal", "source": "s", "statement": "a | b", "frontend": "<b>f"},
        **{"device_name": "GPU `1`\n# Heading", "cells": {"detector": "@all"}},
        **{"verdict": "cannot tell", "reason": "[x](y)"},
        figures=(Figure("ratio", 2.0, "times", 1.5, 2.5),),
    )
    page = to_markdown([hostile])
    assert "\n# Heading" not in page and "a \\| b" in page and "\\<b\\>f" in page
    assert "@&#8203;all" in page and "\\[x\\](y)" in page and "ratio: 2× (1.5× to 2.5×)" in page
    content = to_json([hostile], "GPU", ["a.json"])
    (claim,) = json.loads(json.dumps(content, allow_nan=False))["claims"]
    assert claim["figures"] == [
        {"name": "ratio", "value": 2.0, "unit": "times", "low": 1.5, "high": 2.5}
    ]


def test_results_of_the_benchmark_itself_are_read(write_growth, tmp_path):
    path = write_growth(tmp_path / "out.json", names=("fake-mamba-l", "xlsr-conformer"))
    found = judge_claims([read_launch(path)])
    assert only(found, "near-linear", part="encoder", words="latency").verdict == "holds"
    assert only(found, "quadratic", part="encoder", words="latency").verdict == "holds"
    assert {one.frontend for one in found} == {"xls-r-tiny", None}
