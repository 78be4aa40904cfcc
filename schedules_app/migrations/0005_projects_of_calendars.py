from django.db import migrations, models

from scheduler_service.postgresql.operations import Briefly

TABLE = "schedules_calendar"


def add_column(apps, schema_editor):
    schema_editor.execute(f"ALTER TABLE {TABLE} ADD COLUMN project_id integer NOT NULL DEFAULT 1")


def drop_column(apps, schema_editor):
    schema_editor.execute(f"ALTER TABLE {TABLE} DROP COLUMN project_id")


class Migration(migrations.Migration):
    # Not with the columns of schedules: a tick that reads one of the two tables and then the other would wait for this,
    # and this for it.
    dependencies = [("schedules_app", "0004_callback_url")]

    operations = [
        Briefly(
            migrations.SeparateDatabaseAndState(
                database_operations=[migrations.RunPython(add_column, drop_column)],
                state_operations=[
                    migrations.AddField("calendar", "project_id", models.IntegerField(db_default=1, default=1))
                ],
            ),
            # Before the old one goes: at no time can a project have two calendars of one name. A process of an older
            # release, which creates calendars in the default project, is refused by the new one just so.
            migrations.AddConstraint(
                model_name="calendar",
                constraint=models.UniqueConstraint(fields=("project_id", "name"), name="calendar_name_of_project"),
            ),
            migrations.AlterField("calendar", "name", models.CharField(max_length=64)),
        ),
    ]
