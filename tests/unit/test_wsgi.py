"""The web process as gunicorn loads it."""

import subprocess
import sys

PROGRAM = """
import gc, sys
import scheduler_service.wsgi
assert gc.get_freeze_count() > 10_000, gc.get_freeze_count()
assert "tasks_app.views" in sys.modules
"""


def test_it_has_loaded_and_frozen_its_views_before_the_first_request():
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


A_BATCH = """
import gc
import scheduler_service.wsgi
before = gc.get_stats()[0]["collections"]
items = [{} for _ in range(2_000)]
assert gc.get_stats()[0]["collections"] == before
"""


def test_it_does_not_look_for_cycles_amid_a_batch():
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", A_BATCH], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
