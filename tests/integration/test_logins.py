"""People: logging in, in which project they act, CSRF, and how often passwords may be guessed."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from access_app import logins
from access_app.addresses import client_address
from access_app.models import AuditEntry, LoginFailure, Membership
from access_app.principals import DEFAULT_PROJECT, Kind, Scope
from scheduler_service import headers
from tasks_app.models import Task
from tests.integration.access import PASSWORD, browser, caller, issue, person, project
from tests.integration.http import problem
from tests.integration.test_headers import Inline

pytestmark = pytest.mark.django_db

TASK = {"operation": "1+1"}


@pytest.fixture(autouse=True)
def required(settings):
    settings.API_KEYS_REQUIRED = True
    # The real one takes a fifth of a second by design.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def token_of(client):
    """The token that Swagger's page has for its requests."""
    page = client.get("/swagger/", headers={"accept": "text/html"}).content.decode()
    return re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]


def send(client, **given):
    return client.post("/tasks/", TASK, format="json", headers=given)


def log_in(name="ada", password=PASSWORD, path="/login/", client=None, **extra):
    return (client or Client()).post(path, {"username": name, "password": password}, **extra)


def test_a_member_acts_in_its_project_with_its_scopes(principals):
    client = browser(person("ada", Scope.TASKS_READ, Scope.TASKS_WRITE, within="red"))
    assert send(client, **{"x-csrftoken": token_of(client)}).status_code == 202
    [principal] = principals
    assert (principal.project_id, principal.actor, principal.kind) == (project("red").pk, "ada", Kind.USER)
    assert problem(client.get("/forecast/"), 403)["code"] == "insufficient_scope"


def test_a_superuser_without_a_membership_may_do_everything_in_the_default_project(principals):
    client = browser(person("root", is_superuser=True))
    assert send(client, **{"x-csrftoken": token_of(client)}).status_code == 202
    assert client.get("/forecast/").status_code == 200
    assert {one.project_id for one in principals} == {DEFAULT_PROJECT}


def test_a_superuser_with_a_membership_has_no_more_than_that():
    client = browser(person("root", Scope.TASKS_READ, within="red", is_superuser=True))
    assert client.get("/tasks/").status_code == 200
    assert client.get("/forecast/").status_code == 403


def test_anybody_else_is_told_that_a_membership_is_missing():
    body = problem(browser(person()).get("/tasks/"), 403)
    assert (body["code"], "Memberships" in body["detail"]) == ("no_project", True)


def test_where_keys_are_not_required_a_login_takes_nothing_away(settings):
    settings.API_KEYS_REQUIRED = False
    assert browser(person()).get("/tasks/").status_code == 200


def test_a_user_who_is_made_inactive_is_nobody():
    user = person("ada", Scope.TASKS_READ, within="red")
    client = browser(user)
    assert client.get("/tasks/").status_code == 200
    user.is_active = False
    user.save()
    assert problem(client.get("/tasks/"), 401)["code"] == "not_authenticated"


@pytest.mark.parametrize("given", [{}, {"x-csrftoken": "x"}, {"x-csrftoken": "x" * 64}])
def test_a_page_cannot_write_without_the_services_own_token(given):
    client = browser(person("ada", Scope.ADMIN, within="red"))
    assert problem(send(client, **given), 403)["code"] == "csrf_failed"
    assert not Task.objects.exists()


def test_nor_by_a_form_that_has_the_token_in_its_body():
    client = browser(person("ada", Scope.ADMIN, within="red"))
    body = f"csrfmiddlewaretoken={token_of(client)}".encode()
    answer = client.generic("POST", "/tasks/", body, "application/x-www-form-urlencoded")
    assert problem(answer, 403)["code"] == "csrf_failed"


def test_reading_needs_no_token():
    assert browser(person("ada", Scope.TASKS_READ, within="red")).get("/tasks/").status_code == 200


def test_a_key_needs_no_token_and_counts_before_a_login(principals):
    client = browser(person("ada", Scope.TASKS_READ, within="red"))
    assert send(client, authorization=f"Bearer {issue(within='blue').text}").status_code == 202
    assert principals[0].project_id == project("blue").pk


def test_swagger_shows_who_is_logged_in_and_lets_out():
    person("ada")
    client = Client(enforce_csrf_checks=True)
    page = client.get("/swagger/", headers={"accept": "text/html"}).content.decode()
    assert 'href="/login/?next=/swagger/"' in page
    form = client.get("/login/?next=/swagger/")
    token = form.context["csrf_token"]
    sent = {"username": "ada", "password": PASSWORD, "csrfmiddlewaretoken": str(token), "next": "/swagger/"}
    answer = client.post("/login/", sent)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/swagger/")
    response = client.get("/swagger/", headers={"accept": "text/html"})
    page = response.content.decode()
    assert '<span class="label label-primary">ada</span>' in page
    assert 'action="/logout/?next=/swagger/"' in page
    assert Inline(page).found == []
    assert response.headers[headers.CSP] == headers.SWAGGER
    token = client.cookies["csrftoken"].value
    out = client.post("/logout/?next=/swagger/", {"csrfmiddlewaretoken": token})
    assert (out.status_code, out.headers["Location"]) == (302, "/swagger/")
    assert "django-session-auth" in client.get("/swagger/", headers={"accept": "text/html"}).content.decode()
    assert problem(caller().get("/tasks/"), 401)


