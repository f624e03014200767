"""No request is lost, whatever the order of refusals, crashes, answers and ends."""

from hypothesis import given
from hypothesis import strategies as st

from fakemamba.bench.load.dispatch import Dispatch, Request, columns


def request(number, issued_s=0.0):
    return Request(number, 0, 16_000, issued_s)


def issued(dispatch, times_s):
    made = [request(number, one) for number, one in enumerate(times_s)]
    for one in made:
        dispatch.issue(one, one.issued_s)
    return made


STEPS = st.lists(
    st.one_of(
        st.just(("issue",)),
        st.just(("take",)),
        st.tuples(st.sampled_from(["answer", "lose", "late"]), st.integers(0, 3)),
        st.just(("wait",)),
    ),
    max_size=60,
)


@given(STEPS, st.integers(1, 4), st.integers(1, 5), st.sampled_from([0.0, 1.5]), st.booleans())
def test_each_request_ends_once(steps, max_batch, queue, max_wait_s, is_closed_early):
    dispatch = Dispatch(max_batch, max_wait_s, queue)
    now_s, made, running, ended = 0.0, [], [], []
    for kind, *which in steps:
        if kind == "issue":
            made.append(request(len(made), now_s))
            ended += dispatch.issue(made[-1], now_s)
        elif kind == "take":
            batch = dispatch.take(now_s)
            assert len(batch) <= max_batch
            running += [batch] if batch else []
        elif kind == "wait":
            now_s += 1.0
        elif running:
            batch = running.pop(which[0] % len(running))
            if kind == "lose":
                ended += dispatch.lose(batch, "it crashed", now_s)
            else:
                answers = [0.5 if one.query % 3 else "too short" for one in batch]
                ended += dispatch.answer(batch, answers, now_s)
    if not is_closed_early:
        now_s += max_wait_s
        while batch := dispatch.take(now_s):
            running.append(batch)
        for batch in running:
            ended += dispatch.answer(batch, [1.0] * len(batch), now_s)
        running = []
    ended += dispatch.close("the end", now_s)
    for batch in running:  # these answers come too late
        assert not dispatch.answer(batch, [1.0] * len(batch), now_s)
    assert sorted(one.query for one in ended) == list(range(len(made)))
    found = columns(made, 0.0)
    assert len(found.ending) == len(made)
    assert all(one is not None for one in found.ending)
    for one in made:
        assert (one.reason is not None) == (one.ending == "failed")
        assert one.started_s is None or one.issued_s <= one.started_s <= one.ended_s


def test_a_batch_leaves_when_it_is_full_or_its_first_has_waited():
    dispatch = Dispatch(max_batch=3, max_wait_s=1.0, queue=9)
    first = issued(dispatch, [0.0, 0.25])
    assert dispatch.due_s() == 1.0 and not dispatch.take(0.9)
    assert dispatch.take(1.0) == first
    more = issued(dispatch, [2.0, 2.0, 2.1, 2.2])
    assert dispatch.take(2.2) == more[:3]
    assert {one.batch for one in more[:3]} == {3}
    assert dispatch.due_s() == 3.2


def test_without_a_wait_an_idle_worker_takes_what_there_is():
    dispatch = Dispatch(max_batch=3, max_wait_s=0.0, queue=9)
    (alone,) = issued(dispatch, [0.0])
    assert dispatch.take(0.0) == [alone] and alone.batch == 1


def test_what_has_no_room_is_refused():
    dispatch = Dispatch(max_batch=1, max_wait_s=0.0, queue=2)
    made = issued(dispatch, [0.0, 0.1, 0.2])
    assert [one.ending for one in made] == [None, None, "refused"]
    dispatch.take(0.3)
    assert not dispatch.issue(request(3, 0.4), 0.4)  # there is room again
