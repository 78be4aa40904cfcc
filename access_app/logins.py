"""Logins of people, at /login/ and /admin/login/: their audit entries, and how often passwords may be guessed.

Each refused login is a row; with too many of them in WINDOW, further ones are refused without a look at the password.
Rows, not a counter in the broker: they hold over all web processes, and where there is no broker. The bound on a name
alone is wide: it must stop a guesser with many addresses, and make it hard to lock somebody out.
"""

import logging
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils import timezone

from access_app import audit
from access_app.addresses import client_address
from access_app.authentication import NoProject, by_login
from access_app.models import LoginFailure
from access_app.principals import Kind

logger = logging.getLogger(__name__)

WINDOW = timedelta(minutes=15)
MOST_OF_BOTH = 10
"""Refused logins with one name from one address."""
MOST_OF_ADDRESS = 50
MOST_OF_NAME = 200
MOST_NOTED = 20
"""Entries of refused logins in WINDOW, of each user's name, and of all other names together: the audit log is kept for
long, and anyone could fill it. A flood of other names hides no guesses at a user."""
UNKNOWN = "(unknown)"
"""Instead of a name that no user has: people type passwords into its field. No user can have this one."""


class TooManyLogins:
    """Stands before the other backends, and refuses for all of them when too many logins have failed.

    No BaseBackend: what has a `get_user` would be taken for the backend of somebody's session.
    """

    def authenticate(self, request: HttpRequest | None, username: Any = None, **credentials: Any) -> None:
        if request is not None and is_blocked(client_address(request.META), str(username)):
            logger.warning("Too many refused logins; this one is refused unseen")
            request.META["scheduler.login_blocked"] = "1"
            raise PermissionDenied


def _digest(name: str) -> str:
    return sha256(name.encode(errors="replace")).hexdigest()


def is_blocked(address: str, name: str) -> bool:
    """Whether a login with this name from this address is refused, whatever its password."""
    recent = LoginFailure.objects.filter(at__gt=timezone.now() - WINDOW)
    of_address, of_name = recent.filter(address=address), recent.filter(name_digest=_digest(name))
    return (
        of_name.filter(address=address).count() >= MOST_OF_BOTH
        or of_address.count() >= MOST_OF_ADDRESS
        or of_name.count() >= MOST_OF_NAME
    )


def note_failure(sender: Any, credentials: dict[str, Any], request: HttpRequest | None, **_: Any) -> None:
    """Keep a refused login, and drop those that no longer count. One that was refused unseen is not kept."""
    if request is None or "scheduler.login_blocked" in request.META:
        return
    now = timezone.now()
    LoginFailure.objects.filter(at__lt=now - WINDOW).delete()
    name = str(credentials.get("username"))
    LoginFailure.objects.create(at=now, address=client_address(request.META), name_digest=_digest(name))
    _note_refused(request, name, now)


def _note_refused(request: HttpRequest, name: str, now: datetime) -> None:
    users = get_user_model()
    is_known = users._default_manager.filter(**{users.USERNAME_FIELD: name}).exists()
    said = audit.named(request, Kind.ANYONE, name if is_known else UNKNOWN)
    if audit.count_of(said, "user.login_refused", now - WINDOW) < MOST_NOTED:
        audit.record(said, None, "user.login_refused", "user", [said.name])


def forget_failures(sender: Any, request: HttpRequest, user: Any, **_: Any) -> None:
    """Somebody who has logged in begins anew, from this address."""
    mine = {"address": client_address(request.META), "name_digest": _digest(user.get_username())}
    LoginFailure.objects.filter(**mine).delete()


def note_login(sender: Any, request: HttpRequest, user: Any, **_: Any) -> None:
    """Leave an entry in the project in which somebody acts who has logged in."""
    name = user.get_username()
    person = audit.named(request, Kind.USER, name)
    audit.record(person, _project_of(user), "user.login", "user", [name], id=str(user.pk))


def note_logout(sender: Any, request: HttpRequest, user: Any, **_: Any) -> None:
    """As `note_login`; who had not logged in leaves none."""
    if user is not None:
        name = user.get_username()
        person = audit.named(request, Kind.USER, name)
        audit.record(person, _project_of(user), "user.logout", "user", [name], id=str(user.pk))


def _project_of(user: Any) -> int | None:
    try:
        return by_login(user).project_id
    except NoProject:
        return None


def watch() -> None:
    """Connect the signals, once per process."""
    user_login_failed.connect(note_failure, dispatch_uid="access_app.note_failure")
    user_logged_in.connect(forget_failures, dispatch_uid="access_app.forget_failures")
    user_logged_in.connect(note_login, dispatch_uid="access_app.note_login")
    user_logged_out.connect(note_logout, dispatch_uid="access_app.note_logout")
