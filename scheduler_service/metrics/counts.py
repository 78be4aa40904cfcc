"""Counting: what the code that does the work calls. Never raises, never waits, and knows neither Django nor Celery.

Whoever handles many things counts them first and calls once. Each process has a book of its own, begun when it first
counts; the child of a fork begins another.
"""

import logging
import os
import threading
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from prometheus_client.utils import floatToGoString

from scheduler_service.metrics import shelf
from scheduler_service.metrics.book import Book, Key
from scheduler_service.metrics.catalog import COUNTED, Metric

logger = logging.getLogger(__name__)

SUM = "sum"
Change = tuple[Key, float]

_ENDS_WITH_PROCESS = {metric.name for metric in COUNTED if metric.kind == "gauge"}
_BOUNDS = {
    metric.name: [*map(floatToGoString, metric.buckets), "+Inf"]
    for metric in COUNTED
    if metric.kind == "histogram"
}


class _Process:
    """This process's book; in memory alone where no folder is named or can be written."""

    def __init__(self, folder: Path | None) -> None:
        self.lock = threading.RLock()
        self.folder = folder
        self.memory: dict[Key, float] = defaultdict(float)
        self.book: Book | None = None
        self._is_begun = False

    def add(self, changes: Iterable[Change]) -> None:
        with self.lock:
            if not self._is_begun:
                self._begin()
            for key, amount in changes:
                if self.book is not None:
                    self.book.add(key, amount)
                else:
                    self.memory[key] += amount

    def _begin(self) -> None:
        self._is_begun = True
        if self.folder is not None:
            self.book = Book(self.folder)
            # Where nobody scrapes, too, the files of the dead must not add up.
            shelf.fold(self.folder, outlives)

    def let_go(self) -> None:
        """Count no more in this book: others then take its sums for those of a process that has ended."""
        # Without the lock: after a fork, whoever held it does not exist here.
        book, self.book = self.book, None
        if book is not None:
            book.abandon()

    def give_up(self) -> None:
        """Count in memory from now on."""
        with self.lock:
            self.book = None


_process = _Process(None)


def configure(folder: Path | None) -> None:
    """Keep the counts in this folder from now on, which all processes share whose sums are one."""
    global _process
    _process.let_go()
    _process = _Process(folder)


def folder() -> Path | None:
    """Where the counts are kept."""
    return _process.folder


def add(changes: Iterable[Change]) -> None:
    """Add amounts to counters and gauges: (name and labels' values, amount)."""
    try:
        _process.add(changes)
    except Exception:  # counting must not end what is counted
        logger.warning("The metrics of this process are no longer shown by others", exc_info=True)
        _process.give_up()


def observations(metric: Metric, labels: Key, values: Sequence[float]) -> list[Change]:
    """What `add` takes to put many values into a histogram: what as many calls of `observe` would do."""
    if not values:
        return []
    key = (metric.name, *labels)
    if len(values) == 1:
        bound = _BOUNDS[metric.name][bisect_left(metric.buckets, values[0])]
        return [((*key, SUM), values[0]), ((*key, bound), 1.0)]
    ordered = sorted(values)
    changes: list[Change] = [((*key, SUM), sum(ordered))]
    before = 0
    for bound, text in zip((*metric.buckets, float("inf")), _BOUNDS[metric.name], strict=True):
        until = len(ordered) if ordered[-1] <= bound else bisect_right(ordered, bound)
        if until > before:
            changes.append(((*key, text), until - before))
        if until == len(ordered):
            break
        before = until
    return changes


def bounds_of(metric: Metric) -> list[str]:
    """A histogram's upper bounds, as they are spelled."""
    return _BOUNDS[metric.name]


def totals() -> shelf.Totals:
    """The sums of all processes of the folder."""
    process = _process
    try:
        found = shelf.totals(process.folder, outlives) if process.folder else shelf.Totals()
    except OSError:
        logger.warning("The folder of the metrics cannot be read", exc_info=True)
        found = shelf.Totals()
    with process.lock:
        for key, value in process.memory.items():
            found.sums[key] += value
        found.processes += bool(process.memory)
    return found


def outlives(key: Key) -> bool:
    """Whether a sum is kept when its process has died: what was counted, not what was going on."""
    return key[0] not in _ENDS_WITH_PROCESS


def _after_fork() -> None:
    # The book is the parent's.
    configure(_process.folder)


os.register_at_fork(after_in_child=_after_fork)
