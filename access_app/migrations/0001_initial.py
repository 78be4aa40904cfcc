import django.db.models.functions.datetime
from django.db import migrations, models


def create_default(apps, schema_editor):
    Project = apps.get_model("access_app", "Project")
    Project.objects.create(id=1, name="default")
    if schema_editor.connection.vendor == "postgresql":
        # The row brought its own id: the sequence must not give it again.
        schema_editor.execute("SELECT setval(pg_get_serial_sequence('access_project', 'id'), 1)")


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Project",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.SlugField(max_length=64, unique=True)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
            ],
            options={"db_table": "access_project"},
        ),
        migrations.RunPython(create_default, migrations.RunPython.noop),
    ]
