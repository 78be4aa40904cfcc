"""The only writer of kept answers: what a request with an `Idempotency-Key` was answered with, for its repetitions.

A kept answer is written in the transaction that creates what it names, so there are both or neither. It is kept as
the bytes that were sent, compressed: the rows may change or be pruned while the answer must stay the same.
"""

import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.db import connection, transaction
from django.db.models.functions import Length

from access_app.principals import DEFAULT_PROJECT
from tasks_app import keylocks, sql
from tasks_app.models import IdempotencyKey

PRUNE_SLICE = 1000
PRUNE_BYTES = 4 * 2**20
"""Most kept answers, and about how many bytes of them, that one transaction deletes: it must hold no lock long."""

_FASTEST = 1


@dataclass(frozen=True, slots=True)
class Key:
    """A client's key; the same text is another key at another endpoint, and in another project."""

    endpoint: str
    text: str
    project_id: int = DEFAULT_PROJECT


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer, and of which request; `fingerprint` is the same for the same request only."""

    fingerprint: str
    status: int
    body: bytes
    location: str = ""


def find(key: Key) -> Kept | None:
    """The answer that is kept for this key."""
    rows = IdempotencyKey.objects.filter(project_id=key.project_id, endpoint=key.endpoint, key=key.text)
    row = rows.values_list("fingerprint", "status_code", "answer", "location").first()
    return Kept(row[0], row[1], zlib.decompress(row[2]), row[3]) if row else None


@contextmanager
def hold(key: Key) -> Iterator[bool]:
    """Take the key while the block runs; False, at once, when another request has it.

    The key is free again when its holder is done, failed, or died. On PostgreSQL the block is one transaction; what
    another one has committed before it let go is visible to the first statement here.
    """
    if connection.vendor == "postgresql":
        with transaction.atomic():
            yield _advise(key)
    else:
        # Not by a transaction: SQLite's others would wait for this one, and so would who asks for the key.
        with keylocks.hold(_lock_file(), _number(key) % 2**63) as is_held:
            yield is_held


def keep(key: Key, answer: Kept, now: datetime | None = None) -> None:
    """Write an answer, in the transaction that created what it names."""
    IdempotencyKey.objects.create(
        project_id=key.project_id,
        endpoint=key.endpoint,
        key=key.text,
        fingerprint=answer.fingerprint,
        status_code=answer.status,
        answer=zlib.compress(answer.body, _FASTEST),
        location=answer.location,
        created_at=now or sql.clock(),
    )


def prune(before: datetime) -> int:
    """Delete a slice of the answers that were given before a moment; how many, 0 when none is left."""
    with transaction.atomic():
        # SQLite has no row locks; its IMMEDIATE transactions are alone already.
        old = IdempotencyKey.objects.filter(created_at__lt=before).select_for_update(skip_locked=True)
        sizes = old.order_by("created_at").values_list("pk", Length("answer"))[:PRUNE_SLICE]
        chosen, total = [], 0
        for pk, size in sizes:
            chosen.append(pk)
            total += size
            if total >= PRUNE_BYTES:
                break
        IdempotencyKey.objects.filter(pk__in=chosen).delete()
    return len(chosen)


def _advise(key: Key) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_number(key)])
        return bool(cursor.fetchone()[0])


def _lock_file() -> Path:
    # Beside the database: there SQLite itself must be able to make files, and all that share the database see it.
    return Path(connection.settings_dict["NAME"]).absolute().with_name("idempotency-keys.lock")


def _number(key: Key) -> int:
    # Locks have numbers of 64 bits. Should two keys ever share one, one of them is told to come again. The database
    # is a part of it for SQLite's sake, where several may lie in one folder.
    name = connection.settings_dict["NAME"]
    text = f"idempotency\0{name}\0{key.endpoint}\0{key.text}"
    # Without the default project's: a process of a version that knew no projects takes the same lock.
    if key.project_id != DEFAULT_PROJECT:
        text += f"\0{key.project_id}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)
