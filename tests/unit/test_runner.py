"""Running claimed rows: what becomes of a handler's return, error, silence."""

import signal
import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tasks_app.lifecycle import Backoff, Curve, Outcome, Status
from tasks_app.operations import Cancelled, Context, DoNotRetry, Retry, RetryAt, TimeLimitExceeded
from tasks_app.records import Claim, Ending
from tasks_app.runner import LeaseLost, Limits, Runner
from tasks_app.slices import Slice
from tests.support import registered_operation

LIMITS = Limits(
    lease_seconds=60, slice_seconds=0.1, grace_seconds=5, shutdown_seconds=20, max_result_bytes=1000
)


class Clock:
    """A monotonic clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def a_claim(operation: str = "test.handler", **fields: Any) -> Claim:
    defaults = {
        "fence": 1,
        "queue": "tasks",
        "arguments_json": "{}",
        "attempt": 1,
        "max_attempts": 3,
        "timeout_seconds": 9.0,
    }
    return Claim(**{"task_id": uuid.uuid4(), "operation": operation, **defaults, **fields})


def run(handler: Callable[..., Any], **fields: Any) -> Ending | None:
    clock = Clock()
    runner = Runner(LIMITS, clock=clock, draw=lambda: 0.5)
    slice_ = Slice([a_claim(**fields)], clock.now)
    with registered_operation(handler):
        runner.run(slice_)
    return slice_.endings[0] if slice_.endings else None


def test_what_a_handler_returns_is_the_result():
    def handler() -> dict[str, Any]:
        return {"rows": [1, 2]}

    ending = run(handler)
    assert (ending.outcome, ending.status, ending.result, ending.error) == (
        Outcome.SUCCESS,
        Status.SUCCESS,
        {"rows": [1, 2]},
        None,
    )


def test_an_exception_is_retried_with_its_traceback_kept():
    def handler() -> None:
        raise ValueError("no such customer")

    ending = run(handler)
    assert (ending.outcome, ending.status, ending.wait_seconds) == (Outcome.ERROR, Status.RETRY, 1.0)
    assert ending.error["code"] == "handler_error"
    assert ending.error["message"] == "ValueError: no such customer"
    assert "raise ValueError" in ending.error["traceback"]


def test_a_foreseen_failure_is_retried_with_its_own_code_and_no_traceback():
    class NoPaper(Retry):
        code = "no_paper"

    def handler() -> None:
        raise NoPaper("The printer has no paper.")

    ending = run(handler)
    assert (ending.outcome, ending.status, ending.wait_seconds) == (Outcome.ERROR, Status.RETRY, 1.0)
    assert ending.error == {"code": "no_paper", "message": "The printer has no paper.", "traceback": None}


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), GeneratorExit(), MemoryError()])
def test_no_exception_of_a_handler_takes_the_worker_down(error):
    def handler() -> None:
        raise error

    assert run(handler).outcome is Outcome.ERROR


def test_do_not_retry_ends_the_task_with_attempts_left():
    def handler() -> None:
        raise DoNotRetry("The invoice is paid already.")

    ending = run(handler)
    assert ending.status is Status.ERROR
    assert ending.error == {
        "code": "do_not_retry",
        "message": "The invoice is paid already.",
        "traceback": None,
    }


def test_a_handler_that_knows_when_to_try_again_sets_the_wait():
    def handler() -> None:
        raise RetryAt.after(90, "The remote side asks for patience.")

    ending = run(handler)
    assert ending.status is Status.RETRY
    assert 80 < ending.wait_seconds <= 90
    assert ending.error == {
        "code": "retry_at",
        "message": "The remote side asks for patience.",
        "traceback": None,
    }
    assert run(handler, attempt=3).status is Status.ERROR


def test_a_task_waits_along_its_own_curve():
    def handler() -> None:
        raise ValueError

    linear = Backoff(base_seconds=10, cap_seconds=25, curve=Curve.LINEAR)
    waits = [
        run(handler, attempt=number, max_attempts=9, backoff=linear).wait_seconds for number in (1, 2, 3)
    ]
    assert waits == [10, 20, 25]


def test_a_cold_shutdown_is_not_the_handlers_fault_and_the_next_worker_may_begin_at_once():
    slice_ = Slice([a_claim()], Clock()())
    stopping = iter([False, True, True])

    def handler() -> None:
        raise SystemExit(-253)

    with registered_operation(handler):
        Runner(LIMITS, clock=Clock(), is_stopping=lambda: next(stopping)).run(slice_)
    (ending,) = slice_.endings
    assert (ending.outcome, ending.status, ending.wait_seconds) == (Outcome.STOPPED, Status.RETRY, 0)
    assert ending.error["code"] == "worker_stopped"


def test_a_stopping_worker_begins_no_further_row():
    slice_ = Slice([a_claim("4+7"), a_claim("4+9")], Clock()())
    stopping = iter([False, True])
    Runner(LIMITS, clock=Clock(), is_stopping=lambda: next(stopping)).run(slice_)
    assert [ending.result for ending in slice_.endings] == [11]
    assert len(slice_.take_waiting()) == 1


@pytest.mark.parametrize("result", [float("nan"), 2**63, {1: 2}, "\x00", {1, 2}, "x" * 2000, b"bytes"])
def test_a_result_that_cannot_be_stored_is_an_error_that_is_not_retried(result):
    def handler() -> Any:
        return result

    ending = run(handler)
    assert (ending.status, ending.error["code"]) == (Status.ERROR, "bad_result")


def test_an_error_text_that_no_database_takes_is_made_storable():
    def handler() -> None:
        raise ValueError("nul \x00 and half a pair \ud83d")

    assert run(handler).error["message"] == "ValueError: nul \N{REPLACEMENT CHARACTER} and half a pair ?"


def test_an_operation_that_this_worker_does_not_know_is_tried_again_elsewhere():
    ending = run(lambda: None, operation="reports.renamed")
    assert (ending.status, ending.error["code"]) == (Status.RETRY, "unknown_operation")


def test_an_expression_is_evaluated():
    ending = run(lambda: None, operation="4+7")
    assert (ending.status, ending.result) == (Status.SUCCESS, 11)


def test_a_division_by_zero_is_a_plain_error_that_is_not_retried():
    ending = run(lambda: None, operation="1/0")
    assert ending.status is Status.ERROR
    assert "zero" in ending.error["message"]


def test_cancelled_counts_only_when_cancellation_was_requested():
    def handler() -> None:
        raise Cancelled("I felt like it")

    assert run(handler).outcome is Outcome.ERROR


def test_a_handler_that_heeds_a_requested_cancellation_ends_as_cancelled():
    clock = Clock()
    runner = Runner(LIMITS, clock=clock)
    slice_ = Slice([a_claim()], clock.now)

    def handler(context: Context) -> None:
        slice_.running.cancelled_at = clock.now
        context.check_cancelled()

    with registered_operation(handler):
        runner.run(slice_)
    assert (slice_.endings[0].outcome, slice_.endings[0].status) == (Outcome.CANCELLED, Status.CANCELLED)


def interrupted(error: BaseException, handler: Callable[[], Any]) -> Slice:
    """Run a handler that blocks until a second thread, acting as the watchdog, interrupts it."""
    runner = Runner(LIMITS)
    slice_ = Slice([a_claim()], runner.clock())
    began, ended = threading.Event(), threading.Event()

    def blocked() -> Any:
        began.set()
        return handler()

    def interrupt() -> None:
        assert began.wait(timeout=10)
        runner.interrupt(slice_.running, error)
        while not ended.wait(timeout=0.1):
            runner.remind()

    thread = threading.Thread(target=interrupt)
    with registered_operation(blocked):
        thread.start()
        runner.run(slice_)
    ended.set()
    thread.join()
    return slice_


def block() -> None:
    threading.Event().wait(timeout=30)


def test_a_time_limit_wakes_a_handler_that_blocks():
    (ending,) = interrupted(TimeLimitExceeded("over"), block).endings
    assert (ending.outcome, ending.status, ending.error["code"]) == (Outcome.TIMEOUT, Status.RETRY, "timeout")


def test_a_handler_can_clean_up_after_its_time_limit():
    cleaned: list[str] = []

    def handler() -> None:
        try:
            block()
        finally:
            cleaned.append("yes")

    interrupted(TimeLimitExceeded("over"), handler)
    assert cleaned == ["yes"]


def test_a_lost_lease_stops_a_handler_that_catches_every_exception():
    def handler() -> str:
        try:
            block()
        except Exception:
            return "kept going"
        return "was never interrupted"

    slice_ = interrupted(LeaseLost(), handler)
    assert slice_.endings == []
    assert slice_.running is None


def test_an_interrupt_that_comes_late_strikes_nobody():
    runner = Runner(LIMITS)
    slice_ = Slice([a_claim("4+7"), a_claim("4+9")], runner.clock())
    running = slice_.begin_next(runner.clock())
    slice_.end(None)
    runner.interrupt(running, TimeLimitExceeded("over"))
    runner.run(slice_)
    assert [ending.result for ending in slice_.endings] == [13]


def test_an_interrupt_whose_signal_was_lost_is_sent_again_until_it_is_taken_in(monkeypatch):
    sent: list[int] = []
    monkeypatch.setattr(signal, "pthread_kill", lambda thread, number: sent.append(number))
    runner = Runner(LIMITS)
    slice_ = Slice([a_claim()], runner.clock())

    def handler() -> None:
        runner.interrupt(slice_.running, TimeLimitExceeded("over"))
        runner.remind()
        signal.raise_signal(sent[-1])

    with registered_operation(handler):
        runner.run(slice_)
    runner.remind()
    assert (len(sent), slice_.endings[0].outcome) == (2, Outcome.TIMEOUT)


def test_a_stray_signal_strikes_nobody():
    Runner(LIMITS)
    signal.raise_signal(signal.SIGUSR2)


def test_rows_that_do_not_fit_into_the_slice_are_left_waiting():
    clock = Clock()
    runner = Runner(LIMITS, clock=clock)
    slice_ = Slice([a_claim() for _ in range(5)], clock.now)

    def handler() -> None:
        clock.now += 0.06

    with registered_operation(handler):
        runner.run(slice_)
    assert len(slice_.endings) == 2
    assert len(slice_.take_waiting()) == 3


def test_a_claim_that_waited_long_for_the_database_does_not_use_up_the_slice():
    clock = Clock()
    slice_ = Slice([a_claim("4+7"), a_claim("4+7")], clock.now - 1)
    Runner(LIMITS, clock=clock).run(slice_)
    assert len(slice_.endings) == 2


def test_nothing_begins_after_its_expiry_or_when_half_of_the_lease_is_gone():
    clock = Clock()
    for claim, age in ((a_claim("4+7", expires_in=0.05), 0.06), (a_claim("4+7"), 31)):
        slice_ = Slice([claim], clock.now - age)
        Runner(LIMITS, clock=clock).run(slice_)
        assert slice_.endings == []
        assert slice_.take_waiting() == [claim]
