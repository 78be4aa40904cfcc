"""The Celery entry point of the tick."""

import time

from celery import shared_task

from schedules_app import store

TICK_SECONDS = 5.0
"""How long one tick goes on while more is due: sweeps wait behind it in the same queue."""


@shared_task(name="schedules_app.tasks.tick", ignore_result=True, send_events=False)
def tick() -> None:
    """Fire due schedules, slice by slice, until none is due or the time is spent; the next tick goes on."""
    deadline = time.monotonic() + TICK_SECONDS
    while store.fire_due().schedules and time.monotonic() < deadline:
        pass
