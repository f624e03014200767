"""The journal: a kill at any byte loses no whole line, and another run's journal is refused."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakemamba.data.trials import Trial
from fakemamba.evaluation.score_journal import (
    JournalError,
    open_journal,
    read_journal,
    remove_journal,
)
from fakemamba.evaluation.scoring import Scored
from fakemamba.records import sealed

IDENTITY = {"weights_sha256": "abc", "length": None, "precision": "fp32"}
SCORES = {0: 1 / 3, 1: -2.5e-9, 2: None, 3: 4.0}


def write(folder, scores=SCORES, rank=0, identity=IDENTITY):
    with open_journal(folder, rank, identity) as add:
        for index, score in scores.items():
            reason = "unreadable\nfile: é" if score is None else None
            add([(index, Scored(Trial(str(index)), score, 100 if score else 0, reason))])


def known(done):
    return {i: score for i, score in enumerate(done.scores.tolist()) if not math.isnan(score)}


def test_scores_and_reasons_come_back_exactly(tmp_path):
    write(tmp_path / "j")
    done = read_journal(tmp_path / "j", IDENTITY, 5)
    assert known(done) == {0: 1 / 3, 1: -2.5e-9, 3: 4.0}
    assert done.reasons == {2: "unreadable\nfile: é"} and done.num_samples == 300


def test_a_kill_at_any_byte_loses_only_the_line_that_it_cut(tmp_path):
    write(tmp_path / "whole")
    content = (tmp_path / "whole" / "rank-0.jsonl").read_bytes()
    ends = [i + 1 for i, byte in enumerate(content) if byte == ord("\n")]
    folder = tmp_path / "cut"
    folder.mkdir()
    path = folder / "rank-0.jsonl"
    for cut in range(len(content) + 1):
        path.write_bytes(content[:cut])
        whole = max(sum(end <= cut for end in ends) - 1, 0)
        done = read_journal(folder, IDENTITY, 5)
        assert len(known(done)) + len(done.reasons) == whole
        write(folder, {index: score for index, score in SCORES.items() if index not in known(done)})
        again = read_journal(folder, IDENTITY, 5)
        assert known(again) == {0: 1 / 3, 1: -2.5e-9, 3: 4.0} and set(again.reasons) == {2}
        assert again.num_samples == 300


def test_damage_comes_back_with_the_score(tmp_path):
    with open_journal(tmp_path / "j", 0, IDENTITY) as add:
        add([(1, Scored(Trial("1"), 0.5, 9, damage="it ends 9 bytes too early"))])
        add([(0, Scored(Trial("0"), 0.25, 9))])
    done = read_journal(tmp_path / "j", IDENTITY, 2)
    assert known(done) == {0: 0.25, 1: 0.5} and done.num_samples == 18
    assert done.damage == {1: "it ends 9 bytes too early"}


def test_every_line_is_on_its_way_before_the_next_batch(tmp_path):
    with open_journal(tmp_path / "j", 0, IDENTITY) as add:
        add([(0, Scored(Trial("0"), 0.5, 9))])
        assert known(read_journal(tmp_path / "j", IDENTITY, 1)) == {0: 0.5}


def test_ranks_add_up_and_a_later_score_takes_a_failures_place(tmp_path):
    write(tmp_path / "j", {0: 1.0, 2: None}, rank=0)
    write(tmp_path / "j", {1: 2.0, 2: 3.0}, rank=1)
    done = read_journal(tmp_path / "j", IDENTITY, 3)
    assert known(done) == {0: 1.0, 1: 2.0, 2: 3.0} and not done.reasons


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"weights_sha256": "xyz"}, "weights_sha256 was 'abc', is 'xyz'"),
        ({"length": 64_600}, "length was None, is 64600"),
        ({"torch": "9"}, "torch was None, is '9'"),
    ],
)
def test_another_run_is_refused_with_what_differs(tmp_path, other, message):
    write(tmp_path / "j")
    with pytest.raises(JournalError, match=message):
        read_journal(tmp_path / "j", {**IDENTITY, **other}, 5)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"index": 0, "score": 1.0', "line 3 has no checksum"),
        (sealed('{"index": 0, "score": 1.0}').replace("1.0", "1.1"), "line 3 is damaged"),
        (sealed('{"index": 5, "score": 1.0}'), "line 3: there is no trial 5"),
        (sealed('{"index": -1, "score": 1.0}'), "line 3, index: should be greater"),
        (sealed('{"index": 0, "score": false}'), "line 3, score: should be a valid number"),
        (sealed('{"index": 0, "score": NaN}'), "line 3, score: should be a finite number"),
        (sealed('{"index": 0, "score": 1.0, "num_samples": -9}'), "line 3, num_samples: "),
        (sealed('{"index": 0, "score": 1.0, "num_samples": 1' + "0" * 40 + "}"), "num_samples: "),
        (sealed('{"index": 0, "score": 1.0, "reason": "x"}'), "line 3: a trial has either"),
        (sealed('{"index": 0}'), "line 3: a trial has either"),
        (sealed("[0, false, 9000]"), "line 3: should be an object"),
        (sealed("[" * 9999 + "]" * 9999), "line 3 is not JSON"),
        ("7", "line 3 has no checksum"),
        (sealed('{"index": "a", "score": 1.0}'), "line 3, index: should be a valid integer"),
    ],
)
def test_a_line_that_cannot_be_is_named(tmp_path, line, message):
    write(tmp_path / "j", {0: 1.0})
    with (tmp_path / "j" / "rank-0.jsonl").open("a") as file:
        file.write(f"{line}\n" + sealed('{"index": 1, "score": 2.0, "num_samples": 3}') + "\n")
    with pytest.raises(JournalError, match=message) as caught:
        read_journal(tmp_path / "j", IDENTITY, 5)
    assert str(caught.value).endswith("remove that line, its trials are then scored again")


@given(st.data())
def test_damage_of_any_byte_is_told_or_only_costs_the_last_line(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    write(folder)
    path = folder / "rank-0.jsonl"
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        found = read_journal(folder, IDENTITY, 5)
    except JournalError as error:
        assert str(error).startswith(f"{path}") and "\n" not in str(error)
    else:
        assert known(found).items() <= {0: 1 / 3, 1: -2.5e-9, 3: 4.0}.items()
        assert len(known(found)) >= 2


def test_a_journal_of_another_version_is_refused(tmp_path):
    for header in ('{"format": 99}', sealed('{"format": 99, "identity": {}}')):
        (tmp_path / "rank-0.jsonl").write_text(f"{header}\n")
        with pytest.raises(JournalError, match="another version"):
            read_journal(tmp_path, IDENTITY, 5)


def test_it_is_removed_with_all_ranks(tmp_path):
    write(tmp_path / "j", rank=0)
    write(tmp_path / "j", rank=1)
    remove_journal(tmp_path / "j")
    assert not (tmp_path / "j").exists()
    assert not known(read_journal(tmp_path / "j", IDENTITY, 5))
