"""Django's sessions in the database, for cookies that can be those of one."""

import re
from datetime import datetime

from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session

PRUNE_SLICE = 1000
_KEY = re.compile(r"[a-z0-9]{8,40}")


class SessionStore(db.SessionStore):
    """Looks only for keys that Django makes.

    A cookie may hold any character (`"\\000"` is a NUL), and PostgreSQL refuses some: no answer, but a 500.
    """

    def __init__(self, session_key: str | None = None) -> None:
        is_key = session_key is not None and _KEY.fullmatch(session_key)
        super().__init__(session_key if is_key else None)


def prune(now: datetime) -> int:
    """Delete some sessions that are over, which Django leaves where they are; how many."""
    old = Session.objects.filter(expire_date__lt=now).order_by("expire_date")
    keys = list(old.values_list("pk", flat=True)[:PRUNE_SLICE])
    return Session.objects.filter(pk__in=keys).delete()[0] if keys else 0
