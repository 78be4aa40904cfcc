"""The Celery entry points of ticks."""

import time

from celery import shared_task

from schedules_app import store
from schedules_app.store.ticking import next_firing
from tasks_app import punctual
from tasks_app import store as task_store

TICK_SECONDS = 5.0
"""How long one tick goes on while more is due: sweeps wait behind it in the same queue."""


@shared_task(name="schedules_app.tasks.tick", ignore_result=True, send_events=False)
def tick() -> None:
    """Fire due schedules, slice by slice, until none is due or the time is spent; the next tick goes on."""
    deadline = time.monotonic() + TICK_SECONDS
    while store.fire_due().schedules and time.monotonic() < deadline:
        pass


@shared_task(name="schedules_app.tasks.keep_time", ignore_result=True, send_events=False)
def keep_time() -> None:
    """For about a second: fire schedules and promote tasks at their moments, where ticks and sweeps come later."""
    punctual.keep(
        [
            punctual.Duty(next_firing, store.fire_due),
            punctual.Duty(task_store.next_promotion, task_store.promote),
        ]
    )
