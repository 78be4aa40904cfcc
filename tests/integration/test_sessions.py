"""The cookie of a login: whatever it holds, it is at worst nobody's."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client

from access_app import sessions
from tasks_app import store, tasks

pytestmark = pytest.mark.django_db

NUL = r'"aaaaaaaaaaaaaaaa\000"'


@pytest.mark.parametrize("key", [NUL, r'"\377aaaaaaaaaaa"', "a" * 5000, "short", "ABCDEFGHIJKL", '"'])
@pytest.mark.parametrize("path", ["/tasks/", "/swagger/", "/admin/login/", "/login/"])
def test_a_cookie_that_is_no_key_of_a_session_is_nobodys(settings, key, path):
    settings.API_KEYS_REQUIRED = True
    answer = Client().get(path, headers={"cookie": f"sessionid={key}"})
    assert answer.status_code == (401 if path == "/tasks/" else 200)


def test_a_session_is_found_by_the_key_that_its_login_made(settings):
    settings.API_KEYS_REQUIRED = True
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    assert client.get("/tasks/").status_code == 200


@pytest.mark.parametrize("most", [1, 1000])
def test_sessions_that_are_over_are_pruned(monkeypatch, most):
    monkeypatch.setattr(sessions, "PRUNE_SLICE", most)
    now = store.database_now()
    for key, age in (("old", 60), ("older", 3600), ("open", -60)):
        Session.objects.create(pk=key, session_data="", expire_date=now - timedelta(seconds=age))
    tasks.prune()
    assert list(Session.objects.values_list("pk", flat=True)) == ["open"]
