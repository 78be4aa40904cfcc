from django.db import migrations, models

from scheduler_service.postgresql.operations import Briefly


class Migration(migrations.Migration):
    # Not with the columns of the task table: a request that has written one of the two tables and waits for the other
    # would wait for this, and this for it.
    dependencies = [("tasks_app", "0005_callbacks")]

    operations = [
        Briefly(
            migrations.AddField("idempotencykey", "project_id", models.IntegerField(db_default=1, default=1))
        ),
    ]
