"""`manage.py er_diagram > docs/er-diagram.md`: the tables as a Mermaid diagram, from the models.

Needs no database. A test fails when the file is not what this prints.
"""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand
from django.db.models import Model

APPS = ("schedules_app", "tasks_app", "access_app")

# Ids that are kept without a foreign key, so that deleting one row never touches another: (model, column, target).
REFERENCES = (
    ("tasks_app.Task", "task_schedule", "schedules_app.TaskSchedule"),
    ("tasks_app.Task", "retry_of", "tasks_app.Task"),
    ("schedules_app.Occurrence", "task_id", "tasks_app.Task"),
    ("tasks_app.Task", "project_id", "access_app.Project"),
    ("access_app.AuditEntry", "project_id", "access_app.Project"),
    ("tasks_app.Callback", "delivery_task_id", "tasks_app.Task"),
    ("tasks_app.Callback", "project_id", "access_app.Project"),
    ("tasks_app.IdempotencyKey", "project_id", "access_app.Project"),
)

TYPES = {
    "AutoField": "integer",
    "BigAutoField": "bigint",
    "BigIntegerField": "bigint",
    "BinaryField": "bytes",
    "BooleanField": "boolean",
    "IntegerField": "integer",
    "PositiveBigIntegerField": "bigint",
    "PositiveIntegerField": "integer",
    "SmallIntegerField": "smallint",
    "TextField": "text",
    "FloatField": "double",
    "UUIDField": "uuid",
    "JSONField": "json",
    "DateTimeField": "timestamp",
}

HEADER = """\
# Tables

Generated from the models: `.venv/bin/python manage.py er_diagram > docs/er-diagram.md`. Do not edit it by hand.

A solid line is a relation that Django knows. A dotted line is an id that is kept without one: the row that it
names may have been deleted or pruned. Django's own tables (users, sessions, admin log) are left out.
"""


class Command(BaseCommand):
    help = "Print docs/er-diagram.md, from the models."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(document(), ending="")


def document() -> str:
    """The whole file."""
    models = [model for app in APPS for model in apps.get_app_config(app).get_models()]
    lines = ["erDiagram", *_relations(models), *_references()]
    for model in models:
        lines += [f"    {model.__name__} {{", *(f"        {_column(f)}" for f in _fields(model)), "    }"]
    return "\n".join([HEADER, "```mermaid", *lines, "```", ""])


def _fields(model: type[Model]) -> list[Any]:
    return list(model._meta.concrete_fields)


def _relations(models: list[type[Model]]) -> Iterator[str]:
    for model in models:
        for field in _fields(model):
            if field.related_model is not None:
                yield f"    {field.related_model.__name__} ||--o{{ {model.__name__} : {field.name}"


def _references() -> Iterator[str]:
    for source, column, target in REFERENCES:
        model = apps.get_model(source)
        model._meta.get_field(column)  # raises FieldDoesNotExist for a column that is gone
        yield f"    {apps.get_model(target).__name__} |o..o{{ {model.__name__} : {column}"


def _column(field: Any) -> str:
    keys = " PK" if field.primary_key else " FK" if field.related_model is not None else ""
    comment = ' "or null"' if field.null else ""
    return f"{_type(field)} {field.column}{keys}{comment}"


def _type(field: Any) -> str:
    field = getattr(field, "target_field", field)
    name = field.get_internal_type()
    return f"varchar({field.max_length})" if name in ("CharField", "SlugField") else TYPES[name]
