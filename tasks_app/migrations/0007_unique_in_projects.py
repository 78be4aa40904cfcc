from django.core.management.base import CommandError
from django.db import migrations, models

import tasks_app.lifecycle
from scheduler_service.postgresql.operations import BuildIndex, BuildUnique, DropUnique

UNFINISHED = [
    tasks_app.lifecycle.Status["PENDING"],
    tasks_app.lifecycle.Status["RETRY"],
    tasks_app.lifecycle.Status["SCHEDULED"],
    tasks_app.lifecycle.Status["STARTED"],
]


def refuse_to_mix(apps, schema_editor):
    for model in (apps.get_model("tasks_app", "Task"), apps.get_model("tasks_app", "IdempotencyKey")):
        if model.objects.using(schema_editor.connection.alias).exclude(project_id=1).exists():
            raise CommandError(
                f"There are rows of projects other than the default one in {model._meta.db_table}, which would be mixed "
                "with its own. Nothing has changed. Delete them first."
            )


class Migration(migrations.Migration):
    # The indexes of millions of rows are built beside their writers, which no transaction can do.
    atomic = False
    dependencies = [("tasks_app", "0006_projects_of_idempotency_keys")]

    # What was unique goes after that which takes its place: at no time can two unfinished tasks have one key.
    operations = [
        BuildIndex(
            model_name="task",
            index=models.Index(
                models.F("project_id"),
                models.F("task_id"),
                condition=models.Q(("project_id", 1), _negated=True),
                name="task_of_project",
            ),
        ),
        BuildUnique(
            model_name="task",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status__in", UNFINISHED), ("unique_key__isnull", False)),
                fields=("project_id", "unique_key"),
                name="task_unique_key_of_project",
            ),
        ),
        DropUnique(model_name="task", name="task_unique_key"),
        BuildUnique(
            model_name="idempotencykey",
            constraint=models.UniqueConstraint(
                fields=("project_id", "endpoint", "key"), name="idempotency_key_once_per_project"
            ),
        ),
        DropUnique(model_name="idempotencykey", name="idempotency_key_once"),
        # Last, so that a downgrade begins with it.
        migrations.RunPython(migrations.RunPython.noop, refuse_to_mix),
    ]
