"""Ids of batches: where they say that their tasks are."""

import uuid
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks_app.batch_ids import MOST_MILLISECONDS, new_batch_id, range_of
from tasks_app.ids import new_id

MOMENTS = st.integers(0, 2**48 - 1)
SPANS = st.integers(0, MOST_MILLISECONDS + 2) | st.integers(0, 2**48)


def id_of(milliseconds: int, rest: int = 0) -> UUID:
    """An id of version 7 that was made at this time."""
    made = UUID(int=milliseconds << 80 | rest & 2**80 - 1)
    return UUID(int=made.int & ~(0xF << 76) & ~(0b11 << 62) | 7 << 76 | 0b10 << 62)


@given(MOMENTS, SPANS, st.integers(0, 2**80 - 1), st.integers(0, 2**80 - 1))
def test_all_ids_of_a_batch_lie_in_its_range_however_long_they_took(moment, span, one, other):
    last = min(moment + span, 2**48 - 1)
    batch_id = new_batch_id(id_of(moment, one), id_of(last, other))
    first_id, last_id = range_of(batch_id)
    for inside in (id_of(moment), id_of(moment, one), id_of(last, other), id_of(last, 2**80 - 1)):
        assert first_id <= inside <= last_id


@given(st.integers(1, 2**48 - 5000), st.integers(0, MOST_MILLISECONDS - 1))
def test_the_range_ends_with_the_millisecond_of_the_last_task(moment, span):
    first_id, last_id = range_of(new_batch_id(id_of(moment), id_of(moment + span)))
    assert id_of(moment - 1, 2**80 - 1) < first_id
    assert last_id < id_of(moment + span + 1)


@pytest.mark.parametrize("span", [MOST_MILLISECONDS, MOST_MILLISECONDS + 1, 10**9])
def test_a_batch_that_took_longer_than_can_be_said_is_looked_for_up_to_the_end(span):
    assert range_of(new_batch_id(id_of(10), id_of(10 + span)))[1] == UUID(int=2**128 - 1)


def test_ids_whose_clock_was_set_back_meanwhile_give_a_batch_all_the_same():
    first_id, last_id = range_of(new_batch_id(id_of(10), id_of(9)))
    assert first_id <= id_of(10) <= last_id


def test_it_is_an_id_of_version_7_as_the_rfc_has_it():
    batch_id = new_batch_id(id_of(0x0190B2A45F0E), id_of(0x0190B2A45F11))
    assert (batch_id.version, batch_id.variant) == (7, uuid.RFC_4122)
    assert str(batch_id).startswith("0190b2a4-5f0e-7003-")


def test_two_batches_of_one_millisecond_have_two_ids():
    task_id = new_id()
    assert len({new_batch_id(task_id, task_id) for _ in range(1000)}) == 1000


@given(st.uuids())
def test_any_uuid_has_an_orderly_range_or_none(anything):
    found = range_of(anything)
    assert (found is None) == (anything.version != 7)
    if found:
        assert found[0] <= found[1]
