"""The operations to try the service with, the context that handlers get, and the app that finds them."""

import time
from typing import Any

import pytest
from django.apps import apps

from tasks_app.operations import (
    Cancelled,
    DoNotRetry,
    InvalidArguments,
    registered,
    registry,
    resolve,
)
from tasks_app.operations.debug import DebugFailure
from tests.support import a_context


class Clock:
    """Time that passes only in `sleep`."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("tasks_app.operations.context.time", clock)
    return clock


@pytest.fixture
def empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_operations", {})


def test_a_context_sleeps_as_long_as_it_is_told_in_small_steps(clock: Clock) -> None:
    a_context().sleep(1.02)
    assert sum(clock.slept) == pytest.approx(1.02)
    assert max(clock.slept) <= 0.1


def test_a_sleeping_context_wakes_up_when_its_task_is_cancelled(clock: Clock) -> None:
    with pytest.raises(Cancelled):
        a_context(is_cancelled=lambda: clock.now >= 103).sleep(60)
    assert clock.now == pytest.approx(103, abs=0.1)


def test_a_context_that_is_cancelled_already_does_not_sleep(clock: Clock) -> None:
    with pytest.raises(Cancelled):
        a_context(is_cancelled=lambda: True).sleep(0)
    assert clock.slept == []


def test_debug_sleep_sleeps(clock: Clock) -> None:
    result = resolve("debug.sleep").run("debug.sleep", {"seconds": 2}, a_context())
    assert result == {"slept_seconds": 2}
    assert clock.now == pytest.approx(102)


@pytest.mark.parametrize("seconds", [-1, 86_401, "1", True])
def test_debug_sleep_takes_a_number_of_seconds_up_to_a_day(seconds: Any) -> None:
    with pytest.raises(InvalidArguments):
        resolve("debug.sleep").validate("debug.sleep", {"seconds": seconds})


def test_debug_fail_fails_with_its_message_and_may_be_tried_again() -> None:
    with pytest.raises(DebugFailure, match="boom"):
        resolve("debug.fail").run("debug.fail", {"message": "boom"}, a_context())


def test_debug_fail_can_fail_for_good() -> None:
    with pytest.raises(DoNotRetry, match="told to fail"):
        resolve("debug.fail").run("debug.fail", {"retryable": False}, a_context())


def test_debug_echo_returns_any_arguments() -> None:
    arguments = {"a": [1, {"b": None}], "message": "é", "context": 1, "self": 2, "values": 3}
    assert resolve("debug.echo").validate("debug.echo", arguments) == arguments
    assert resolve("debug.echo").run("debug.echo", arguments, a_context()) == arguments


@pytest.mark.usefixtures("empty_registry")
@pytest.mark.parametrize("allowed", [True, False])
def test_debug_operations_exist_only_where_the_settings_say_so(settings: Any, allowed: bool) -> None:
    settings.DEBUG_OPERATIONS = allowed
    apps.get_app_config("tasks_app").ready()
    assert [known.name for known in registered()] == (
        ["debug.echo", "debug.fail", "debug.sleep"] if allowed else []
    )


def test_the_start_may_look_for_operations_twice() -> None:
    before = [known.name for known in registered()]
    apps.get_app_config("tasks_app").ready()
    assert [known.name for known in registered()] == before


def test_a_context_sleeps_in_real_time() -> None:
    started = time.monotonic()
    a_context().sleep(0.01)
    assert time.monotonic() - started >= 0.01
