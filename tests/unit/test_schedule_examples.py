"""The examples of the API's document say of a recurrence what the service says."""

from datetime import UTC, datetime

import pytest

from access_app.principals import DEFAULT_PROJECT
from schedules_app import examples, recurrence
from schedules_app.models import TaskSchedule
from schedules_app.recurrence import Rule
from schedules_app.serializers.rules import RULE_FIELDS, checked_rule

SCHEDULES = {
    name: value
    for name, value in vars(examples).items()
    if isinstance(value, dict) and {"description", "cron"} <= value.keys()
}


def _rule(example: dict) -> Rule:
    columns = {name: example[name] for name in RULE_FIELDS if name != "calendars"}
    columns["starts_at"] = datetime.fromisoformat(example["starts_at"])
    overrides = {item["occurs_at"]: item["moved_to"] for item in example["overrides"]}
    return checked_rule({**columns, "calendars": None}, TaskSchedule(overrides=overrides), DEFAULT_PROJECT)


@pytest.mark.parametrize("name", SCHEDULES)
def test_an_example_is_described_and_goes_on_as_its_rule_says(name: str, monkeypatch) -> None:
    monkeypatch.setattr("schedules_app.serializers.rules._calendars", lambda names, project_id: [])
    example = SCHEDULES[name]
    rule = _rule(example)
    assert example["description"] == recurrence.describe(rule)
    at = datetime.fromisoformat(example["next_run_at"])
    assert recurrence.next_from(rule, at) == at


def test_the_schedules_of_the_examples_are_found() -> None:
    assert len(SCHEDULES) >= 6


def test_the_example_of_a_preview_is_what_its_rule_gives() -> None:
    start = datetime(2030, 12, 23, 23, tzinfo=UTC)
    rule = Rule(starts_at=start, timezone="Europe/Berlin", cron="30 6 * * MON-FRI", excluded=("2030-12-25",))
    assert examples.PREVIEW["description"] == recurrence.describe(rule)
    shown = [(item["occurs_at"], item["fires"]) for item in examples.PREVIEW["occurrences"]]
    coming = zip(shown, recurrence.upcoming(rule, start), strict=False)
    assert all(
        (datetime.fromisoformat(at), fires) == (item.at, item.skip is None) for (at, fires), item in coming
    )
