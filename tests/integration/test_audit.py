"""Who changed what: one entry for each change by somebody, none for what changes nothing."""

import re
from datetime import timedelta
from functools import partial

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from uuid_utils.compat import uuid7

from access_app import audit
from access_app.audited import Audited
from access_app.models import AuditEntry, Project
from access_app.principals import DEFAULT_PROJECT, Scope
from tasks_app import views
from tasks_app.admin import StoreAdmin
from tasks_app.records import NewTask
from tests.integration.access import browser, caller, person, project
from tests.integration.auditing import ECHO, SECRET, TASK, Calls, actions, last
from tests.integration.http import MISSING_ID, problem

pytestmark = pytest.mark.django_db


@pytest.fixture
def call():
    return Calls()


def test_an_entry_says_who_what_when_and_from_where(call):
    task_id = call("POST", "/tasks/", TASK, **{"x-request-id": "r-7"})["task_id"]
    entry = AuditEntry.objects.get()
    assert (entry.actor_kind, entry.actor) == ("key", call.issued.key.prefix)
    assert (entry.action, entry.target_type, entry.target_ids, entry.target_count) == (
        *("task.create", "task", [task_id], 1),
    )
    assert (entry.request_id, entry.address, entry.project_id) == ("r-7", "127.0.0.1", project("red").pk)
    assert abs(entry.at - timezone.now()) < timedelta(minutes=1)


def test_each_change_of_a_task_leaves_one_entry(call):
    first = call.task()
    call("POST", f"/tasks/{first}/cancel/")
    again = call("POST", f"/tasks/{first}/retry/")["task_id"]
    assert (last().target_ids, last().details) == ([again], {"retry_of": first})
    call("DELETE", f"/tasks/{again}/")
    assert actions() == ["task.create", "task.cancel", "task.retry", "task.delete"]


@pytest.mark.parametrize("differs", [False, True])
def test_a_batch_leaves_one_entry_with_its_id_its_count_and_its_first_tasks(differs, call):
    items = [{**TASK, **({"priority": 1} if differs and not number else {})} for number in range(30)]
    answer = call("POST", "/tasks/batch-request/", items)
    entry = AuditEntry.objects.get()
    ids = [task["task_id"] for task in answer["tasks"]]
    assert (entry.action, entry.target_count, entry.target_ids) == ("task.create", 30, ids[: audit.MOST_IDS])
    assert entry.details == {"batch_id": answer["batch_id"]}


def test_each_change_of_a_schedule_leaves_one_entry(call):
    key = call.schedule()
    path = f"/task-schedules/{key}/"
    call("PATCH", path, {"every_x_hours": 7, "priority": 2})
    assert last().details == {"fields": ["every_x_hours", "priority"]}
    task = call("POST", f"{path}trigger/", {})
    assert (last().details["task_id"], last().details["verdict"]) == (task["task_id"], "FIRED")
    call("POST", f"{path}skip-next/")
    skipped = last().details["occurs_at"]
    call("POST", f"{path}restore/", {"occurs_at": skipped})
    to = (timezone.now() + timedelta(hours=1)).isoformat()
    call("POST", f"{path}move/", {"occurs_at": call("GET", path)["next_run_at"], "to": to})
    assert set(last().details) == {"occurs_at", "to"}
    call("POST", f"{path}pause/", {"note": "a while"})
    call("POST", f"{path}resume/", {})
    call("DELETE", path)
    assert actions() == [
        f"schedule.{deed}"
        for deed in ("create", "edit", "trigger", "skip", "restore", "move", "pause", "resume", "delete")
    ]
    assert {tuple(entry.target_ids) for entry in AuditEntry.objects.all()} == {(key,)}


def test_backfills_and_calendars_leave_entries_too(call):
    begin = timezone.now() - timedelta(days=3)
    path = f"/task-schedules/{call.schedule(starts_at=begin.isoformat())}/backfills/"
    asked = {"from": begin.isoformat(), "to": (begin + timedelta(days=1)).isoformat()}
    made = call("POST", path, asked)["backfill_id"]
    call("POST", path, {**asked, "dry_run": True})
    call("POST", f"{path}{made}/cancel/")
    call("POST", "/calendars/", {"name": "holidays", "dates": ["2030-01-01"]})
    call("PATCH", "/calendars/holidays/", {"dates": ["2030-01-02"]})
    call("PATCH", "/calendars/holidays/", {"dates": ["2030-01-02"]})
    call("DELETE", "/calendars/holidays/")
    assert actions()[1:] == [
        *("backfill.create", "backfill.cancel", "calendar.create", "calendar.edit", "calendar.delete"),
    ]


