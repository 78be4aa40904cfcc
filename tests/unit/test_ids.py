"""Identifiers as databases write them."""

import copy
import pickle
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks_app.ids import from_text


@given(st.uuids())
def test_an_id_from_a_databases_text_is_the_id_that_was_written(written: uuid.UUID) -> None:
    for text in (str(written), written.hex):
        read = from_text(text)
        assert (read, hash(read), str(read)) == (written, hash(written), str(written))


def test_an_id_from_a_databases_text_is_a_whole_one() -> None:
    read = from_text("00000000-0000-7000-8000-00000000000a")
    assert pickle.loads(pickle.dumps(read)) == copy.copy(read) == read
    assert (read.is_safe, read.version) == (uuid.SafeUUID.unknown, 7)
    with pytest.raises(TypeError):
        read.int = 1  # type: ignore[misc]
