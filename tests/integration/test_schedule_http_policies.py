"""Recurrences of each kind, previews, entity tags and calendars over HTTP."""

from typing import Any

import pytest

from tests.integration.http import client, faults, get, post, problem

pytestmark = pytest.mark.django_db
LIST = "/task-schedules/"


@pytest.mark.parametrize(
    "rule",
    [{"every_x_minutes": 5}, {"cron": "30 6 * * *"}, {"rrule": "FREQ=DAILY"}],
    ids=lambda rule: next(iter(rule)),
)
def test_what_is_created_is_read_and_previewed(rule: dict[str, Any]) -> None:
    made = post(LIST, {"operation": "4+7", **rule}).json()
    url = f"{LIST}{made['task_schedule_id']}/"
    assert rule.items() <= get(url).json().items()
    shown = get(f"{url}preview/", count=2).json()
    assert (shown["description"], len(shown["occurrences"])) == (made["description"], 2)


@pytest.mark.parametrize(
    ("rule", "field", "code"),
    [
        ({"cron": "* " * 5000}, "cron", "max_length"),
        ({"cron": "61 * * * *"}, "cron", "invalid_recurrence"),
        ({"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, "rrule", "invalid_recurrence"),
        ({"cron": "* * * * *", "rrule": "FREQ=DAILY"}, "rrule", "invalid_recurrence"),
        ({"cron": "* * * * *", "jitter_seconds": 61}, "jitter_seconds", "invalid_recurrence"),
    ],
)
def test_a_preview_refuses_what_cannot_be_followed(rule: dict[str, Any], field: str, code: str) -> None:
    assert faults(post(f"{LIST}preview/", rule)) == {(f"#/{field}", code)}


def test_an_edit_of_a_stale_revision_is_refused_and_firing_is_no_edit() -> None:
    url = f"{LIST}{post(LIST, {'operation': '4+7', 'cron': '@daily'}).json()['task_schedule_id']}/"
    assert problem(client.patch(url, {"priority": 1}, format="json", HTTP_IF_MATCH='"9"'), 412)["code"]
    assert client.patch(url, {"priority": 1}, format="json", HTTP_IF_MATCH='"1"').status_code == 200
    assert client.get(url, HTTP_IF_NONE_MATCH=get(url).headers["ETag"]).status_code == 304


def test_a_dry_run_changes_nothing() -> None:
    made = post(LIST, {"operation": "4+7", "cron": "30 6 * * *"}).json()
    url = f"{LIST}{made['task_schedule_id']}/"
    answer = client.patch(f"{url}?dry_run=true", {"cron": "30 7 * * *"}, format="json").json()
    assert answer["moved"]
    assert get(url).json() == made
