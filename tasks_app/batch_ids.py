"""Ids of batches. Such an id says where the ids of the batch's tasks lie, so that no index has to know its tasks: every
update of a task would pay for one.

It is a UUID of version 7 (RFC 9562), and its time is that of the first task's id. The twelve bits behind the version,
which section 5.7 leaves to who makes the id, say how many milliseconds there are between the first task's id and that
of the last. 62 bits are random.
"""

import secrets
from uuid import UUID

MOST_MILLISECONDS = 2**12 - 1
"""What twelve bits can say. It stands for as long and longer: then all later tasks may be the batch's."""

_VERSION, _VARIANT = 0b0111, 0b10
_END = 2**128 - 1


def new_batch_id(first: UUID, last: UUID) -> UUID:
    """A new id for a batch, by the first and the last of its tasks' ids, all of which are of version 7."""
    begin = _milliseconds(first)
    span = min(max(_milliseconds(last) - begin, 0), MOST_MILLISECONDS)
    number = begin << 16 | _VERSION << 12 | span
    return UUID(int=(number << 2 | _VARIANT) << 62 | secrets.randbits(62))


def range_of(batch_id: UUID) -> tuple[UUID, UUID] | None:
    """The first and the last id that a task of the batch can have; None: this is no batch's id.

    Any UUID may be asked for: of one that was made up, the range is as bounded as that of a batch.
    """
    if batch_id.version != _VERSION:
        return None
    begin, span = _milliseconds(batch_id), batch_id.int >> 64 & MOST_MILLISECONDS
    end = _END if span == MOST_MILLISECONDS else min((begin + span + 1 << 80) - 1, _END)
    return UUID(int=begin << 80), UUID(int=end)


def _milliseconds(made: UUID) -> int:
    return made.int >> 80