@pytest.mark.parametrize("path", ["/login/", "/login"])
def test_the_page_for_logging_in_lives_with_its_policy(path):
    response = Client().get(path)
    page = response.content.decode()
    assert (response.status_code, response.headers[headers.CSP]) == (200, headers.PAGE)
    assert Inline(page).found == []
    assert 'href="/static/access_app/login.css"' in page


@pytest.mark.parametrize(("path", "method"), [("/logout/", "get"), ("/logout", "get")])
def test_nobody_is_logged_out_by_a_link(path, method):
    client = Client()
    client.force_login(person())
    assert getattr(client, method)(path).status_code == 405
    assert "_auth_user_id" in client.session


@pytest.mark.parametrize("path", ["/login/", "/login", "/logout/", "/logout"])
def test_a_foreign_page_logs_nobody_in_or_out(path):
    client = Client(enforce_csrf_checks=True)
    client.force_login(person())
    assert client.post(path, {"username": "ada", "password": PASSWORD}).status_code == 403
    assert "_auth_user_id" in client.session


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_a_login_leads_to_the_service_only(target):
    person()
    answer = Client().post("/login/", {"username": "ada", "password": PASSWORD, "next": target})
    assert answer.headers["Location"] == "/swagger/"


LARGE = b"username=ada&password=" + b"x" * 2**20


