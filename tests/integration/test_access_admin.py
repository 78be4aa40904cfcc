"""/admin/: projects, keys and memberships."""

import re

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import User
from django.db import models

from access_app import audit, issuing, projects
from access_app.audit import COMMAND
from access_app.models import ApiKey, Membership, Project
from access_app.principals import DEFAULT_PROJECT, Kind, Scope
from tests.integration.access import caller, issue, person, project, stored
from tests.integration.helpers import create
from tests.integration.test_headers import Inline

pytestmark = pytest.mark.django_db

KEYS, PROJECTS, MEMBERS = (f"/admin/access_app/{name}/" for name in ("apikey", "project", "membership"))


@pytest.fixture(autouse=True)
def required(settings):
    settings.API_KEYS_REQUIRED = True


def form(**changes):
    given = {"project": project().pk, "name": "import", "scopes": ["tasks:read", "schedules:read"]}
    return {**given, "expires_at_0": "", "expires_at_1": "", **changes}


def key_in(response):
    assert response.status_code == 200
    found = re.findall(r"<pre>(.*?)</pre>", response.content.decode())
    assert len(found) == 1, response.content.decode()
    return found[0]


def act(client, action, *issued):
    chosen = [str(one.key.pk) for one in issued]
    return client.post(KEYS, {"action": action, "_selected_action": chosen}, follow=True)


def test_a_new_key_is_shown_once_and_opens(admin_client, admin_user):
    response = admin_client.post(f"{KEYS}add/", form())
    text = key_in(response)
    assert "no-store" in response.headers["Cache-Control"]
    assert Inline(response.content.decode()).found == []
    assert caller(f"Bearer {text}").get("/operations/").status_code == 200
    key = ApiKey.objects.get()
    assert (key.scopes, key.created_by, key.project.name) == (
        "tasks:read schedules:read",
        admin_user.username,
        "red",
    )
    secret = text.partition(".")[2]
    for path in (KEYS, f"{KEYS}{key.pk}/change/", f"{KEYS}{key.pk}/history/"):
        page = admin_client.get(path).content.decode()
        assert key.prefix in page
        assert secret not in page
        assert key.digest not in page
    assert secret not in str(admin_client.session.items()) + str(admin_client.cookies)


@pytest.mark.parametrize("path", [KEYS, PROJECTS, MEMBERS])
def test_the_pages_live_with_their_policy(path, admin_client):
    issue()
    person("ada", within="red")
    for page in (path, f"{path}add/", f"{path}{path_key(path)}/change/"):
        response = admin_client.get(page)
        assert response.status_code == 200
        assert Inline(response.content.decode()).found == []


def path_key(path):
    return {KEYS: ApiKey, PROJECTS: Project, MEMBERS: Membership}[path].objects.latest("pk").pk


def test_neither_digest_nor_prefix_nor_project_of_a_key_can_be_changed(admin_client):
    issued = issue()
    before = stored(issued)
    other = project("blue")
    sent = form(project=other.pk, prefix="key_x", digest="x", previous_digest="x", name="new", revoked_at="")
    assert admin_client.post(f"{KEYS}{issued.key.pk}/change/", sent).status_code == 302
    after = stored(issued)
    assert (after.name, after.scopes) == ("new", "tasks:read schedules:read")
    for name in ("prefix", "digest", "previous_digest", "project_id", "created_by"):
        assert getattr(after, name) == getattr(before, name)


@pytest.mark.parametrize(
    "changes",
    [
        {"scopes": []},
        {"scopes": ["tasks:burn"]},
        {"expires_at_0": "2020-01-01", "expires_at_1": "00:00"},
        {"requests_per_second": "-1"},
        {"requests_per_second": "inf"},
        {"requests_per_second": "1e-320"},
        {"waiting_tasks": "-1"},
    ],
)
def test_a_key_that_cannot_be_is_not_made(changes, admin_client):
    assert "errorlist" in admin_client.post(f"{KEYS}add/", form(**changes)).content.decode()
    assert not ApiKey.objects.exists()


def test_a_new_key_is_offered_the_default_project_and_all_scopes_but_admin(admin_client):
    page = admin_client.get(f"{KEYS}add/").content.decode()
    offered = re.findall(r'name="scopes" value="([^"]+)"[^>]*checked', page)
    assert offered == [scope.value for scope in Scope if scope is not Scope.ADMIN]
    assert f'<option value="{DEFAULT_PROJECT}" selected>' in page


def test_a_form_that_was_filled_in_before_a_revocation_does_not_undo_it(admin_client, admin_user, rf):
    issued = issue()
    before = ApiKey.objects.get(pk=issued.key.pk)
    issuing.revoke(issued.key.prefix, by=COMMAND)
    request = rf.post("/")
    request.user = admin_user
    page = site.get_model_admin(ApiKey)
    filled_in = page.get_form(request, before, change=True)(form(name="new"), instance=before)
    assert filled_in.is_valid()
    page.save_model(request, filled_in.instance, filled_in, change=True)
    after = stored(issued)
    assert (after.name, after.revoked_at is not None) == ("new", True)


def test_keys_are_revoked_by_an_action(admin_client):
    first, second, third = issue(), issue(), issue()
    assert "2 of 2 keys revoked" in act(admin_client, "revoke_keys", first, second).content.decode()
    answers = [caller(f"Bearer {one.text}").get("/operations/").status_code for one in (first, second, third)]
    assert answers == [401, 401, 200]


