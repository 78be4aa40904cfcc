"""Who a request acts for. Plain data: no Django model."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings
from rest_framework.request import Request

DEFAULT_PROJECT = 1
"""The id of the project that owns everything where keys are not required."""


class Scope(StrEnum):
    """What a principal may do in its project. `admin` may do all of it."""

    TASKS_READ = "tasks:read"
    TASKS_WRITE = "tasks:write"
    SCHEDULES_READ = "schedules:read"
    SCHEDULES_WRITE = "schedules:write"
    ADMIN = "admin"


def read_scopes(text: str) -> frozenset[Scope]:
    """The scopes in a text with spaces between them; a word that this version does not know allows nothing."""
    known = {scope.value: scope for scope in Scope}
    return frozenset(known[word] for word in text.split() if word in known)


def spell_scopes(scopes: Iterable[str]) -> str:
    """The text that `read_scopes` reads, always in the same order. Raises ValueError for a word that is no scope."""
    given = {Scope(scope) for scope in scopes}
    return " ".join(scope.value for scope in Scope if scope in given)


class Kind(StrEnum):
    """What an actor is."""

    ANYONE = "anyone"
    KEY = "key"
    USER = "user"
    COMMAND = "command"


@dataclass(frozen=True, kw_only=True, slots=True)
class Scopes:
    """What a view asks for: one scope to read (GET, HEAD, OPTIONS), one for any other method."""

    read: Scope
    write: Scope


TASKS = Scopes(read=Scope.TASKS_READ, write=Scope.TASKS_WRITE)
SCHEDULES = Scopes(read=Scope.SCHEDULES_READ, write=Scope.SCHEDULES_WRITE)
ONLY_ADMIN = Scopes(read=Scope.ADMIN, write=Scope.ADMIN)


@dataclass(frozen=True, kw_only=True, slots=True)
class Principal:
    """Who sends a request, and in which project; authentication leaves it in `request.auth`."""

    project_id: int = DEFAULT_PROJECT
    scopes: frozenset[Scope] = frozenset()
    actor: str = ""
    """Its name in logs and in the audit log; never a secret."""
    kind: Kind = Kind.ANYONE
    requests_per_second: float = 0
    """What it may send; 0: any number."""
    waiting_tasks: int = 0
    """How many tasks of its project may wait when it sends more; 0: any number."""

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes


ANYONE = Principal(scopes=frozenset(Scope))
"""Who sends a request where keys are not required."""
NOBODY = Principal()
"""Who sends a request that nobody has looked at where keys are required: may do nothing."""


def principal_of(request: Request) -> Principal:
    """Who sends this request."""
    principal = request.auth
    if isinstance(principal, Principal):
        return principal
    # A view that asks for no authentication must not be open to all by that.
    return NOBODY if settings.API_KEYS_REQUIRED else ANYONE


def project_of(request: Request) -> int:
    """The id of the project in which this request acts."""
    return principal_of(request).project_id
