from django.db import migrations, models

from scheduler_service.postgresql.operations import Briefly

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
            database_operations=[Briefly(migrations.RunPython(add_columns, drop_columns))],
            state_operations=[
                migrations.AddField("task", "project_id", models.IntegerField(db_default=1, default=1)),
                migrations.AddField("task", "batch_id", models.UUIDField(null=True)),
                migrations.AddField("task", "callback_url", models.TextField(null=True)),
            ],
        ),
    ]
