"""The checker's rules for schedules: each kind of violation is caught, and none is seen where there is none."""

from dataclasses import replace

import pytest

from tests.chaos.samples import OTHER, good, kinds


def test_two_verdicts_on_one_occurrence_are_caught() -> None:
    assert "occurrence_twice" in kinds(good(occurrences=good().occurrences * 2))


def test_two_tasks_for_one_occurrence_are_caught() -> None:
    twin = replace(good().tasks[1], task_id="task-3")
    assert "occurrence_twice" in kinds(good(tasks=[*good().tasks, twin]))


def test_a_repeated_task_is_no_second_task_of_the_occurrence() -> None:
    twin = replace(good().tasks[1], task_id="task-3", retry_of=OTHER)
    assert kinds(good(tasks=[*good().tasks, twin])) == set()


def test_a_missing_occurrence_is_caught() -> None:
    assert "occurrence_missing" in kinds(good(quiet_at=120.0 + 3600 + 60))


@pytest.mark.parametrize("limit", [{"times": 1}, {"ends_at": 130.0}])
def test_an_occurrence_beyond_a_limit_is_not_missing(limit: dict[str, float]) -> None:
    schedule = replace(good().schedules[0], **limit)  # type: ignore[arg-type]
    assert "occurrence_missing" not in kinds(good(quiet_at=120.0 + 3600 + 60, schedules=[schedule]))


def test_a_verdict_on_a_time_that_is_no_occurrence_is_caught() -> None:
    assert "occurrence_surplus" in kinds(good(occurrences=[replace(good().occurrences[0], occurs_at=121.0)]))


def test_a_fired_occurrence_without_its_task_is_caught() -> None:
    assert "occurrence_without_task" in kinds(
        good(occurrences=[replace(good().occurrences[0], task_id="none")])
    )


def test_a_task_of_a_schedule_without_a_verdict_is_caught() -> None:
    assert "task_without_occurrence" in kinds(good(occurrences=[]))


def test_a_skipped_occurrence_is_caught() -> None:
    skipped = replace(good().occurrences[0], verdict="SKIPPED")
    assert "occurrence_skipped" in kinds(good(occurrences=[skipped]))


def test_a_lost_schedule_is_caught() -> None:
    assert "schedule_lost" in kinds(good(schedules=[], occurrences=[]))
