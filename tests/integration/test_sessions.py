"""The cookie of a login: whatever it holds, it is at worst nobody's."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

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
