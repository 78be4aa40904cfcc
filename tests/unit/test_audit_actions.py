"""The actions of the audit log: those that the code notes, those that may be asked for, and those of the docs."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from django.contrib import admin

from access_app.audit import ACTIONS
from access_app.audited import NAMES, Audited
from scheduler_service.config import PROJECT_DIR
from tests.unit.test_documentation import OPERATIONS, table

PACKAGES = ("access_app", "tasks_app", "schedules_app", "scheduler_service")
WRITERS = {"note", "record", "record_by_project"}
ACTION = re.compile(r"[a-z]+\.[a-z_]+")


def calls_in(path: Path, names: set[str]) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in names:
                yield node


def texts_of(call: ast.Call) -> Iterator[str]:
    yield from (
        one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)
    )


def written_out() -> set[str]:
    paths = [path for package in PACKAGES for path in (PROJECT_DIR / package).rglob("*.py")]
    texts = [text for path in paths for call in calls_in(path, WRITERS) for text in texts_of(call)]
    return {text for text in texts if ACTION.fullmatch(text)}


def of_keys() -> set[str]:
    path = PROJECT_DIR / "access_app" / "issuing.py"
    return {f"key.{text}" for call in calls_in(path, {"_record"}) for text in texts_of(call)}


def of_the_admin() -> set[str]:
    models = [model for model, page in admin.site._registry.items() if isinstance(page, Audited)]
    kinds = [NAMES.get(str(model._meta.model_name), str(model._meta.model_name)) for model in models]
    return {f"{kind}.{deed}" for kind in kinds for deed in ("create", "edit", "delete")}


def test_the_actions_that_may_be_asked_for_are_those_that_the_code_notes() -> None:
    assert len(of_keys()) == 3
    assert len(of_the_admin()) == 15
    assert set(ACTIONS) == written_out() | of_keys() | of_the_admin()


def test_the_docs_name_every_action() -> None:
    [cell] = [row[1] for row in table(OPERATIONS, "of an entry", "meaning") if row[0].strip() == "`action`"]
    named, kind = set(), ""
    for text in re.findall(r"`([a-z_.]+)`", cell):
        kind = text.partition(".")[0] or kind
        named.add(f"{kind}.{text.partition('.')[2]}")
    assert named == set(ACTIONS)
