"""Accept tasks through the store, as the API does: `python -m bench.ours.fill <number> <operation> [<first x>]`."""

import sys

import django

django.setup()

from tasks_app import store  # noqa: E402 - Django first
from tasks_app.records import NewTask  # noqa: E402

BATCH = 1000


def main(number: int, operation: str, first: int = 0) -> None:
    """Store them in batches, and ring."""
    for begin in range(first, first + number, BATCH):
        some = range(begin, min(first + number, begin + BATCH))
        store.create([_new(operation, value) for value in some])


def _new(operation: str, value: int) -> NewTask:
    return NewTask(operation=operation, arguments={"x": value, "y": 1}, max_attempts=3, timeout_seconds=300.0)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:]))