def test_one_key_is_rotated_by_an_action_and_several_are_not(admin_client):
    first, second = issue(), issue()
    text = key_in(act(admin_client, "rotate_key", first))
    assert [caller(f"Bearer {one}").get("/operations/").status_code for one in (first.text, text)] == [
        200,
        200,
    ]
    assert "Choose one key" in act(admin_client, "rotate_key", first, second).content.decode()
    act(admin_client, "revoke_keys", second)
    assert "is revoked" in act(admin_client, "rotate_key", second).content.decode()


def test_a_key_can_be_deleted_once_it_is_revoked(admin_client):
    issued = issue()
    path = f"{KEYS}{issued.key.pk}/delete/"
    assert admin_client.post(path, {"post": "yes"}).status_code == 403
    act(admin_client, "revoke_keys", issued)
    assert admin_client.post(path, {"post": "yes"}).status_code == 302
    assert "delete_selected" not in admin_client.get(KEYS).content.decode()


def test_whoever_may_only_look_cannot_revoke(client):
    from django.contrib.auth.models import Permission

    user = person("eve", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_apikey"))
    client.force_login(user)
    issued = issue()
    assert client.get(KEYS).status_code == 200
    act(client, "revoke_keys", issued)
    assert stored(issued).revoked_at is None
    assert client.get(f"{KEYS}add/").status_code == 403


def with_nothing():
    return project("empty")


def with_a_key():
    return issue().key.project


def with_a_membership():
    person("ada", within="red")
    return project("red")


def with_a_task():
    (task_id,) = create()
    found = project("red")
    models.QuerySet.update(type(task_of(task_id)).objects.filter(pk=task_id), project_id=found.pk)
    return found


def task_of(task_id):
    from tasks_app.models import Task

    return Task.objects.get(pk=task_id)


def the_default():
    return Project.objects.get(pk=DEFAULT_PROJECT)


@pytest.mark.parametrize(
    ("made", "goes"),
    [
        (with_nothing, True),
        (with_a_key, False),
        (with_a_membership, False),
        (with_a_task, False),
        (the_default, False),
    ],
)
def test_a_project_goes_only_if_nothing_belongs_to_it(made, goes, admin_client):
    found = made()
    status = admin_client.post(f"{PROJECTS}{found.pk}/delete/", {"post": "yes"}).status_code
    assert (status == 302) is goes
    assert Project.objects.filter(pk=found.pk).exists() is not goes
    if not goes:
        with pytest.raises(models.ProtectedError):
            found.delete()


def test_every_model_with_a_project_counts_as_its_rows():
    owned = {model.__name__ for model in projects._owned()}
    assert owned >= {"Task", "IdempotencyKey", "ApiKey", "Membership"}


def test_a_membership_is_given_in_the_admin(admin_client):
    user = User.objects.create_user("ada")
    sent = {"user": user.pk, "project": project().pk, "scopes": ["tasks:write"]}
    assert admin_client.post(f"{MEMBERS}add/", sent).status_code == 302
    assert Membership.objects.get(user=user).scopes == "tasks:write"


@pytest.mark.parametrize("path", [KEYS, MEMBERS])
def test_lists_are_filtered_by_project_and_by_none_that_there_cannot_be(path, admin_client):
    mine = issue(within="red").key
    issue(within="blue")
    person("ada", within="red")
    person("bob", within="blue")
    seen = {KEYS: (mine.prefix, "blue"), MEMBERS: ("ada", "bob")}[path]
    page = listed(admin_client, path, mine.project_id)
    assert seen[0] in page
    assert seen[1] not in page
    for none in ("9" * 20, "x", "-1"):
        assert seen[0] not in listed(admin_client, path, none)


def listed(client, path, project_id):
    answer = client.get(path, {"project": project_id})
    assert answer.status_code == 200
    return re.findall(r'<table id="result_list">.*</table>|$', answer.content.decode(), re.DOTALL)[0]


def test_the_audit_log_is_filtered_by_what_its_actors_are(admin_client):
    audit.record(COMMAND, None, "key.create", "key", ["key_of_command"])
    audit.record(audit.Actor(Kind.KEY, "key_of_key"), None, "task.create", "task", ["x"])
    path = "/admin/access_app/auditentry/"
    for kind, others in (
        ("command", "key_of_key"),
        ("key", "manage.py"),
        ("x", "manage.py"),
    ):
        answer = admin_client.get(path, {"actor_kind": kind})
        assert answer.status_code == 200
        assert others not in answer.content.decode()
    assert "key_of_key" in admin_client.get(path, {"actor_kind": "key"}).content.decode()


def test_every_kind_of_actor_that_leaves_entries_can_be_chosen_in_the_audit_log(admin_client):
    page = admin_client.get("/admin/access_app/auditentry/").content.decode()
    offered = set(re.findall(r"\?actor_kind=(\w+)", page))
    # Refused logins are of `anyone`.
    assert offered == {"anyone", "key", "user", "command"}


@pytest.mark.parametrize(
    "place",
    ["access_app/auditentry/?actor", "access_app/apikey/?name", "tasks_app/task/?worker", "auth/user/?email"],
)
def test_a_condition_that_no_row_can_fulfil_is_refused(place, admin_client):
    assert admin_client.get(f"/admin/{place}=a").status_code == 200
    assert admin_client.get(f"/admin/{place}=a%00b").status_code == 400
