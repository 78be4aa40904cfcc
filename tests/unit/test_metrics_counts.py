"""Counting over many processes: what each adds is kept, whatever becomes of it."""

import json
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import prometheus_client
import pytest

from scheduler_service.metrics import book, counts, shelf
from scheduler_service.metrics.catalog import HTTP_IN_FLIGHT, HTTP_REQUESTS, RINGS, TASK_RUN, TASK_WAIT
from scheduler_service.metrics.exposition import counted

SENT = (RINGS.name, "sent")
FLIGHT = (HTTP_IN_FLIGHT.name,)


def ring(times: float = 1.0) -> None:
    counts.add([(SENT, times)])


def rings() -> float:
    return counts.totals().sums.get(SENT, 0.0)


def books(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(f"*{book.SUFFIX}"))


class Child:
    """A forked process that has done something, and lives until it is told to end."""

    def __init__(self, act: Callable[[], object]) -> None:
        begun, tell = os.pipe()
        self._wait, self._end = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            act()
            os.write(tell, b".")
            os.close(self._end)
            os.read(self._wait, 1)
            os._exit(0)
        os.close(tell)
        os.read(begun, 1)
        os.close(begun)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._wait)
        os.close(self._end)


VALUES = [0.0, 0.001, 0.0011, 0.5, 0.05, 3600.0, 3600.1, 1e9]


@pytest.mark.parametrize("metric", [TASK_WAIT, TASK_RUN, HTTP_REQUESTS], ids=lambda metric: metric.name)
@pytest.mark.parametrize("seed", range(20))
def test_many_observations_at_once_are_those_of_prometheus_client_one_by_one(metric, seed):
    draw = random.Random(seed)
    values = draw.choices([*VALUES, *(draw.expovariate(3) for _ in range(50)), *metric.buckets], k=seed * 7)
    registry = prometheus_client.CollectorRegistry()
    theirs = prometheus_client.Histogram("name", "help", buckets=metric.buckets, registry=registry)
    for value in values:
        theirs.observe(value)
    labels = tuple("x" for _ in metric.labels)
    for part in (values[:10], values[10:]):
        counts.add(counts.observations(metric, labels, part))
    [family] = [family for family in counted(counts.totals()) if family.name == metric.name]
    ours = {(s.name.removeprefix(metric.name), s.labels.get("le")): s.value for s in family.samples}
    expected = {
        (s.name.removeprefix("name"), s.labels.get("le")): s.value
        for one in registry.collect()
        for s in one.samples
        if not s.name.endswith("_created")
    }
    assert ours == pytest.approx(expected if values else {})


def test_a_child_of_a_fork_counts_in_a_book_of_its_own(metrics_folder):
    ring(2)
    child = Child(lambda: ring(3))
    try:
        ring(10)
        assert rings() == 15
        assert counts.totals().processes == len(books(metrics_folder)) == 2
    finally:
        child.kill()


def test_a_child_that_has_not_counted_does_not_keep_its_parents_book_alive(metrics_folder):
    grandchild = metrics_folder / "grandchild"

    def fork_and_count():
        ring(3)
        if pid := os.fork():
            grandchild.write_text(str(pid))
        else:
            signal.pause()

    child = Child(fork_and_count)
    child.kill()
    try:
        assert shelf.fold(metrics_folder, counts.outlives) == 1
        assert rings() == 3
    finally:
        os.kill(int(grandchild.read_text()), signal.SIGKILL)


def test_what_a_killed_process_counted_stays_and_its_file_goes(metrics_folder):
    ring()
    for number in range(1, 6):
        Child(lambda: ring(10)).kill()
        assert rings() == 1 + 10 * number
        assert len(books(metrics_folder)) == 1


def test_the_files_of_the_dead_are_folded_where_nobody_scrapes_too(metrics_folder):
    for _ in range(5):
        Child(ring).kill()
    assert len(books(metrics_folder)) == 1  # each folds what it finds, and the last one is dead now
    ring()
    assert rings() == 6


def test_a_living_process_is_never_folded(metrics_folder):
    child = Child(ring)
    try:
        assert shelf.fold(metrics_folder, counts.outlives) == 0
        assert len(books(metrics_folder)) == 1
    finally:
        child.kill()


def test_what_was_going_on_ends_with_its_process(metrics_folder):
    child = Child(lambda: counts.add([(FLIGHT, 2.0), (SENT, 1.0)]))
    counts.add([(FLIGHT, 1.0)])
    assert counts.totals().sums[FLIGHT] == 3
    child.kill()
    assert counts.totals().sums[FLIGHT] == 1
    assert rings() == 1


def test_a_crash_between_folding_and_removing_counts_nothing_twice(metrics_folder, monkeypatch):
    Child(lambda: ring(7)).kill()

    def crash(path, missing_ok=False):
        raise OSError("killed here")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", crash)
        with pytest.raises(OSError, match="killed here"):
            shelf.fold(metrics_folder, counts.outlives)
    assert len(books(metrics_folder)) == 1
    assert shelf.totals(metrics_folder, counts.outlives).sums[SENT] == 7
    assert books(metrics_folder) == []
    assert rings() == 7


def test_a_book_grows_beyond_its_first_room(metrics_folder):
    keys = [(RINGS.name, f"{'long ' * 40}{number}") for number in range(1000)]
    counts.add((key, 1.0) for key in keys)
    counts.add((key, 1.0) for key in keys)
    sums = counts.totals().sums
    assert [sums[key] for key in keys] == [2.0] * 1000


def test_a_full_disk_costs_others_the_view_and_nobody_an_error(metrics_folder, monkeypatch):
    def full(descriptor, begin, size):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    ring(2)
    ring(3)
    assert rings() == 3  # the first call found it out
    assert books(metrics_folder) == []
    assert list(metrics_folder.glob(f"*{book.NEW_SUFFIX}")) == []


@pytest.mark.parametrize("text", ["", "{}", "nonsense", '{"books": 1, "sums": 2}'])
def test_a_spoilt_file_of_sums_is_begun_anew(metrics_folder, text):
    (metrics_folder / shelf.FOLDED).write_text(text)
    ring()
    assert rings() == 1


def test_a_spoilt_book_is_passed_over(metrics_folder):
    (metrics_folder / f"spoilt{book.SUFFIX}").write_bytes(b"\0" * 4096)
    ring()
    assert rings() == 1


def test_sums_of_labels_that_a_metric_no_longer_has_are_left_out(metrics_folder):
    old = [[[RINGS.name, "sent", "redis"], 4.0], [["scheduler_gone_total"], 1.0], [list(SENT), 5.0]]
    (metrics_folder / shelf.FOLDED).write_text(json.dumps({"books": [], "sums": old}))
    [family] = [f for f in counted(counts.totals()) if f.name == RINGS.family]
    assert [(sample.labels, sample.value) for sample in family.samples] == [({"result": "sent"}, 5.0)]


@pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="only Linux lists a process's open files there"
)
def test_a_process_that_counts_elsewhere_keeps_nothing_of_its_book_open(metrics_folder, tmp_path):
    ring()
    [name] = books(metrics_folder)
    counts.configure(tmp_path)
    assert [
        link for link in map(str, map(Path.resolve, Path("/proc/self/fd").iterdir())) if name in link
    ] == []
