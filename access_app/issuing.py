"""Making, rotating and revoking keys: the only writer of keys but for what the admin's form changes."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from access_app import audit, keys
from access_app.audit import Actor
from access_app.models import ApiKey, Project
from access_app.principals import Scope, spell_scopes

logger = logging.getLogger(__name__)

USE_SECONDS = 60.0
"""How old a key's last use is at least when it is written again."""
MOST_MILLISECONDS = 50
"""How long SQLite may wait for another writer to write it."""


class NotPossible(Exception):
    """The key cannot be changed like this; the message says why."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A key with its whole text, which is kept nowhere and shown once."""

    key: ApiKey
    text: str


def create(
    project: Project,
    name: str,
    scopes: Iterable[Scope],
    *,
    by: Actor,
    expires_at: datetime | None = None,
    requests_per_second: float | None = None,
    waiting_tasks: int | None = None,
) -> Issued:
    """Make a key of a project."""
    key = ApiKey(
        project=project,
        name=name,
        scopes=spell_scopes(scopes),
        created_by=by.name,
        expires_at=expires_at,
        requests_per_second=requests_per_second,
        waiting_tasks=waiting_tasks,
    )
    return issue(key, by)


def issue(key: ApiKey, by: Actor) -> Issued:
    """Give a key that is not stored yet its prefix and its secret, and store it."""
    secret = keys.new_secret()
    key.prefix, key.digest = keys.new_prefix(), keys.digest(secret)
    with transaction.atomic():
        key.save(force_insert=True)
        _record(by, key, "create", scopes=key.scopes, expires_at=key.expires_at)
    return Issued(key, keys.spell(key.prefix, secret))


def rotate(prefix: str, overlap: timedelta, *, by: Actor, expires_at: datetime | None = None) -> Issued:
    """Give a key a new secret; the one that it had opens it for `overlap` more, any older one no longer.

    With `expires_at`, the key has a new end. Raises NotPossible for a key that is revoked or has expired.
    """
    now, secret = timezone.now(), keys.new_secret()
    with transaction.atomic():
        key = _locked(prefix)
        if key.revoked_at is not None:
            raise NotPossible(f"{prefix} is revoked; create a new key.")
        key.expires_at = expires_at or key.expires_at
        if key.expires_at is not None and key.expires_at <= now:
            raise NotPossible(f"{prefix} has expired; give it a later end, or create a new key.")
        key.previous_digest = key.digest if overlap else ""
        key.previous_expires_at = now + overlap if overlap else None
        key.digest = keys.digest(secret)
        key.save(update_fields=["digest", "previous_digest", "previous_expires_at", "expires_at"])
        _record(by, key, "rotate", previous_until=key.previous_expires_at, expires_at=expires_at)
    return Issued(key, keys.spell(prefix, secret))


def revoke(prefix: str, *, by: Actor) -> bool:
    """End a key at once and for good; False when it was revoked before."""
    with transaction.atomic():
        key = _locked(prefix)
        if key.revoked_at is not None:
            return False
        key.revoked_at = timezone.now()
        key.previous_digest, key.previous_expires_at = "", None
        key.save(update_fields=["revoked_at", "previous_digest", "previous_expires_at"])
        _record(by, key, "revoke")
    return True


def _record(by: Actor, key: ApiKey, action: str, **details: Any) -> None:
    audit.record(by, key.project_id, f"key.{action}", "key", [key.prefix], name=key.name, **details)


def _locked(prefix: str) -> ApiKey:
    key = ApiKey.objects.select_for_update(of=("self",)).filter(prefix=prefix).first()
    if key is None:
        raise NotPossible(f"There is no key {prefix}; `manage.py apikey list` shows all.")
    return key


def note_use(key_id: int, now: datetime) -> None:
    """Write a key's last use, unless somebody has in the last minute.

    Never raises and never waits for whoever holds the row: no request must fail or be late by it.
    """
    stale = now - timedelta(seconds=USE_SECONDS)
    try:
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(_NOTE_USE, [now, key_id, stale])
        else:
            with _hardly_waiting():
                is_stale = Q(last_used_at=None) | Q(last_used_at__lt=stale)
                ApiKey.objects.filter(is_stale, pk=key_id).update(last_used_at=now)
    except DatabaseError as error:
        logger.warning("The last use of a key could not be written: %s", error)


_NOTE_USE = """
UPDATE access_api_key SET last_used_at = %s WHERE id = (
    SELECT id FROM access_api_key WHERE id = %s AND (last_used_at IS NULL OR last_used_at < %s)
    FOR NO KEY UPDATE SKIP LOCKED)
"""


@contextmanager
def _hardly_waiting() -> Iterator[None]:
    """Let SQLite give up at once, where it would wait for another writer as long as its settings say."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        [usual] = cursor.fetchone()
        cursor.execute(f"PRAGMA busy_timeout = {MOST_MILLISECONDS}")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {usual}")
