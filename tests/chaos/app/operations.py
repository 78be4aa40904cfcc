"""Operations whose every run leaves a trace: its begin before anything else, its end after everything else.

`value` comes back in the result, with the attempt and a number that no other run has: so that the checker can
tell whose result a task's row holds.
"""

import random
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tasks_app.operations import Context, operation
from tests.chaos.app import journal

Result = dict[str, Any]


class Unlucky(Exception):
    """What `chaos.flaky` raises."""


@contextmanager
def _run(context: Context, value: int) -> Iterator[Result]:
    known = {"task_id": str(context.task_id), "attempt": context.attempt, "nonce": secrets.token_hex(8)}
    journal.write("begin", **known)
    try:
        yield {"value": value, "attempt": context.attempt, "nonce": known["nonce"]}
    except BaseException as error:
        journal.write("end", ok=False, error=type(error).__name__, **known)
        raise
    journal.write("end", ok=True, **known)


@operation("chaos.quick", quick=True)
def quick(value: int, context: Context) -> Result:
    """Takes no time."""
    with _run(context, value) as result:
        return result


@operation("chaos.slow")
def slow(value: int, seconds: float, context: Context) -> Result:
    """Waits, and can be cancelled meanwhile."""
    with _run(context, value) as result:
        context.sleep(seconds)
        return result


@operation("chaos.long")
def long(value: int, seconds: float, context: Context) -> Result:
    """Waits longer than a third of the lease, in one call that heeds no cancellation."""
    with _run(context, value) as result:
        time.sleep(seconds)
        return result


@operation("chaos.flaky", quick=True)
def flaky(value: int, probability: float, context: Context) -> Result:
    """Fails in some attempts; which ones depends on the task's id and nothing else."""
    with _run(context, value) as result:
        if random.Random(f"{context.task_id}/{context.attempt}").random() < probability:
            raise Unlucky(f"Attempt {context.attempt} was told to fail.")
        return result


@operation("chaos.drowsy", quick=True)
def drowsy(value: int, seconds: float, context: Context) -> Result:
    """Calls itself quick, and is not: what was claimed with it has to be given back."""
    with _run(context, value) as result:
        time.sleep(seconds)
        return result


@operation("chaos.held", quick=True)
def held(value: int, seconds: float, context: Context) -> Result:
    """Ends at once in its first attempt, whose ending then waits at a gate (see `mutants`); later ones wait."""
    with _run(context, value) as result:
        if context.attempt > 1:
            time.sleep(seconds)
            return result
        return {**result, "gate": "finish"}