@pytest.mark.parametrize("path", ["/login/", "/login", "/admin/login/"])
def test_a_form_for_logging_in_is_read_up_to_a_bound_only(path):
    client = Client(enforce_csrf_checks=True)
    client.get("/login/")
    answer = client.post(path, LARGE, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 400
    assert not LoginFailure.objects.exists()


def test_so_is_a_form_that_somebody_who_has_logged_in_sends_to_the_api():
    client = browser(person("ada", Scope.ADMIN, within="red"))
    given = {"x-csrftoken": token_of(client)}
    form = "application/x-www-form-urlencoded"
    assert client.generic("POST", "/tasks/", b"a=b", form, headers=given).status_code == 415
    assert client.generic("POST", "/tasks/", LARGE, form, headers=given).status_code == 400
    large = b'{"operation": "1+1", "tags": [' + b" " * 2**21 + b"]}"
    assert client.generic("POST", "/tasks/", large, "application/json", headers=given).status_code == 202


def fail(times, path="/login/", **extra):
    for _ in range(times):
        assert log_in(password="wrong", path=path, **extra).status_code == 200


@pytest.mark.parametrize("path", ["/login/", "/admin/login/"])
def test_after_ten_wrong_passwords_the_right_one_is_refused_too_on_every_page(path):
    person("ada", is_staff=True)
    for _ in range(2):  # a right one lets them begin anew
        fail(logins.MOST_OF_BOTH - 1, path)
        assert log_in(path=path).status_code == 302
    fail(logins.MOST_OF_BOTH, path)
    assert log_in(path=path).status_code == 200
    assert log_in(path="/admin/login/").status_code == 200
    assert log_in(REMOTE_ADDR="192.0.2.7", path=path).status_code == 302


def test_a_refused_login_is_refused_without_a_look_at_the_password(monkeypatch):
    person()
    fail(logins.MOST_OF_BOTH)
    monkeypatch.setattr("django.contrib.auth.models.User.check_password", None)
    assert log_in().status_code == 200
    assert LoginFailure.objects.count() == logins.MOST_OF_BOTH


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(logins, "MOST_OF_ADDRESS", 3)
    monkeypatch.setattr(logins, "MOST_OF_NAME", 4)


def test_an_address_may_not_try_many_names(few):
    person()
    for name in ("bob", "eve", "mallory"):
        assert log_in(name).status_code == 200
    assert log_in().status_code == 200
    assert log_in(REMOTE_ADDR="192.0.2.7").status_code == 302


def test_a_name_may_not_be_tried_from_many_addresses(few):
    person()
    for number in range(4):
        log_in(password="wrong", REMOTE_ADDR=f"192.0.2.{number}")
    assert log_in(REMOTE_ADDR="192.0.2.77").status_code == 200


def test_what_is_past_does_not_count_and_does_not_stay(few):
    person()
    fail(3)
    assert log_in().status_code == 200
    LoginFailure.objects.update(at=timezone.now() - logins.WINDOW - timedelta(seconds=1))
    assert log_in().status_code == 302
    fail(1)
    assert LoginFailure.objects.count() == 1


def test_what_was_typed_as_a_name_is_not_kept():
    log_in("my-password-in-the-wrong-field")
    assert "my-password" not in str(LoginFailure.objects.values().get())


@pytest.mark.parametrize(
    ("trusted", "forwarded", "expected"),
    [
        (False, "198.51.100.1", "127.0.0.1"),
        (True, "198.51.100.1", "198.51.100.1"),
        (True, "10.9.9.9, 198.51.100.1", "198.51.100.1"),
        (True, "", "127.0.0.1"),
        (True, "10.9.9.9,", "127.0.0.1"),
    ],
)
def test_only_the_trusted_proxys_own_word_is_believed(configure, trusted, forwarded, expected):
    configure(trust_proxy_headers=trusted)
    environ = {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": forwarded}
    assert client_address(environ) == expected


def test_a_membership_ends_with_its_user():
    user = person("ada", Scope.TASKS_READ, within="red")
    user.delete()
    assert not Membership.objects.exists()


# --- The audit log -------------------------------------------------------------------------------------------


def noted(**given):
    rows = AuditEntry.objects.filter(**given).order_by("pk")
    return list(rows.values_list("action", "actor_kind", "actor", "project_id"))


@pytest.mark.parametrize("begin", ["", "/admin"])
def test_a_login_and_a_logout_leave_an_entry_each(begin):
    person("ada", Scope.TASKS_READ, within="red", is_staff=True)
    client, mine = Client(), project("red").pk
    answer = log_in(path=f"{begin}/login/", client=client, headers={"x-request-id": "r-7"})
    assert answer.status_code == 302
    entry = AuditEntry.objects.get()
    assert (entry.target_type, entry.target_ids, entry.target_count) == ("user", ["ada"], 1)
    assert (entry.request_id, entry.address) == ("r-7", "127.0.0.1")
    client.post(f"{begin}/logout/")
    client.post(f"{begin}/logout/")
    assert noted() == [("user.login", "user", "ada", mine), ("user.logout", "user", "ada", mine)]


def test_a_login_is_of_the_project_in_which_somebody_acts():
    person("root", is_superuser=True)
    person("eve")
    for name in ("root", "eve"):
        log_in(name)
    assert noted() == [("user.login", "user", "root", DEFAULT_PROJECT), ("user.login", "user", "eve", None)]


@pytest.mark.parametrize("path", ["/login/", "/admin/login/"])
def test_a_refused_login_leaves_an_entry_of_nobody(path):
    person("ada", Scope.TASKS_READ, within="red", is_staff=True)
    fail(1, path)
    assert noted() == [("user.login_refused", "anyone", "ada", None)]
    entry = AuditEntry.objects.get()
    assert (entry.target_type, entry.target_ids, entry.address) == ("user", ["ada"], "127.0.0.1")
    assert (entry.details, PASSWORD in str(AuditEntry.objects.values())) == ({}, False)


def test_what_was_typed_as_a_name_is_not_in_the_audit_log():
    person()
    log_in("my-password-in-the-wrong-field")
    log_in("ADA")
    assert noted() == [("user.login_refused", "anyone", logins.UNKNOWN, None)] * 2
    assert "my-password" not in str(list(AuditEntry.objects.values()))


def test_a_flood_of_names_neither_fills_the_audit_log_nor_hides_guesses_at_a_user(monkeypatch):
    person("ada")
    person("bob")
    monkeypatch.setattr(logins, "MOST_NOTED", 3)
    for number in range(6):
        log_in(f"nobody-{number}", REMOTE_ADDR=f"192.0.2.{number}")
    for number in range(6):
        log_in("ada", "wrong", REMOTE_ADDR=f"192.0.2.{number}")
    log_in("bob", "wrong")
    assert [actor for _, _, actor, _ in noted()] == [*[logins.UNKNOWN] * 3, *["ada"] * 3, "bob"]
    then = timezone.now() + logins.WINDOW
    monkeypatch.setattr("access_app.logins.timezone.now", lambda: then)
    log_in("ada", "wrong")
    log_in("nobody")
    assert [actor for _, _, actor, _ in noted()[-2:]] == ["ada", logins.UNKNOWN]


def test_a_login_that_is_refused_unseen_leaves_no_entry():
    person()
    fail(logins.MOST_OF_BOTH + 5)
    assert len(noted()) == logins.MOST_OF_BOTH


def test_members_logins_stand_in_the_list_of_their_project():
    person("ada", Scope.ADMIN, within="red")
    log_in()
    fail(1)
    key = issue(Scope.ADMIN)
    rows = caller(f"Bearer {key.text}").get("/audit/", {"action": "user.login"}).json()["results"]
    assert [(row["actor"], row["action"]) for row in rows] == [("ada", "user.login")]
