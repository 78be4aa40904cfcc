"""Who sends a request: a program with a key, a person who has logged in, or, where keys are not required, anyone."""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, CSRFCheck
from rest_framework.exceptions import APIException
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from access_app import issuing, keys
from access_app.models import ApiKey, Membership
from access_app.principals import ANYONE, Kind, Principal, Scope, read_scopes
from scheduler_service import logs

logger = logging.getLogger(__name__)

REALM = 'Bearer realm="scheduler"'
_COLUMNS = [field.attname for field in ApiKey._meta.concrete_fields]
_FIND = f"SELECT {', '.join(_COLUMNS)} FROM {ApiKey._meta.db_table} WHERE prefix = %s"  # noqa: S608 - constant text
KEY_ENVIRON = "scheduler.key_id"
"""Where the access log finds by which key a request came."""


class MissingKey(APIException):
    """401: neither key nor login. Without an error code (RFC 6750 section 3.1): nothing was wrong, it was missing."""

    status_code = 401
    default_code = "not_authenticated"
    default_detail = (
        "Send a key, `Authorization: Bearer key_….…`, or log in at /login/. An operator makes keys with "
        "`manage.py apikey create`, or in the admin."
    )
    auth_header = REALM


class InvalidKey(APIException):
    """401: the key is not right. One answer for every reason: whoever guesses learns nothing from it."""

    status_code = 401
    default_code = "invalid_key"
    default_detail = (
        "This key opens nothing: it is misspelled, unknown, expired or revoked. "
        "The header is `Authorization: Bearer key_….…`."
    )
    auth_header = f'{REALM}, error="invalid_token"'


class CsrfFailed(APIException):
    """403: a page's request that a foreign page could have made."""

    status_code = 403
    default_code = "csrf_failed"
    default_detail = (
        "A request with a login's cookie that changes something needs the header X-CSRFToken, and must come from "
        "the service's own pages. Programs send a key instead."
    )


class NoProject(APIException):
    """403: somebody has logged in who belongs to no project."""

    status_code = 403
    default_code = "no_project"
    default_detail = (
        "This user belongs to no project; an operator can say to which one, in the admin under Memberships."
    )


class Authentication(BaseAuthentication):
    """Leaves the principal in `request.auth`, and the person, if there is one, in `request.user`.

    A header of another scheme than Bearer is not for the service, but for a proxy before it.
    """

    def authenticate(self, request: Request) -> tuple[Any, Principal]:
        scheme, _, text = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
        if scheme.lower() == "bearer":
            return None, _by_key(request, text.strip())
        user = _logged_in(request)
        if user is not None:
            _check_csrf(request)
            return user, by_login(user)
        if settings.API_KEYS_REQUIRED:
            raise MissingKey
        return None, ANYONE

    def authenticate_header(self, request: Request) -> str:
        return REALM


def _by_key(request: Request, text: str) -> Principal:
    parsed = keys.parse(text)
    if parsed is None:
        raise InvalidKey
    prefix, secret = parsed
    now = timezone.now()
    # Read anew for each request: a key that is revoked opens nothing from that moment on, in any process.
    key = _find(prefix)
    if not _opens(key, secret, now) or key is None:
        raise InvalidKey
    request.META[KEY_ENVIRON] = prefix
    logs.add(key_id=prefix)
    _note_use(key, now)
    return Principal(
        project_id=key.project_id,
        scopes=read_scopes(key.scopes),
        actor=prefix,
        kind=Kind.KEY,
        requests_per_second=_or_default(key.requests_per_second, settings.CONFIG.key_requests_per_second),
        waiting_tasks=_or_default(key.waiting_tasks, settings.CONFIG.key_waiting_tasks),
    )


def _or_default(own: Any, default: Any) -> Any:
    return default if own is None else own


def _find(prefix: str) -> ApiKey | None:
    if connection.vendor != "postgresql":
        return ApiKey.objects.filter(prefix=prefix).first()
    # As the line above, for every request, without the spelling of its statement, which takes longer than the answer.
    with connection.cursor() as cursor:
        cursor.execute(_FIND, [prefix])
        row = cursor.fetchone()
    return ApiKey.from_db(connection.alias, _COLUMNS, row) if row else None


def _opens(key: ApiKey | None, secret: str, now: datetime) -> bool:
    # An unknown prefix takes the same way as a wrong secret: its lock is one that nothing opens.
    lock = keys.Lock()
    if key is not None:
        lock = keys.Lock(key.digest, key.previous_digest, key.previous_expires_at)
    is_right = keys.opens(secret, lock, now)
    return is_right and key is not None and _is_valid(key, now)


def _is_valid(key: ApiKey, now: datetime) -> bool:
    return key.revoked_at is None and (key.expires_at is None or now < key.expires_at)


def _note_use(key: ApiKey, now: datetime) -> None:
    is_noted = key.last_used_at is not None and now - key.last_used_at < timedelta(
        seconds=issuing.USE_SECONDS
    )
    if not is_noted:
        issuing.note_use(key.pk, now)


def _logged_in(request: Request) -> AbstractBaseUser | None:
    # Without the cookie there is no session to look for.
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return None
    user = getattr(request._request, "user", None)
    return user if user is not None and user.is_authenticated and user.is_active else None


def _any_view(request: HttpRequest) -> HttpResponse:
    # Django's check asks what a view is exempt from, and calls none.
    return HttpResponse()


def _check_csrf(request: Request) -> None:
    if request.method in SAFE_METHODS:
        return
    # Without the header Django would look for the token in the body, and read all of a form for it.
    if settings.CSRF_HEADER_NAME not in request.META:
        raise CsrfFailed
    check = CSRFCheck(_any_view)
    check.process_request(request._request)
    if reason := check.process_view(request._request, _any_view, (), {}):
        logger.warning("CSRF: %s", reason)
        raise CsrfFailed


def by_login(user: AbstractBaseUser) -> Principal:
    """As whom somebody acts who has logged in. Raises NoProject."""
    name = user.get_username()
    membership = Membership.objects.filter(user_id=user.pk).first()
    if membership is not None:
        scopes = read_scopes(membership.scopes)
        return Principal(project_id=membership.project_id, scopes=scopes, actor=name, kind=Kind.USER)
    # Where keys are not required, to log in must not take away what anyone may do.
    if getattr(user, "is_superuser", False) or not settings.API_KEYS_REQUIRED:
        return Principal(scopes=frozenset(Scope), actor=name, kind=Kind.USER)
    raise NoProject
