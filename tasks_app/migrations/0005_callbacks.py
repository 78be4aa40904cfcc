import django.db.models.deletion
from django.db import migrations, models

from scheduler_service.postgresql.operations import Briefly
from tasks_app import guards

# As for the task table: what was told must not lie about in the index of what was not until a fifth of all is dead.
STORAGE = """
ALTER TABLE tasks_callback SET (
    autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 50000,
    autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0
)
"""


def tune(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(STORAGE)


class Migration(migrations.Migration):
    dependencies = [("tasks_app", "0004_projects_and_batches")]

    operations = [
        migrations.CreateModel(
            name="Callback",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.IntegerField(default=0)),
                ("project_id", models.IntegerField(db_default=1, default=1)),
                ("ended_at", models.DateTimeField()),
                ("delivery_task_id", models.UUIDField(null=True)),
                (
                    "task",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="callbacks",
                        to="tasks_app.task",
                    ),
                ),
            ],
            options={
                "db_table": "tasks_callback",
                "indexes": [
                    models.Index(
                        models.F("id"),
                        condition=models.Q(("delivery_task_id__isnull", True)),
                        name="callback_undelivered",
                    )
                ],
                "constraints": [models.UniqueConstraint(fields=("task", "number"), name="callback_once")],
            },
        ),
        migrations.RunPython(tune, migrations.RunPython.noop),
        # Last: before it there is no table that the trigger could write.
        Briefly(migrations.RunPython(guards.install_callbacks, guards.remove_callbacks)),
    ]
