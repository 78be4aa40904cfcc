"""Keys, projects and people for tests of who may do what."""

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from rest_framework.test import APIClient

from access_app import audit, issuing
from access_app.models import ApiKey, Membership, Project
from access_app.principals import Scope, spell_scopes

PASSWORD = "correct horse battery"


def project(name: str = "red") -> Project:
    return Project.objects.get_or_create(name=name)[0]


def issue(*scopes: Scope, within: str = "red", **chosen: Any) -> issuing.Issued:
    """A key with these scopes, all but admin if none is given."""
    given = scopes or tuple(set(Scope) - {Scope.ADMIN})
    return issuing.create(project(within), "of a test", given, by=audit.COMMAND, **chosen)


def caller(authorization: str | None = None) -> APIClient:
    """A client of its own, which shows this header."""
    client = APIClient(raise_request_exception=False)
    if authorization is not None:
        client.credentials(HTTP_AUTHORIZATION=authorization)
    return client


def with_key(*scopes: Scope, **chosen: Any) -> APIClient:
    return caller(f"Bearer {issue(*scopes, **chosen).text}")


def stored(issued: issuing.Issued) -> ApiKey:
    return ApiKey.objects.get(pk=issued.key.pk)


def change(issued: issuing.Issued, **values: datetime | str | None) -> None:
    ApiKey.objects.filter(pk=issued.key.pk).update(**values)


def person(name: str = "ada", *scopes: Scope, within: str | None = None, **chosen: Any) -> User:
    """Somebody who can log in; with `within`, a member of that project."""
    user = User.objects.create_user(name, password=PASSWORD, **chosen)
    if within is not None:
        Membership.objects.create(user=user, project=project(within), scopes=spell_scopes(scopes))
    return user


def browser(user: User) -> APIClient:
    """Somebody's browser, logged in; its requests are held to CSRF."""
    client = APIClient(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(user)
    return client
