"""Django's sessions in the database, for cookies that can be those of one."""

import re

from django.contrib.sessions.backends import db

_KEY = re.compile(r"[a-z0-9]{8,40}")


class SessionStore(db.SessionStore):
    """Looks only for keys that Django makes.

    A cookie may hold any character (`"\\000"` is a NUL), and PostgreSQL refuses some: no answer, but a 500.
    """

    def __init__(self, session_key: str | None = None) -> None:
        is_key = session_key is not None and _KEY.fullmatch(session_key)
        super().__init__(session_key if is_key else None)
