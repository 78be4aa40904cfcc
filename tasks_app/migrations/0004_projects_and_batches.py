from django.db import migrations, models

import tasks_app.lifecycle

UNFINISHED = [
    tasks_app.lifecycle.Status["PENDING"],
    tasks_app.lifecycle.Status["RETRY"],
    tasks_app.lifecycle.Status["SCHEDULED"],
    tasks_app.lifecycle.Status["STARTED"],
]
# By hand: Django would make SQLite's table anew, which copies every task and drops the table's triggers. On both
# databases a column with a constant default is added without a look at the rows.
COLUMNS = [
    ("project_id", "integer NOT NULL DEFAULT 1", "integer NOT NULL DEFAULT 1"),
    ("batch_id", "uuid NULL", "char(32) NULL"),
    ("callback_url", "text NULL", "text NULL"),
]


def add_columns(apps, schema_editor):
    is_postgres = schema_editor.connection.vendor == "postgresql"
    for name, postgres, sqlite in COLUMNS:
        schema_editor.execute(f"ALTER TABLE tasks_task ADD COLUMN {name} {postgres if is_postgres else sqlite}")


def drop_columns(apps, schema_editor):
    for name, _, _ in COLUMNS:
        schema_editor.execute(f"ALTER TABLE tasks_task DROP COLUMN {name}")


class Migration(migrations.Migration):
    dependencies = [
        ("access_app", "0001_initial"),
        ("tasks_app", "0003_unfinished_of_schedule"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(add_columns, drop_columns)],
            state_operations=[
                migrations.AddField("task", "project_id", models.IntegerField(db_default=1, default=1)),
                migrations.AddField("task", "batch_id", models.UUIDField(null=True)),
                migrations.AddField("task", "callback_url", models.TextField(null=True)),
            ],
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                models.F("project_id"),
                models.F("task_id"),
                condition=models.Q(("project_id", 1), _negated=True),
                name="task_of_project",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status__in", UNFINISHED), ("unique_key__isnull", False)),
                fields=("project_id", "unique_key"),
                name="task_unique_key_of_project",
            ),
        ),
        migrations.RemoveConstraint(model_name="task", name="task_unique_key"),
        migrations.AddField(
            model_name="idempotencykey",
            name="project_id",
            field=models.IntegerField(db_default=1, default=1),
        ),
        migrations.RemoveConstraint(model_name="idempotencykey", name="idempotency_key_once"),
        migrations.AddConstraint(
            model_name="idempotencykey",
            constraint=models.UniqueConstraint(
                fields=("project_id", "endpoint", "key"), name="idempotency_key_once_per_project"
            ),
        ),
    ]
