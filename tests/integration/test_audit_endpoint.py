"""GET /audit/: the entries of the own project, and for how long they are kept."""

from datetime import timedelta

import pytest
from django.db import models

from access_app import audit
from access_app.models import AuditEntry
from access_app.principals import Kind, Scope
from tasks_app import store
from tasks_app.ids import first_id
from tasks_app.tasks import prune
from tests.integration.access import caller, project, with_key
from tests.integration.auditing import TASK, Calls
from tests.integration.http import problem

pytestmark = pytest.mark.django_db


@pytest.fixture
def call():
    return Calls()


def entries(call, **parameters):
    answer = call.client.get("/audit/", parameters)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_the_list_shows_the_projects_own_entries_newest_first_in_pages(call):
    ids = [call.task() for _ in range(5)]
    other = with_key(*Scope, within="blue")
    other.post("/tasks/", TASK, format="json")
    page = entries(call, page_size=2)
    seen = [entry["target_ids"][0] for entry in page["results"]]
    while page["next"]:
        page = call.client.get(page["next"]).json()
        seen += [entry["target_ids"][0] for entry in page["results"]]
    assert seen == ids[::-1]
    assert [e["target_ids"][0] for e in entries(call, ordering="at")["results"]] == ids


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("action", "task.cancel", ["task.cancel"]),
        ("action", "schedule.move", []),
        ("actor", "nobody", []),
        ("after", "2099-01-01T00:00:00Z", []),
        ("before", "2020-01-01T00:00:00Z", []),
        ("after", "2020-01-01T00:00:00Z", ["schedule.create", "task.cancel", "task.create"]),
    ],
)
def test_the_list_is_filtered(name, value, found, call):
    call.ended()
    call.schedule()
    assert [entry["action"] for entry in entries(call, **{name: value})["results"]] == found


def test_the_list_is_filtered_by_a_target_and_an_actor(call):
    task_id = call.ended()
    call.task()
    both = {"target_id": task_id, "actor": call.issued.key.prefix}
    assert [e["action"] for e in entries(call, **both)["results"]] == ["task.cancel", "task.create"]


@pytest.mark.parametrize("query", ["nope=1", "after=yesterday", "action=", "page_size=0", "cursor=x"])
def test_a_wrong_parameter_is_refused(query, call):
    problem(call.client.get(f"/audit/?{query}"), 400)


@pytest.mark.parametrize(
    "action", ["nonsense", "task.burn", "task", "task.cancel,task.create", "TASK.CANCEL"]
)
def test_an_action_that_nothing_leaves_is_refused_with_the_names_of_those_that_are(action, call):
    [fault] = problem(call.client.get("/audit/", {"action": action}), 400)["errors"]
    assert (fault["parameter"], fault["code"]) == ("action", "invalid_choice")
    assert "task.create, .cancel, .retry, .delete; schedule.create" in fault["detail"]
    assert not fault["detail"].endswith("…")


def test_every_action_of_the_document_is_taken(call):
    document = caller().get("/swagger.json").json()
    [parameter] = [p for p in document["paths"]["/audit/"]["get"]["parameters"] if p["name"] == "action"]
    assert parameter["enum"] == list(audit.ACTIONS)
    for action in parameter["enum"]:
        assert entries(call, action=action)["results"] == []


def test_entries_have_the_fields_of_the_document(call):
    call.task()
    document = caller().get("/swagger.json").json()
    assert list(entries(call)["results"][0]) == list(document["definitions"]["AuditEntry"]["properties"])


# --- Retention -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "left"), [(30, 1), (0, 2), (90, 2)])
def test_entries_are_pruned_with_the_tasks_after_their_retention(days, left, configure, monkeypatch):
    configure(retention_audit_days=days)
    monkeypatch.setattr(audit, "PRUNE_SLICE", 1)
    for age in (60, 1):
        at = store.database_now() - timedelta(days=age)
        AuditEntry.objects.create(
            entry_id=first_id(at),
            at=at,
            actor="a",
            actor_kind=Kind.KEY,
            action="b",
            target_type="c",
            target_count=1,
        )
    prune(1)
    assert AuditEntry.objects.count() == left


def test_a_project_is_not_kept_by_what_the_log_tells_of_it():
    made = project("blue")
    audit.record(audit.COMMAND, made.pk, "project.create", "project", ["blue"])
    made.delete()
    assert models.QuerySet(AuditEntry).count() == 1
