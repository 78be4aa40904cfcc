"""Who changed what: one entry per change, in the change's own transaction. The only writer of entries.

Logins and logouts of people have entries too, and refused logins as far as `logins` lets them.

What changes nothing leaves none: a refused request, a repetition that is answered as before, a cancellation of what has
ended. An entry names what was changed and how, never arguments, results or secrets. Requests for which nobody answers,
where keys are not required and nobody has logged in, leave none either, and pay nothing.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.http import HttpRequest
from rest_framework.request import Request
from uuid_utils.compat import uuid7 as new_id

from access_app.addresses import client_address
from access_app.models import AuditEntry
from access_app.principals import Kind, principal_of
from scheduler_service import logs

_DEEDS = {
    "task": ("create", "cancel", "retry", "delete"),
    "schedule": ("create", "edit", "delete", "pause", "resume", "trigger", "skip", "move", "restore"),
    "backfill": ("create", "cancel"),
    "calendar": ("create", "edit", "delete"),
    "key": ("create", "edit", "rotate", "revoke", "delete"),
    "project": ("create", "edit", "delete"),
    "membership": ("create", "edit", "delete"),
    "user": ("create", "edit", "delete", "login", "logout", "login_refused"),
    "group": ("create", "edit", "delete"),
}
ACTIONS = tuple(f"{kind}.{deed}" for kind, deeds in _DEEDS.items() for deed in deeds)
"""Every action that an entry may have."""
ACTIONS_IN_SHORT = "; ".join(f"{kind}.{', .'.join(deeds)}" for kind, deeds in _DEEDS.items())
"""For people: `task.create, .cancel…`."""
_COLUMNS = (
    *("entry_id", "project_id", "actor", "actor_kind", "action", "target_type", "target_ids", "target_count"),
    *("request_id", "address", "details"),
)
# Through the model it would take half as long as to create a task. The names of the parameters are no other
# statement's, since a store sends it together with one of its own.
_INSERT = (
    f"INSERT INTO access_audit_entry ({', '.join(_COLUMNS)}) "  # noqa: S608 - constant names
    f"VALUES ({', '.join(f'%(audit_{name})s' for name in _COLUMNS)})"
)
MOST_IDS = 20
PRUNE_SLICE = 1000

Statement = tuple[str, dict[str, Any]]
"""A statement with named parameters, and these."""
Note = Callable[..., None]
"""`note(action, target_type, ids, **details)`: an entry, unless there are no ids."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes something, and from where."""

    kind: Kind
    name: str
    request_id: str = ""
    address: str = ""


COMMAND = Actor(Kind.COMMAND, "manage.py")


def actor_of(request: Request) -> Actor:
    """Who sends a request of the API."""
    principal = principal_of(request)
    return _from(request.META, principal.kind, principal.actor)


def person_of(request: HttpRequest) -> Actor:
    """Who sends a request of the admin."""
    return named(request, Kind.USER, request.user.get_username())


def named(request: HttpRequest, kind: Kind, name: str) -> Actor:
    """Who sends a request, where the request itself does not say it, or not yet."""
    return _from(request.META, kind, name)


def _from(environ: dict[str, Any], kind: Kind, name: str) -> Actor:
    return Actor(kind, name, str(logs.context().get("request_id", "")), client_address(environ))


def record(
    actor: Actor,
    project_id: int | None,
    action: str,
    target_type: str,
    ids: Iterable[Any],
    **details: Any,
) -> None:
    """Write an entry, in the transaction of the change. Without ids nothing was changed, and nothing is written.

    `details` are small: names of fields, ids, times.
    """
    targets = list(ids)
    if targets:
        _insert(_values(actor, project_id, action, target_type, targets, details))


def along(request: Request, action: str, target_type: str, ids: Iterable[Any]) -> list[Statement]:
    """The statement that writes an entry, for a store to send along with its own, in one way to the database.

    For a change that happens to just these ids, or fails. For nobody in particular there is none.
    """
    principal = principal_of(request)
    if principal.kind is Kind.ANYONE:
        return []
    return [(_INSERT, _values(actor_of(request), principal.project_id, action, target_type, list(ids), {}))]


def _values(
    actor: Actor,
    project_id: int | None,
    action: str,
    target_type: str,
    targets: list[Any],
    details: dict[str, Any],
) -> dict[str, Any]:
    return {
        "audit_entry_id": new_id() if connection.features.has_native_uuid_field else new_id().hex,
        "audit_project_id": project_id,
        "audit_actor": actor.name[:150],
        "audit_actor_kind": actor.kind.value,
        "audit_action": action,
        "audit_target_type": target_type,
        "audit_target_ids": json.dumps([str(one) for one in targets[:MOST_IDS]]),
        "audit_target_count": len(targets),
        "audit_request_id": actor.request_id,
        "audit_address": actor.address,
        "audit_details": json.dumps(
            {name: _plain(value) for name, value in details.items() if value is not None}
        ),
    }


def _insert(values: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, values)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def _nothing(action: str, target_type: str, ids: Iterable[Any], **details: Any) -> None:
    pass


@contextmanager
def changing(request: Request) -> Iterator[Note]:
    """The transaction of a change that a request of the API makes, with what notes it in the request's project.

    For nobody in particular there is neither: what changes something is its own transaction, as ever.
    """
    principal = principal_of(request)
    if principal.kind is Kind.ANYONE:
        yield _nothing
        return
    with transaction.atomic():
        yield partial(record, actor_of(request), principal.project_id)


def record_by_project(
    actor: Actor, projects: dict[Any, int], action: str, target_type: str, ids: Iterable[Any]
) -> None:
    """As `record`, with one entry for each project that something of was changed; `projects` are those of the ids."""
    changed: dict[int, list[Any]] = {}
    for one in ids:
        changed.setdefault(projects[one], []).append(one)
    for project_id, own in sorted(changed.items()):
        record(actor, project_id, action, target_type, own)


def count_of(actor: Actor, action: str, since: datetime) -> int:
    """How many entries of no project an actor of this kind and name has left by an action since then."""
    first = UUID(int=int(since.timestamp() * 1000) << 80)  # the ids are ordered by time
    rows = AuditEntry.objects.filter(project_id=None, pk__gte=first, action=action)
    return rows.filter(actor=actor.name[:150], actor_kind=actor.kind.value).count()


def prune(before: UUID) -> int:
    """Delete some entries that are older than an id, which is ordered by time; how many."""
    old = AuditEntry.objects.filter(pk__lt=before).order_by("pk")
    ids = list(old.values_list("pk", flat=True)[:PRUNE_SLICE])
    return AuditEntry.objects.filter(pk__in=ids).delete()[0] if ids else 0