def test_what_is_refused_or_changes_nothing_leaves_no_entry(call):
    ended, schedule = call.ended(), call.schedule()
    call("POST", f"/task-schedules/{schedule}/pause/", {})
    AuditEntry.objects.all().delete()
    for method, path, body, status in (
        ("POST", "/tasks/", {"operation": 7}, 400),
        ("POST", "/tasks/batch-request/", [{"operation": 7}], 400),
        ("POST", "/tasks/batch-request/", [], 202),
        ("POST", f"/tasks/{ended}/cancel/", None, 409),
        ("DELETE", f"/tasks/{ended}/", None, 409),
        ("POST", f"/tasks/{MISSING_ID}/retry/", None, 404),
        ("POST", f"/task-schedules/{schedule}/pause/", {}, 200),
        ("PATCH", f"/task-schedules/{schedule}/", {"every_x_hours": 0}, 400),
        ("PATCH", f"/task-schedules/{schedule}/?dry_run=true", {"every_x_hours": 8}, 200),
        ("DELETE", f"/task-schedules/{MISSING_ID}/", None, 404),
        ("DELETE", "/calendars/nope/", None, 404),
    ):
        call(method, path, body, status)
    call("GET", "/tasks/")
    assert actions() == []


def test_a_repetition_leaves_no_second_entry(call):
    for _ in range(2):
        call("POST", "/tasks/", TASK, **{"idempotency-key": "a"})
        call("POST", "/tasks/", {**TASK, "unique_key": "b"})
        call("POST", "/tasks/batch-request/", [{**TASK, "unique_key": "b"}, {**TASK, "unique_key": "c"}])
    assert [(entry.action, entry.target_count) for entry in AuditEntry.objects.order_by("pk")] == [
        ("task.create", 1)
    ] * 3


REFUSED = "INSERT INTO access_audit_entry (entry_id) VALUES (%(audit_entry_id)s)"
"""An entry that the table does not take."""


@pytest.mark.django_db(transaction=True)
def test_entry_and_change_are_one_transaction(call, monkeypatch):
    monkeypatch.setattr(audit, "_INSERT", REFUSED)
    for body in (TASK, {**TASK, "unique_key": "a"}):
        problem(call.client.post("/tasks/", body, format="json"), 500)
    problem(call.client.post("/tasks/batch-request/", [TASK] * 3, format="json"), 500)
    monkeypatch.undo()
    assert call("GET", "/tasks/")["results"] == []


@pytest.mark.django_db(transaction=True)
def test_a_task_that_cannot_be_stored_leaves_no_entry(call, monkeypatch):
    taken = uuid7()
    monkeypatch.setattr(views, "NewTask", partial(NewTask, task_id=taken))
    call("POST", "/tasks/", TASK)
    problem(call.client.post("/tasks/", TASK, format="json"), 500)
    assert [entry.target_ids for entry in AuditEntry.objects.all()] == [[str(taken)]]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no ways to be saved")
@pytest.mark.django_db(transaction=True)
def test_a_task_and_its_entry_go_to_the_database_in_one_way(call):
    call.task()  # prepares the statements, and notes the use of the key
    with CaptureQueriesContext(connection) as seen:
        call.task()
    key, write = [query["sql"] for query in seen.captured_queries]
    assert "access_api_key" in key
    assert write.count("EXECUTE") == 2
    assert actions() == ["task.create"] * 2


def test_neither_arguments_nor_secrets_stand_in_an_entry(call):
    call("POST", "/tasks/", ECHO)
    call("POST", "/tasks/batch-request/", [ECHO] * 2)
    call("POST", f"/task-schedules/{call.schedule()}/trigger/", {"arguments": {}})
    assert SECRET not in str(list(AuditEntry.objects.values()))
    assert call.issued.text.partition(".")[2] not in str(list(AuditEntry.objects.values()))


def test_for_nobody_in_particular_nothing_is_written_and_a_task_is_one_statement_as_ever():
    client = caller()
    with CaptureQueriesContext(connection) as seen:
        for path, body in (("/tasks/", TASK), ("/tasks/batch-request/", [TASK] * 3)):
            assert client.post(path, body, format="json").status_code == 202
    assert actions() == []
    assert [query["sql"] for query in seen.captured_queries if "access_" in query["sql"]] == []


def test_somebody_in_a_browser_leaves_entries_under_the_own_name():
    client = browser(person("ada", Scope.ADMIN, within="red"))
    client.get("/swagger/", headers={"accept": "text/html"})
    token = client.cookies["csrftoken"].value
    assert client.post("/tasks/", TASK, format="json", headers={"x-csrftoken": token}).status_code == 202
    assert (last().actor_kind, last().actor, last().project_id) == ("user", "ada", project("red").pk)


# --- The admin and commands ----------------------------------------------------------------------------------


@pytest.fixture
def admin_client(admin_client):
    AuditEntry.objects.all().delete()  # its login has left one
    return admin_client


def act(client, path, action, *ids):
    chosen = {"action": action, "_selected_action": [str(one) for one in ids]}
    return client.post(path, chosen, follow=True)


