"""Admin pages whose changes leave entries in the audit log."""

from typing import Any

from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest, HttpResponse

from access_app import audit
from access_app.lookups import StrictLookups
from access_app.models import ApiKey, Project

NAMES = {"apikey": "key"}


def target_of(row: Model) -> tuple[str, str, int | None]:
    """Of what kind a row is, how it is called, and of which project it is."""
    kind = str(row._meta.model_name)
    project_id = row.pk if isinstance(row, Project) else getattr(row, "project_id", None)
    return NAMES.get(kind, kind), row.prefix if isinstance(row, ApiKey) else str(row), project_id


def _record(request: HttpRequest, row: Model, deed: str, message: Any = None) -> None:
    kind, name, project_id = target_of(row)
    actor = audit.person_of(request)
    # Django's message names the fields, not their values.
    audit.record(actor, project_id, f"{kind}.{deed}", kind, [name], id=str(row.pk), change=message)


class Audited(StrictLookups):
    """A mixin. Django calls these three for whatever its pages and actions add, change and delete."""

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        _record(request, obj, "create")
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        if message:
            _record(request, obj, "edit", message)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for row in queryset:
            _record(request, row, "delete")
        return super().log_deletions(request, queryset)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        # Django's other pages are transactions already; this one has the action that deletes many.
        with transaction.atomic():
            return super().changelist_view(request, extra_context)
