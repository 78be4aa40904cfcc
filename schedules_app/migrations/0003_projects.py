from django.db import migrations, models

TABLES = ("schedules_taskschedule", "schedules_calendar")


def add_columns(apps, schema_editor):
    # By hand: Django would make SQLite's tables anew, which copies every schedule. On both databases a column with a
    # constant default is added without a look at the rows, so it matters to nobody how many refer to them.
    for table in TABLES:
        schema_editor.execute(f"ALTER TABLE {table} ADD COLUMN project_id integer NOT NULL DEFAULT 1")


def drop_columns(apps, schema_editor):
    for table in TABLES:
        schema_editor.execute(f"ALTER TABLE {table} DROP COLUMN project_id")


class Migration(migrations.Migration):
    dependencies = [
        ("access_app", "0001_initial"),
        ("schedules_app", "0002_policies_and_calendars"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(add_columns, drop_columns)],
            state_operations=[
                migrations.AddField(name, "project_id", models.IntegerField(db_default=1, default=1))
                for name in ("taskschedule", "calendar")
            ],
        ),
        # Before the old one goes: at no time can a project have two calendars of one name. A process of an older
        # release, which creates calendars in the default project, is refused by the new one just so.
        migrations.AddConstraint(
            model_name="calendar",
            constraint=models.UniqueConstraint(fields=("project_id", "name"), name="calendar_name_of_project"),
        ),
        migrations.AlterField("calendar", "name", models.CharField(max_length=64)),
        migrations.AddIndex(
            model_name="taskschedule",
            index=models.Index(
                models.F("project_id"),
                models.F("task_schedule_id"),
                condition=models.Q(("project_id", 1), _negated=True),
                name="schedule_of_project",
            ),
        ),
        migrations.AddIndex(
            model_name="taskschedule",
            index=models.Index(
                models.F("project_id"),
                models.F("next_run_at"),
                condition=models.Q(
                    models.Q(("project_id", 1), _negated=True), ("next_run_at__isnull", False)
                ),
                name="schedule_next_of_project",
            ),
        ),
    ]
