"""The overlap policies, by what they say of fires that meet an unfinished task."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from schedules_app.overlap import Decision, decide
from schedules_app.records import Overlap

A, B, C, D = (datetime(2030, 1, 1, hour, tzinfo=UTC) for hour in range(4))


def _decide(policy: Overlap, *fires: datetime, running: bool = False, waiting=(), bound: int = 2) -> Decision:
    return decide(policy, fires, is_running=running, waiting=waiting, bound=bound)


def test_allow_fires_all_and_what_waits_from_an_earlier_policy_first():
    assert _decide(Overlap.ALLOW, B, C, running=True, waiting=(A,)) == Decision(fires=(A, B, C))


def test_skip_fires_the_first_of_several_and_none_beside_an_unfinished_task():
    assert _decide(Overlap.SKIP, A, B, C) == Decision(fires=(A,), skipped=(B, C))
    assert _decide(Overlap.SKIP, A, B, running=True) == Decision(skipped=(A, B))


def test_buffer_one_keeps_the_older_one_that_waits_already():
    assert _decide(Overlap.BUFFER_ONE, B, C, running=True, waiting=(A,)) == Decision(
        waiting=(A,), skipped=(B, C)
    )
    assert _decide(Overlap.BUFFER_ONE, A, B, C) == Decision(fires=(A,), waiting=(B,), skipped=(C,))


def test_one_that_waits_goes_before_one_that_is_due_now():
    assert _decide(Overlap.BUFFER_ONE, B, waiting=(A,)) == Decision(fires=(A,), waiting=(B,))
    assert _decide(Overlap.SKIP, B, waiting=(A,)) == Decision(fires=(A,), skipped=(B,))


def test_buffer_all_keeps_as_many_as_its_bound():
    assert _decide(Overlap.BUFFER_ALL, B, C, D, running=True, waiting=(A,)) == Decision(
        waiting=(A, B), skipped=(C, D)
    )


def test_cancel_previous_fires_the_newest_and_cancels_only_if_there_is_something_to_cancel():
    assert _decide(Overlap.CANCEL_PREVIOUS, A, B) == Decision(fires=(B,), skipped=(A,))
    assert _decide(Overlap.CANCEL_PREVIOUS, A, running=True) == Decision(fires=(A,), cancels=True)


def test_cancel_previous_cancels_nothing_when_nothing_is_to_fire():
    assert _decide(Overlap.CANCEL_PREVIOUS, running=True, waiting=(A,)) == Decision(waiting=(A,))


def test_a_smaller_bound_sends_nobody_away_who_waits_already():
    assert _decide(Overlap.BUFFER_ALL, D, running=True, waiting=(A, B, C), bound=1) == Decision(
        waiting=(A, B, C), skipped=(D,)
    )


@given(
    st.sampled_from(Overlap),
    st.integers(0, 5),
    st.integers(0, 5),
    st.booleans(),
    st.integers(min_value=1, max_value=4),
)
def test_every_occurrence_is_dealt_with_exactly_once(policy, waiting, fires, is_running, bound):
    times = [A + timedelta(minutes=n) for n in range(waiting + fires)]
    made = decide(policy, times[waiting:], is_running=is_running, waiting=times[:waiting], bound=bound)
    assert sorted((*made.fires, *made.waiting, *made.skipped)) == times
    assert policy is Overlap.ALLOW or len(made.fires) <= (0 if is_running and not made.cancels else 1)
