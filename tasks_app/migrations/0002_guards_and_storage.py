from django.db import migrations

from tasks_app import guards

# The hot rows are updated two or three times in their first second: leave room for heap-only updates, and let
# vacuum come by the hundred thousand rows instead of by a fifth of a table that holds millions of finished ones.
STORAGE = """
ALTER TABLE tasks_task SET (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 50000,
    autovacuum_vacuum_insert_scale_factor = 0.0, autovacuum_vacuum_insert_threshold = 100000,
    autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0
)
"""
DEFAULTS = """
ALTER TABLE tasks_task RESET (
    fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold,
    autovacuum_vacuum_insert_scale_factor, autovacuum_vacuum_insert_threshold,
    autovacuum_analyze_scale_factor, autovacuum_vacuum_cost_delay
)
"""


def tune(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(STORAGE)


def untune(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(DEFAULTS)


class Migration(migrations.Migration):
    dependencies = [("tasks_app", "0001_initial")]
    operations = [
        migrations.RunPython(guards.install, guards.remove),
        migrations.RunPython(tune, untune),
    ]
