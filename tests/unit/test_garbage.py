"""What the garbage collector does in the process of a worker."""

import subprocess
import sys

BORN = """
import gc
import django
django.setup()
from celery.signals import worker_process_init
import scheduler_service.celery
worker_process_init.send(sender=None)
"""
LEFT_OUT = "assert gc.isenabled() and gc.get_freeze_count() > 10_000, gc.get_freeze_count()"
A_SLICE = """
before = gc.get_stats()[0]["collections"]
claims = [[] for _ in range(2_000)]
assert gc.get_stats()[0]["collections"] == before
"""
CYCLES = """
before = gc.get_stats()[0]["collections"]
for _ in range(20_000):
    cycle = []
    cycle.append(cycle)
assert gc.get_stats()[0]["collections"] > before
"""


def test_it_never_goes_through_what_was_loaded_before_the_first_task():
    _run(LEFT_OUT)


def test_it_does_not_look_for_cycles_amid_a_slice():
    _run(A_SLICE)


def test_it_still_collects_the_cycles_of_handlers():
    _run(CYCLES)


def _run(program: str) -> None:
    command = [sys.executable, "-W", "ignore", "-c", BORN + program]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
