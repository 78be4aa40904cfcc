from django.db import migrations, models

from scheduler_service.postgresql.operations import Briefly

TABLE = "schedules_taskschedule"


def add_column(apps, schema_editor):
    # By hand: Django would make SQLite's table anew, which copies every schedule. On both databases a column with a
    # constant default is added without a look at the rows, so it matters to nobody how many refer to them.
    schema_editor.execute(f"ALTER TABLE {TABLE} ADD COLUMN project_id integer NOT NULL DEFAULT 1")


def drop_column(apps, schema_editor):
    schema_editor.execute(f"ALTER TABLE {TABLE} DROP COLUMN project_id")


class Migration(migrations.Migration):
    dependencies = [
        ("access_app", "0001_initial"),
        ("schedules_app", "0002_policies_and_calendars"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[Briefly(migrations.RunPython(add_column, drop_column))],
            state_operations=[
                migrations.AddField("taskschedule", "project_id", models.IntegerField(db_default=1, default=1))
            ],
        ),
    ]
