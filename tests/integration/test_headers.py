"""Headers that keep browsers from doing with an answer what it is not for, and pages that live with them."""

import re
from html.parser import HTMLParser
from pathlib import Path

import drf_yasg
import pytest
from django.http import HttpResponse, HttpResponseNotModified

from scheduler_service import headers
from scheduler_service.headers import CSP, HeadersMiddleware
from tests.integration.helpers import create
from tests.integration.http import client
from tests.integration.schedules import create as create_schedules

pytestmark = pytest.mark.django_db

YASG = Path(drf_yasg.__file__).parent / "static" / "drf-yasg"
ADMIN_PAGES = [
    "/admin/",
    "/admin/password_change/",
    "/admin/tasks_app/task/",
    "/admin/tasks_app/task/?status__exact=PENDING",
    "/admin/schedules_app/taskschedule/",
    "/admin/auth/user/",
    "/admin/auth/user/add/",
    "/admin/auth/group/add/",
]
DATA = {"application/json", "text/template"}
"""Types of script elements that no browser runs."""


def directives(response):
    return dict(part.split(" ", 1) for part in response.headers[CSP].split("; "))


class Inline(HTMLParser):
    """What of a page a policy without 'unsafe-inline' would keep from working, and what comes from elsewhere."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "style" or (tag == "script" and "src" not in given and given.get("type") not in DATA):
            self.found.append(f"<{tag}>")
        self.found += [f"{tag} {name}" for name in given if name == "style" or name.startswith("on")]
        loaded = given.get("href") if tag == "link" else given.get("src")
        if loaded and not (loaded.startswith("/") and not loaded.startswith("//")):
            self.found.append(f"{tag} {loaded}")
        if (given.get("href") or "").startswith("javascript:") or tag == "base":
            self.found.append(f"{tag} {given}")


def test_the_look_for_what_is_inline_finds_it():
    page = (
        "<script>a()</script><script type='text/javascript'>b</script><style>c</style><p onclick='d'>"
        "<p style='e'><script src='//cdn/f.js'></script><link href='https://cdn/g.css'><a href='javascript:h'>"
        "<script type='application/json'>{}</script><script src='/i.js'></script><img src='/j.png'>"
    )
    assert len(Inline(page).found) == 8


@pytest.mark.parametrize("path", ["/tasks/", "/nope", "/health/live", "/swagger.json", "/tasks/?nope=1"])
def test_an_answer_that_is_no_page_may_load_nothing_and_stand_in_no_frame(path):
    response = client.get(path)
    assert response.headers[CSP] == "default-src 'none'; frame-ancestors 'none'"
    assert {name: response.headers[name] for name in headers.EVERYWHERE} == headers.EVERYWHERE


def test_a_refusal_outside_of_the_views_has_the_same_headers():
    response = client.get("/tasks/", headers={"host": "evil.example"})
    assert response.status_code == 400
    assert response.headers[CSP] == headers.NO_PAGE
    assert {name: response.headers[name] for name in headers.EVERYWHERE} == headers.EVERYWHERE


def test_the_page_for_logging_in_has_nothing_that_its_policy_forbids():
    response = client.get("/admin/login/")
    assert (response.status_code, response.headers[CSP]) == (200, headers.PAGE)
    assert Inline(response.content.decode()).found == []


@pytest.mark.parametrize("path", [*ADMIN_PAGES, "/swagger/", "/swagger"])
def test_a_page_loads_the_services_own_files_only_and_stands_in_no_frame(path, admin_client):
    response = admin_client.get(path, headers={"accept": "text/html"})
    found = directives(response)
    assert response.status_code == 200
    assert {name: found[name] for name in ("default-src", "object-src", "base-uri", "form-action")} == {
        "default-src": "'self'",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
    }
    assert found["frame-ancestors"] == "'none'"
    assert "script-src" not in found
    assert "unsafe" not in response.headers[CSP]
    assert "camera=()" in response.headers["Permissions-Policy"]
    assert {name: response.headers[name] for name in headers.EVERYWHERE} == headers.EVERYWHERE


@pytest.mark.parametrize("path", [*ADMIN_PAGES, "/swagger/"])
def test_a_page_has_nothing_that_its_policy_forbids(path, admin_client):
    page = admin_client.get(path, headers={"accept": "text/html"}).content.decode()
    assert "<script" in page or "<link" in page
    assert Inline(page).found == []


def test_neither_have_the_pages_of_single_rows(admin_client):
    (task_id,), (schedule_id,) = create(), create_schedules()
    for kind, key in (("tasks_app/task", task_id), ("schedules_app/taskschedule", schedule_id)):
        response = admin_client.get(f"/admin/{kind}/{key}/change/")
        assert response.status_code == 200
        assert Inline(response.content.decode()).found == []


def test_the_styles_that_swaggers_scripts_write_are_those_that_its_policy_names():
    """If this fails after an upgrade: open /swagger/ in a browser; its console says what has no place in the policy."""
    logo, keyframes = headers.SWAGGER_STYLES
    assert (
        f'"style",null,"{logo}"' in (YASG / "swagger-ui-dist" / "swagger-ui-standalone-preset.js").read_text()
    )
    script = (YASG / "insQ.min.js").read_text()
    assert "var g=100," in script
    assert "insertionQ('.auth-wrapper .authorize')" in (YASG / "swagger-ui-init.js").read_text()
    expression = re.search(r"d\.innerHTML=(.+?),document\.head", script)[1]
    values = {"j": "-webkit-", "e": "insQ_100", "a": ".auth-wrapper .authorize"}
    parts = re.findall(r'"([^"]*)"|\b([jea])\b', expression)
    assert keyframes == "".join(values[name] if name else text.replace("\\n", "\n") for text, name in parts)


def test_only_swagger_names_styles():
    assert "style-src" not in headers.PAGE
    assert headers.SWAGGER.count("'sha256-") == len(headers.SWAGGER_STYLES)


def answered(response, rf):
    return HeadersMiddleware(lambda request: response)(rf.get("/"))


def test_what_a_view_has_set_for_its_page_stays(rf):
    made = HttpResponse("<p>", headers={CSP: "default-src https:", "X-Frame-Options": "SAMEORIGIN"})
    response = answered(made, rf)
    assert (response.headers[CSP], response.headers["X-Frame-Options"]) == (
        "default-src https:",
        "SAMEORIGIN",
    )


def test_an_unchanged_page_keeps_the_policy_that_it_came_with(rf):
    assert CSP not in answered(HttpResponseNotModified(), rf).headers


@pytest.mark.parametrize(
    ("debug", "status", "has_one"), [(True, 500, False), (False, 500, True), (True, 200, True)]
)
def test_only_djangos_pages_for_developers_have_no_policy(rf, settings, debug, status, has_one):
    settings.DEBUG = debug
    assert (CSP in answered(HttpResponse("<p>", status=status), rf).headers) is has_one
