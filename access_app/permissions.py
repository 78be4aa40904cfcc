"""What a principal may do: each view says by its `scopes` what it asks for."""

import math
from typing import Any

from rest_framework.exceptions import APIException
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from access_app import limits
from access_app.authentication import REALM
from access_app.principals import ONLY_ADMIN, Scope, Scopes, principal_of


class InsufficientScope(APIException):
    """403: the key or the person is known, but may not do this."""

    status_code = 403
    default_code = "insufficient_scope"

    def __init__(self, needed: Scope) -> None:
        super().__init__(
            f"This needs the scope {needed.value}, which this key or login does not have; "
            "an operator can give it, or make a key with it."
        )
        self.auth_header = f'{REALM}, error="insufficient_scope", scope="{needed.value}"'


def scope_for(view: Any, method: str | None) -> Scope:
    """The scope that a request of this method to this view needs; a view that says nothing is for `admin` only."""
    scopes: Scopes = getattr(view, "scopes", ONLY_ADMIN)
    return scopes.read if method in SAFE_METHODS else scopes.write


class TooManyRequests(APIException):
    """429: the key sends faster than it may; `wait` (whole seconds) becomes Retry-After."""

    status_code = 429
    default_code = "too_many_requests"

    def __init__(self, rate: float, wait: float) -> None:
        super().__init__(
            f"This key may send {rate:g} requests a second; send the same request again in a moment, "
            "or many tasks in one batch."
        )
        self.wait = max(1, math.ceil(wait))


class WithinRate(BasePermission):
    """Holds keys to their rate; nobody else has one. Raises TooManyRequests."""

    def has_permission(self, request: Request, view: Any) -> bool:
        principal = principal_of(request)
        rate = principal.requests_per_second
        if rate and (wait := limits.wait(principal.actor, rate)):
            raise TooManyRequests(rate, wait)
        return True


class HasScope(BasePermission):
    """Refuses what the principal's scopes do not allow. Raises InsufficientScope, which names the missing one."""

    def has_permission(self, request: Request, view: Any) -> bool:
        needed = scope_for(view, request.method)
        if not principal_of(request).may(needed):
            raise InsufficientScope(needed)
        return True
