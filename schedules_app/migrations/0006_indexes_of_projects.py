from django.db import migrations, models

from scheduler_service.postgresql.operations import BuildIndex


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
    ]
