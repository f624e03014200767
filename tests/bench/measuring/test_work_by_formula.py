"""Counts of shapes alone against counts of real runs, to the flop and to the byte."""

from dataclasses import replace
from itertools import pairwise, product

import pytest
import torch
from kinds import KINDS

from fakemamba.bench.cells import PARTS, Cell, ScanCell
from fakemamba.bench.instruments.work import count_work
from fakemamba.bench.instruments.work_on_meta import META, MetaCounter, NoFormulaError
from fakemamba.bench.measuring.preparation import WorkloadCache
from fakemamba.bench.measuring.work_by_formula import DURATIONS_S, FormulaCounter, work_records
from fakemamba.models.frontend import FRONTEND_SIZES
from fakemamba.models.scan.mixer import set_scan_backend

CPU = torch.device("cpu")
TINY = "xls-r-tiny"


@pytest.fixture(scope="module")
def cache():
    return WorkloadCache()


@pytest.fixture(scope="module")
def counter():
    return FormulaCounter()


def counts(work):
    assert work.uncounted == {}
    return work.flops, work.bytes_moved


@pytest.mark.parametrize("name", KINDS)
def test_shapes_alone_give_the_counts_of_a_run(name, cache, counter):
    for (duration_s, batch_size), part in product(((0.5, 1), (1.37, 2)), PARTS):
        cell = Cell(name, TINY, part, duration_s, batch_size)
        run = count_work(cache.prepare(cell).run_eager, CPU)
        assert counts(counter.count_cell(cell)) == counts(run), cell.id


@pytest.mark.parametrize(
    "frontend",
    [
        "wav2vec2-tiny",
        "hubert-tiny?output=weighted",
        "wavlm-tiny",
        "w2v-bert-tiny?waveform=utterance",
    ],
)
def test_front_ends_of_other_families_have_the_counts_of_a_run(frontend, cache, counter):
    cell = Cell("fake-mamba-s", frontend, "end-to-end", 0.5, 2)
    work = cache.prepare(cell)
    work.run_eager()  # the first call also makes the filters of log-mel features
    run = count_work(work.run_eager, CPU)
    assert counts(counter.count_cell(cell)) == counts(run)


def test_unfused_attention_is_counted_as_it_is(cache, counter):
    cell = Cell("xlsr-conformer", TINY, "front-end", 1.0, attention="eager")
    run = count_work(cache.prepare(cell).run_eager, CPU)
    assert counts(counter.count_cell(cell)) == counts(run)
    assert counts(run) != counts(counter.count_cell(replace(cell, attention="sdpa")))


@pytest.mark.parametrize("backend", ["torch", "cpu"])
@pytest.mark.parametrize("name", ["fake-mamba-s", "con-bimamba", "xlsr-mamba"])
def test_no_scan_backend_changes_the_counts(name, backend, make_detector, counter):
    detector = make_detector(name)
    set_scan_backend(detector, backend)
    with torch.inference_mode():
        run = count_work(lambda: detector(torch.randn(1, 8_000)), CPU)
    noise = 4 * 8_000  # that is made in the call
    flops, bytes_moved = counts(counter.count(name, TINY, "end-to-end", 1, 0.5))
    assert counts(run) == (flops, bytes_moved + noise)


def test_attention_grows_quadratically_up_to_minutes(counter):
    found = [
        counter.count("xlsr-transformer", TINY, "encoder", 1, frames / 50 + 0.01).flops
        for frames in (5_000, 10_000, 15_000, 20_000)
    ]
    first = [after - before for before, after in pairwise(found)]
    second = [after - before for before, after in pairwise(first)]
    assert second[0] == second[1] > 0


def test_blocks_that_differ_are_told_apart():
    class Block(torch.nn.Module):
        def __init__(self, times):
            super().__init__()
            self.times = times

        def forward(self, x):
            for _ in range(self.times):
                x = x * 2
            return x

    blocks = torch.nn.ModuleList([Block(1), Block(3), Block(1)])
    counter, x = MetaCounter(), torch.empty(5, device=META)
    counter.watch(blocks)
    work, _ = counter.count(lambda: [block(x) for block in blocks])
    assert work.flops == (1 + 3 + 1) * 5


def test_what_has_no_formula_is_named_every_time():
    counter, x = MetaCounter(), torch.empty(5, device=META)
    for _ in range(2):
        with pytest.raises(NoFormulaError, match="operator sort"):
            counter.count(lambda: torch.sort(x * 2))


def test_only_what_runs_alike_everywhere_is_counted_without_a_run(counter):
    cell = Cell("fake-mamba-s", TINY, "encoder", 1.0)
    assert counter.count_cell(cell) is not None
    assert counter.count_cell(replace(cell, precision="tf32", execution="graph")) is not None
    for other in (
        replace(cell, precision="bf16"),
        replace(cell, precision="int8"),
        replace(cell, execution="optimized"),
        replace(cell, part="training-step"),
        replace(cell, detector="nobody's"),
        ScanCell("torch", 50, 1, "fp32", "one", "forward", "cpu"),
    ):
        assert counter.count_cell(other) is None


def test_a_part_has_one_record_whatever_measures_it():
    cell = Cell("xlsr-conformer-tcm", TINY, "encoder", 1.0)
    cells = [cell, replace(cell, duration_s=2.0, precision="bf16"), replace(cell, batch_size=4)]
    one, four = work_records([*cells, replace(cell, part="training-step")])
    assert list(one) == [
        *("detector", "frontend", "part", "batch_size"),
        *("durations_s", "flops", "bytes_moved", "reason"),
    ]
    assert (one["batch_size"], four["batch_size"], one["reason"]) == (1, 4, None)
    # Its positions end at 200 s: no more is asked of it.
    assert one["durations_s"] == [d for d in DURATIONS_S if d < 200]
    assert len(one["flops"]) == len(one["bytes_moved"]) == len(one["durations_s"])
    assert all(4 * a >= b > a for a, b in zip(one["flops"], four["flops"], strict=True))


def test_what_cannot_be_counted_says_why(monkeypatch):
    (unknown,) = work_records([Cell("fake-mamba-s", "xls-r-tinny", "encoder", 1.0)])
    assert (unknown["flops"], unknown["bytes_moved"]) == (None, None)
    assert "did you mean xls-r-tiny" in unknown["reason"]

    def sorting(self, features, lengths=None):
        return features.sort(dim=1).values

    monkeypatch.setattr("fakemamba.models.block_detector.BlockEncoder.forward", sorting)
    cell = Cell("fake-mamba-s", TINY, "encoder", 1.0)
    front_end, encoder = work_records([replace(cell, part="front-end"), cell])
    assert front_end["reason"] is None and min(front_end["flops"]) > 0
    assert encoder["flops"] is None and "operator sort" in encoder["reason"]


def test_a_folder_needs_no_weights(tmp_path, counter):
    FRONTEND_SIZES[TINY].to_transformers().save_pretrained(tmp_path)
    parts = ("fake-mamba-s", str(tmp_path), "end-to-end", 1, 1.0)
    assert counter.count(*parts) == counter.count(parts[0], TINY, *parts[2:])