def test_the_admins_actions_on_tasks_leave_an_entry_for_each_project(admin_client, call):
    red, default = call.task(), caller().post("/tasks/", TASK, format="json").json()["task_id"]
    AuditEntry.objects.all().delete()
    path = "/admin/tasks_app/task/"
    act(admin_client, path, "cancel_tasks", red, default)
    assert [(e.actor, e.action, e.project_id, e.target_ids) for e in AuditEntry.objects.order_by("pk")] == [
        ("admin", "task.cancel", DEFAULT_PROJECT, [default]),
        ("admin", "task.cancel", project("red").pk, [red]),
    ]
    act(admin_client, path, "cancel_tasks", red)
    act(admin_client, path, "retry_tasks", red)
    assert actions()[2:] == ["task.retry"]
    assert last().project_id == project("red").pk


@pytest.mark.parametrize("deed", ["trigger", "pause", "resume"])
def test_the_admins_actions_on_schedules_leave_entries(deed, admin_client, call):
    key = call.schedule()
    if deed == "resume":
        call("POST", f"/task-schedules/{key}/pause/", {})
    act(admin_client, "/admin/schedules_app/taskschedule/", f"{deed}_schedules", key)
    assert (last().actor, last().action, last().target_ids) == ("admin", f"schedule.{deed}", [key])
    assert last().project_id == project("red").pk


def test_what_the_admin_changes_of_projects_members_users_and_groups_leaves_entries(admin_client):
    def send(path, **form):
        response = admin_client.post(f"/admin/{path}", form)
        assert response.status_code == 302, response.content.decode()

    send("access_app/project/add/", name="blue")
    blue = Project.objects.get(name="blue")
    assert (last().action, last().target_ids, last().project_id) == ("project.create", ["blue"], blue.pk)
    send(f"access_app/project/{blue.pk}/change/", name="green")
    assert last().details["change"] == [{"changed": {"fields": ["Name"]}}]
    send(
        "auth/user/add/",
        username="eve",
        usable_password="true",
        password1="long-enough-77",
        password2="long-enough-77",
    )
    eve = User.objects.get(username="eve")
    send(
        f"auth/user/{eve.pk}/password/",
        password1="other-enough-77",
        password2="other-enough-77",
        usable_password="true",
    )
    send("access_app/membership/add/", user=eve.pk, project=blue.pk, scopes=["admin"])
    assert last().project_id == blue.pk
    send(f"access_app/membership/{eve.membership.pk}/delete/", post="yes")
    send("auth/group/add/", name="operators")
    act(admin_client, "/admin/auth/user/", "delete_selected", eve.pk)
    admin_client.post(
        "/admin/auth/user/", {"action": "delete_selected", "_selected_action": [eve.pk], "post": "yes"}
    )
    send(f"access_app/project/{blue.pk}/delete/", post="yes")
    assert actions() == [
        *("project.create", "project.edit", "user.create", "user.edit", "membership.create"),
        *("membership.delete", "group.create", "user.delete", "project.delete"),
    ]
    assert "enough-77" not in str(list(AuditEntry.objects.values()))
    assert {(entry.actor_kind, entry.actor) for entry in AuditEntry.objects.all()} == {("user", "admin")}


def test_a_form_that_changes_nothing_leaves_no_entry(admin_client):
    path = f"/admin/access_app/project/{project('blue').pk}/change/"
    assert admin_client.post(path, {"name": "blue"}).status_code == 302
    assert actions() == []


def test_keys_leave_entries_whoever_changes_them(admin_client, capsys):
    form = {"project": project().pk, "name": "x", "scopes": ["admin"], "expires_at_0": "", "expires_at_1": ""}
    admin_client.post("/admin/access_app/apikey/add/", form)
    [prefix] = last().target_ids
    call_command("apikey", "rotate", prefix)
    call_command("apikey", "revoke", prefix)
    call_command("apikey", "revoke", prefix)
    call_command("apikey", "create", "y", "--project", "new", "--create-project")
    shown = re.findall(r"key_\w+\.([\w-]{43})", capsys.readouterr().out)
    found = AuditEntry.objects.order_by("pk").values_list("actor_kind", "actor", "action")
    by = ("command", "manage.py")
    assert list(found) == [
        ("user", "admin", "key.create"),
        (*by, "key.rotate"),
        (*by, "key.revoke"),
        (*by, "project.create"),
        (*by, "key.create"),
    ]
    assert len(shown) == 2
    assert [secret for secret in shown if secret in str(list(AuditEntry.objects.values()))] == []


def test_every_page_of_the_admin_that_can_change_something_is_audited():
    for model, page in admin.site._registry.items():
        is_shown_only = isinstance(page, StoreAdmin) or model is AuditEntry
        assert is_shown_only or isinstance(page, Audited), model


def test_the_admin_shows_the_log_and_lets_nobody_edit_it(admin_client, call):
    call.task()
    path = "/admin/access_app/auditentry/"
    assert call.issued.key.prefix in admin_client.get(path).content.decode()
    assert admin_client.get(f"{path}?q=task.").status_code == 200
    one = f"{path}{last().pk}/"
    assert admin_client.get(f"{one}change/").status_code == 200
    assert admin_client.post(f"{one}change/", {"actor": "x"}).status_code == 403
    assert admin_client.post(f"{one}delete/", {"post": "yes"}).status_code == 403
    assert admin_client.get(f"{path}add/").status_code == 403
