"""A simulated year: random schedules, ticks at random moments with outages, held against a model item by item.

A sample runs with the suite. YEAR_SCHEDULES=200 YEAR_TICKS=1500 (and YEAR_SEED) run it at full size: minutes.
"""

import os
import random
from collections import defaultdict
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from schedules_app import store
from schedules_app.models import Occurrence, TaskSchedule
from schedules_app.recurrence import jitter
from tasks_app.lifecycle import TERMINAL
from tasks_app.models import Task
from tests.integration.schedules import new
from tests.integration.year_model import Model
from tests.integration.year_rules import BEGIN, END, plans

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(3600)]

SCHEDULES = int(os.environ.get("YEAR_SCHEDULES", "48"))
TICKS = int(os.environ.get("YEAR_TICKS", "200"))
SEED = int(os.environ.get("YEAR_SEED", "1"))


def _models(draw: random.Random) -> dict[UUID, Model]:
    made = [plan for plan in plans(SCHEDULES, draw) if any(fires for _, fires in plan.items)]
    # Drawn, too: the jitter is a hash of the id, and a seed has to give the same year again.
    ids = [UUID(int=draw.getrandbits(128)) for _ in made]
    rows = [new(task_schedule_id=key, **plan.columns) for key, plan in zip(ids, made, strict=True)]
    schedules = store.create(rows, BEGIN)
    return {
        schedule.pk: Model(plan, partial(_shift, schedule.pk, plan.columns["jitter_seconds"]))
        for schedule, plan in zip(schedules, made, strict=True)
    }


def _shift(key: UUID, seconds: int, at: datetime) -> timedelta:
    return jitter(key.bytes, at, seconds)


def _moments(models: dict[UUID, Model], draw: random.Random) -> Any:
    """Mostly soon after something is due, or a few seconds before; now and then after days of nothing."""
    now, mean = BEGIN, (END - BEGIN) / TICKS
    while now < END:
        if draw.random() < 0.01:
            now += timedelta(days=draw.uniform(1, 12))
        elif draw.random() < 0.6:
            soon = sorted(at for model in models.values() if (at := model.next_at) is not None and at >= now)
            target = soon[min(len(soon) - 1, draw.randrange(3))] if soon else now + mean
            now = max(now, target + timedelta(seconds=draw.choice([-3, -3.000001, 0, 1, 60, 60.5, 200])))
        else:
            now += mean * draw.uniform(0, 2)
        yield min(now, END)


def _finish_some(models: dict[UUID, Model], draw: random.Random, now: datetime) -> None:
    # It makes no difference where tasks may overlap, and these are most.
    depend = [key for key, model in models.items() if model.plan.columns["overlap"] != "allow"]
    finished = [key for key in depend if draw.random() < 0.4 and models[key].is_running]
    for key in finished:
        models[key].is_running = False
    unfinished = Task.objects.filter(task_schedule__in=finished).exclude(status__in=TERMINAL)
    unfinished.update(status="SUCCESS", finished_at=now)


def _word(row: Occurrence) -> str:
    return {"dst_gap": "by rule", "excluded": "by rule"}.get(row.reason, row.reason or row.verdict)


def _expanded(row: Occurrence, model: Model) -> dict[datetime, str]:
    """A row of several occurrences as one each, by the model's times."""
    last = row.last_occurs_at or row.occurs_at
    times = [at for at, _ in model.plan.items if row.occurs_at <= at <= last]
    assert len(times) == row.count
    return dict.fromkeys(times, _word(row))


def test_a_year_of_ticks_gives_exactly_the_verdicts_of_the_model() -> None:
    draw = random.Random(SEED)
    models = _models(draw)
    ticks, now = 0, BEGIN
    for now in _moments(models, draw):
        _finish_some(models, draw, now)
        while store.fire_due(now, limit=draw.choice([7, 1000])).schedules:
            pass
        for model in models.values():
            model.tick(now)
        ticks += 1
    told: dict[UUID, dict[datetime, str]] = defaultdict(dict)
    for row in Occurrence.objects.order_by("occurs_at"):
        told[row.task_schedule_id] |= _expanded(row, models[row.task_schedule_id])
    for schedule in TaskSchedule.objects.all():
        _compare(schedule, models[schedule.pk], told[schedule.pk], now)
    words = [word for verdicts in told.values() for word in verdicts.values()]
    assert {"FIRED", "LATE", "missed", "expired", "overlap", "by rule"} <= set(words)
    assert Task.objects.count() == sum(word in {"FIRED", "LATE"} for word in words)
    assert ticks >= TICKS / 2
    print(
        f"{ticks} ticks, {len(models)} schedules:", {word: words.count(word) for word in sorted(set(words))}
    )


def _compare(schedule: TaskSchedule, model: Model, told: dict[datetime, str], now: datetime) -> None:
    """Equal up to the last tick; beyond it a plan may have recorded what the rule skips, up to the next firing one."""
    past = {at: word for at, word in told.items() if at <= now}
    expected = {at: word for at, word in model.verdicts.items() if at <= now}
    assert past == expected, (model.plan.columns, sorted(set(past.items()) ^ set(expected.items()))[:6])
    assert schedule.tasks_created == model.fired
    assert schedule.buffered == [at.isoformat() for at in model.waiting]
    assert model.next_at is None or schedule.next_run_at == model.next_at
