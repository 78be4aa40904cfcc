"""Which module may know which: read from the source, so that an import inside a function counts too."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler_service.config import PROJECT_DIR

PURE = (
    "tasks_app/lifecycle.py",
    "schedules_app/overlap.py",
    "schedules_app/templating.py",
    *sorted(
        str(path.relative_to(PROJECT_DIR))
        for path in (PROJECT_DIR / "schedules_app" / "recurrence").glob("*.py")
    ),
)
FOREIGN_TO_PURE = {"django", "celery", "rest_framework", "time", "random", "tasks_app", "os"}
CLOCKS = {"now", "utcnow", "today", "time", "monotonic", "perf_counter", "fromtimestamp"}


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def _tops(tree: ast.AST) -> set[str]:
    return {name.partition(".")[0] for name in _imported(tree)}


def _clock_reads(tree: ast.AST) -> list[str]:
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [func.attr for func in called if isinstance(func, ast.Attribute) and func.attr in CLOCKS]


def test_tasks_do_not_know_schedules() -> None:
    modules = list((PROJECT_DIR / "tasks_app").rglob("*.py"))
    assert [str(path) for path in modules if "schedules_app" in _tops(_tree(path))] == []
    assert len(modules) > 10


COUNTING = ("access", "book", "catalog", "counts", "exposition", "names", "shelf")


@pytest.mark.parametrize("name", COUNTING)
def test_counting_knows_no_framework_and_nothing_of_what_it_counts(name: str) -> None:
    tops = _tops(_tree(PROJECT_DIR / "scheduler_service" / "metrics" / f"{name}.py"))
    assert tops & {"django", "celery", "rest_framework", "tasks_app", "schedules_app", "access_app"} == set()


@pytest.mark.parametrize("app", ["tasks_app", "schedules_app"])
def test_who_is_counted_knows_of_the_metrics_only_how_to_count(app: str) -> None:
    modules = list((PROJECT_DIR / app).rglob("*.py"))
    known = {f"scheduler_service.metrics.{name}" for name in (*COUNTING, "")} | {"scheduler_service.metrics"}
    for path in modules:
        asked = {name for name in _imported(_tree(path)) if name.startswith("scheduler_service.metrics")}
        assert asked <= known, path


def test_access_knows_neither_tasks_nor_schedules() -> None:
    modules = list((PROJECT_DIR / "access_app").rglob("*.py"))
    assert [str(path) for path in modules if {"tasks_app", "schedules_app"} & _tops(_tree(path))] == []
    assert modules


def test_schedules_do_know_tasks() -> None:
    """The other direction is in use; else the test above would say nothing."""
    assert "tasks_app" in _tops(_tree(PROJECT_DIR / "schedules_app" / "store" / "ticking.py"))


@pytest.mark.parametrize("path", PURE)
def test_a_pure_module_imports_no_framework_and_reads_no_clock(path: str) -> None:
    tree = _tree(PROJECT_DIR / path)
    assert _tops(tree) & FOREIGN_TO_PURE == set()
    assert _clock_reads(tree) == []


def test_the_look_for_clocks_finds_one() -> None:
    assert _clock_reads(ast.parse("import datetime\nx = datetime.datetime.now()")) == ["now"]


def test_only_the_store_writes_schedules() -> None:
    """Saving, updating, deleting and bulk writes on the models stand in the package `store` alone."""
    writes = {
        "save",
        "update",
        "delete",
        "bulk_create",
        "bulk_update",
        "create",
        "get_or_create",
        "update_or_create",
    }
    modules = [
        path
        for path in (PROJECT_DIR / "schedules_app").rglob("*.py")
        if not {"store", "migrations"} & set(path.relative_to(PROJECT_DIR).parts)
    ]
    assert {"views", "serializers", "recurrence"} <= {path.parent.name for path in modules}
    for path in modules:
        calls = [node.func for node in ast.walk(_tree(path)) if isinstance(node, ast.Call)]
        found = [
            ast.unparse(func)
            for func in calls
            if isinstance(func, ast.Attribute)
            and func.attr in writes
            and not ast.unparse(func).startswith(("store.", "faults.", "self._dates."))
        ]
        assert found == [], path
