from django.db import migrations, models

from scheduler_service.postgresql.operations import Briefly


class Migration(migrations.Migration):
    dependencies = [("schedules_app", "0003_projects")]

    # Without a default: both databases add it without a look at the rows.
    operations = [Briefly(migrations.AddField("taskschedule", "callback_url", models.TextField(null=True)))]
