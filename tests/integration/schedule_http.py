"""Shorthands for tests of schedules over HTTP. Their clock stands still at NOON; ticks are told their time."""

from datetime import datetime, timedelta

import pytest

from schedules_app import store
from schedules_app.models import TaskSchedule
from tests.integration.http import client, get, post
from tests.integration.schedules import HOUR, NOON

LIST = "/task-schedules/"


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Set the time of the database and of the web process; without a call it is noon."""

    def put(moment):
        monkeypatch.setattr("tasks_app.store.database_now", lambda: moment)
        monkeypatch.setattr("django.utils.timezone.now", lambda: moment)

    put(NOON)
    return put


def url_of(schedule, tail=""):
    return f"{LIST}{schedule['task_schedule_id']}/{tail}"


def made(**fields):
    """A schedule over HTTP; hourly from noon on unless the fields say another recurrence."""
    kinds = ("every_x_days", "every_x_hours", "every_x_minutes", "every_x_seconds", "cron", "rrule")
    hourly = {} if any(kind in fields for kind in kinds) else {"every_x_hours": 1}
    response = post(LIST, {"operation": "4+7", **hourly, **fields})
    assert response.status_code == 201, response.content
    return response.json()


def act(schedule, verb, body=None, status=200):
    response = post(url_of(schedule, f"{verb}/"), body)
    assert response.status_code == status, response.content
    return response.json()


def patch(path, body, **headers):
    return client.patch(path, body, format="json", **headers)


def read(schedule):
    return get(url_of(schedule)).json()


def ledger_of(schedule, **filters):
    response = get(url_of(schedule, "occurrences/"), ordering="occurs_at", **filters)
    assert response.status_code == 200, response.content
    return response.json()["results"]


def tick(until, since=NOON, step=timedelta(minutes=1)):
    """Let ticks come, one each `step`, up to and with `until`."""
    moment = since
    while moment <= until:
        while store.fire_due(moment).schedules:
            pass
        moment += step


def shown(moment):
    """A moment as answers spell it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"


def moment_of(text):
    return datetime.fromisoformat(text)


def row_of(schedule):
    return TaskSchedule.objects.get(pk=schedule["task_schedule_id"])


def finished(**fields):
    schedule = made(schedule_x_times=1, **fields)
    tick(NOON)
    assert read(schedule)["status"] == "FINISHED"
    return schedule


def told(schedule, **filters):
    rows = ledger_of(schedule, **filters)
    return [((moment_of(row["occurs_at"]) - NOON) / HOUR, row["reason"] or row["verdict"]) for row in rows]


def previewed(schedule, count=3):
    items = get(url_of(schedule, "preview/"), count=count).json()["occurrences"]
    return [(item["occurs_at"], item["fires"], item["notes"]) for item in items]
