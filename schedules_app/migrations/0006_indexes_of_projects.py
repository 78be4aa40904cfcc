from django.core.management.base import CommandError
from django.db import migrations, models

from scheduler_service.postgresql.operations import BuildIndex


def refuse_to_mix(apps, schema_editor):
    for name in ("TaskSchedule", "Calendar"):
        rows = apps.get_model("schedules_app", name).objects.using(schema_editor.connection.alias)
        if rows.exclude(project_id=1).exists():
            raise CommandError(
                f"There is a {name} of a project other than the default one, which would become one of its own. "
                "Nothing has changed. Delete those first."
            )


class Migration(migrations.Migration):
    # Built beside the ticks, which no transaction can do.
    atomic = False
    dependencies = [("schedules_app", "0005_projects_of_calendars")]

    operations = [
        BuildIndex(
            model_name="taskschedule",
            index=models.Index(
                models.F("project_id"),
                models.F("task_schedule_id"),
                condition=models.Q(("project_id", 1), _negated=True),
                name="schedule_of_project",
            ),
        ),
        BuildIndex(
            model_name="taskschedule",
            index=models.Index(
                models.F("project_id"),
                models.F("next_run_at"),
                condition=models.Q(models.Q(("project_id", 1), _negated=True), ("next_run_at__isnull", False)),
                name="schedule_next_of_project",
            ),
        ),
        # Last, so that a downgrade begins with it.
        migrations.RunPython(migrations.RunPython.noop, refuse_to_mix),
    ]
