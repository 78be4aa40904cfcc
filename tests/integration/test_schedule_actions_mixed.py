"""Random sequences of actions and ticks: whatever is done to a schedule in whatever order, its ledger adds up.

A sample runs with the suite; MIXED_SEEDS=500 runs more.
"""

import os
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any
from uuid import UUID

import pytest

from schedules_app import store
from schedules_app.errors import ScheduleError
from schedules_app.firing import rule_of
from schedules_app.models import Occurrence
from schedules_app.records import NewCalendar
from schedules_app.recurrence import InvalidRecurrence, upcoming
from schedules_app.store.withdrawal import look_at
from tasks_app.models import Task
from tests.integration.schedules import HOUR, MINUTE, NOON, SECOND, create, finish_all, get

pytestmark = pytest.mark.django_db

SEEDS = int(os.environ.get("MIXED_SEEDS", "12"))
RULES: list[dict[str, Any]] = [
    {"every_x_hours": 1},
    {"every_x_hours": None, "every_x_minutes": 7},
    {"every_x_hours": None, "cron": "*/20 8-20 * * *", "timezone": "Europe/Berlin"},
    {"every_x_hours": 3, "excluded_dates": ["2030-01-02"]},
    {"every_x_hours": 2, "calendars": ["holidays"], "roll": "next"},
    {"every_x_hours": 2, "calendars": ["holidays"], "jitter_seconds": 300},
    {"every_x_hours": 1, "schedule_x_times": 20},
]


class Trial:
    """One schedule under random actions."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.now = NOON
        store.create_calendar(NewCalendar(name="holidays", dates=["2030-01-02"]), NOON)
        policies = {"catch_up": self.draw.choice(["latest", "all", "skip"])}
        policies["overlap"] = self.draw.choice(["allow", "allow", "skip", "buffer_all", "cancel_previous"])
        self.rule = self.draw.choice(RULES)
        (self.key,) = create(now=NOON, **self.rule, **policies)
        self.has_new_rule = False

    def act(self) -> None:
        due_at = get(self.key).due_at
        if due_at is not None and self.draw.random() < 0.3:
            # Within the seconds in which an occurrence is laid down ahead.
            self.now = max(self.now, due_at + self.draw.random() * 3 * SECOND)
            self.tick()
        elif self.draw.random() < 0.6:
            self.now += self.draw.choice([MINUTE, 20 * MINUTE, HOUR, 5 * HOUR]) * self.draw.random()
        actions: list[Callable[[], object]] = [
            *[self.tick] * 8,
            lambda: finish_all(self.now),
            lambda: store.pause([self.key], self.now, until=self.draw.choice([None, self.now + HOUR])),
            lambda: store.resume([self.key], self.now, catch_up=self.draw.random() < 0.5),
            lambda: store.skip_next(self.key, self.now),
            self.move,
            self.restore,
            lambda: store.trigger(self.key, self.now, obey_overlap=self.draw.random() < 0.5),
            lambda: store.update(self.key, {"priority": self.draw.randrange(10)}, self.now),
            lambda: store.settle(),
            self.backfill,
            self.change_days,
        ]
        with suppress(ScheduleError, InvalidRecurrence):
            self.draw.choice(actions)()

    def tick(self) -> None:
        while store.fire_due(self.now).schedules:
            pass

    def move(self) -> None:
        position = get(self.key).next_run_at
        if position is not None:
            at = position + self.draw.choice([timedelta(0), timedelta(0), HOUR])
            store.move(self.key, at, self.now + self.draw.randrange(1, 600) * MINUTE, self.now)

    def restore(self) -> None:
        for text in self.draw.sample(sorted(get(self.key).overrides), k=min(1, len(get(self.key).overrides))):
            store.restore(self.key, datetime.fromisoformat(text), self.now)

    def backfill(self) -> None:
        end = self.now - self.draw.randrange(600) * MINUTE
        store.backfill(self.key, end - 6 * HOUR, end, 9, self.now)
        while store.work_backfills(self.now):
            pass

    def change_days(self) -> None:
        dates = self.draw.sample(["2030-01-02", "2030-01-03", "2030-01-04"], k=self.draw.randrange(3))
        store.update_calendar("holidays", {"dates": dates}, self.now)
        self.has_new_rule = "calendars" in self.rule


def _check(trial: Trial) -> None:
    schedule, rows = get(trial.key), list(Occurrence.objects.order_by("occurs_at"))
    fired = [row for row in rows if row.task_id is not None]
    assert {row.task_id for row in fired} == set(Task.objects.values_list("task_id", flat=True))
    assert len({row.task_id for row in fired}) == len(fired)
    assert schedule.tasks_created == sum(row.origin == "schedule" for row in fired)
    assert schedule.tasks_created <= (schedule.schedule_x_times or 10**9)
    assert schedule.due_at == look_at(schedule)
    nominal = [row for row in fired if row.origin == "schedule"]
    assert schedule.last_run_at == max((row.occurs_at for row in nominal), default=None)


def _gaps(key: UUID, now: datetime) -> list[datetime]:
    """The occurrences of the rule from its beginning until now that have no verdict, and do not wait."""
    schedule = get(key)
    rows = [(row.occurs_at, row.last_occurs_at or row.occurs_at) for row in Occurrence.objects.all()]
    waiting = {datetime.fromisoformat(text) for text in schedule.buffered}
    items = takewhile(lambda item: item.at <= now, upcoming(rule_of(schedule), NOON))
    return [
        item.at
        for item in items
        if item.at not in waiting and not any(first <= item.at <= last for first, last in rows)
    ]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_is_done_to_a_schedule_each_occurrence_has_one_verdict_and_each_task_its_row(
    seed: int,
) -> None:
    trial = Trial(seed)
    for _ in range(60):
        trial.act()
        _check(trial)
    store.resume([trial.key], trial.now)
    trial.tick()
    _check(trial)
    if get(trial.key).next_run_at is not None and not trial.has_new_rule:
        assert _gaps(trial.key, trial.now) == []
