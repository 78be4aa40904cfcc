"""Finding and making projects, and whether anything belongs to one."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import transaction
from django.db.models import Model, ProtectedError

from access_app import audit
from access_app.audit import COMMAND, Actor
from access_app.models import AuditEntry, Project
from access_app.principals import DEFAULT_PROJECT


class InvalidName(Exception):
    """There is no such project, or there cannot be one; the message says what to do."""


def find_or_create(name: str, *, may_create: bool, by: Actor = COMMAND) -> Project:
    """The project of this name. Raises InvalidName."""
    found = Project.objects.filter(name=name).first()
    if found is not None:
        return found
    if not may_create:
        known = ", ".join(Project.objects.order_by("name").values_list("name", flat=True)[:20])
        raise InvalidName(f"There is no project {name!r} (there are: {known}); --create-project makes it.")
    try:
        validate_slug(name)
    except ValidationError:
        raise InvalidName(f"{name!r} cannot be a project's name: use letters, digits, - and _.") from None
    if len(name) > 64:
        raise InvalidName("A project's name has at most 64 characters.")
    with transaction.atomic():
        made = Project.objects.create(name=name)
        audit.record(by, made.pk, "project.create", "project", [made.name])
    return made


def _owned() -> Iterator[type[Model]]:
    """The models whose rows belong to a project, of whatever app: those with a column `project_id`.

    The audit log tells of a project also when it is gone.
    """
    for model in apps.get_models():
        if model is not AuditEntry and any(
            field.attname == "project_id" for field in model._meta.concrete_fields
        ):
            yield model


def has_rows(project: Project) -> bool:
    """Whether something belongs to the project, so that it must stay. The default one always does."""
    if project.is_default:
        return True
    # The words of the partial indexes on projects, without which SQLite would look at every row.
    others = (model._default_manager.exclude(project_id=DEFAULT_PROJECT) for model in _owned())
    return any(rows.filter(project_id=project.pk).exists() for rows in others)


def keep_what_has_rows(sender: Any, instance: Project, **_: Any) -> None:
    """Before a project is deleted: most of what belongs to it has no foreign key that would refuse."""
    if instance.is_default or has_rows(instance):
        raise ProtectedError("This project still has rows, or is the default one.", {instance})
