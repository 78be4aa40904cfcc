"""Identifiers of tasks and schedules."""

import re
import uuid
from datetime import datetime, timedelta

import uuid_utils
import uuid_utils.compat


def new_id() -> uuid.UUID:
    """A time-ordered UUID (RFC 9562, version 7), monotonic within a process: creation order is id order."""
    return uuid_utils.compat.uuid7()


_SPELLED = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


def read_id(text: str) -> uuid.UUID | None:
    """The id that a client wrote as it is answered; None for anything else, also what `UUID()` would take."""
    return uuid.UUID(text) if _SPELLED.fullmatch(text) else None


def from_text(text: str) -> uuid.UUID:
    """The id in a text that a database wrote. Takes half as long as `UUID(text)`, which looks for faults first."""
    made = object.__new__(uuid.UUID)
    _set_number(made, int(text.replace("-", ""), 16))
    _set_safety(made, uuid.SafeUUID.unknown)
    return made


# As `UUID.__init__` does it: its instances refuse to be changed.
_set_number = vars(uuid.UUID)["int"].__set__
_set_safety = vars(uuid.UUID)["is_safe"].__set__


def new_ids(number: int) -> list[str]:
    """As many of `new_id`, as texts with hyphens."""
    return [str(uuid_utils.uuid7()) for _ in range(number)]


CLOCKS_DIFFER = timedelta(hours=1)
"""By how much the clock of a machine that makes ids may differ from the database's."""


def first_id(moment: datetime) -> uuid.UUID:
    """The id before which none lies that was made at this moment or later."""
    milliseconds = int(moment.timestamp() * 1000)
    return uuid.UUID(int=min(max(milliseconds, 0), 2**48 - 1) << 80)


def blurred(made: uuid.UUID, *, is_first: bool) -> uuid.UUID:
    """The first or last UUID that differs from a `new_id` in random bits only: a place in their order, but no id."""
    return uuid.UUID(int=made.int & ~_RANDOM if is_first else made.int | _RANDOM)


_RANDOM = 2**32 - 1


def new_id_text() -> str:
    """As `new_id`, in hex digits: a UUID of Python costs four times as much."""
    return uuid_utils.uuid7().hex
