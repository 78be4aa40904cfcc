"""Shorthands for tests over HTTP: requests go through all of the middleware."""

from typing import Any

from django.http import HttpResponse
from rest_framework.test import APIClient

from access_app.principals import Principal, Scope

client = APIClient(raise_request_exception=False)


def client_of(project_id: int) -> APIClient:
    """A client whose requests act in a project, as authentication would have it."""
    own = APIClient(raise_request_exception=False)
    own.force_authenticate(token=Principal(project_id=project_id, scopes=frozenset(Scope)))
    return own


MISSING_ID = "0190b2a4-5f0e-7c1d-8e2f-3a4b5c6d7e8f"


def get(path: str, **parameters: Any) -> HttpResponse:
    return client.get(path, parameters)


def post(path: str, body: Any = None) -> HttpResponse:
    return client.post(path, body, format="json")


def post_raw(path: str, body: bytes, content_type: str = "application/json") -> HttpResponse:
    return client.generic("POST", path, body, content_type)


def problem(response: HttpResponse, status: int) -> dict[str, Any]:
    """The body of an error answer, which must be a whole problem with this status."""
    assert response.status_code == status, response.content
    assert response.headers["Content-Type"] == "application/problem+json"
    body = response.json()
    assert set(body) == {"type", "title", "status", "code", "detail", "errors"}
    assert body["status"] == status
    assert body["detail"]
    return body


def faults(response: HttpResponse) -> set[tuple[str, str]]:
    """Where each fault of a 400 lies, and its code."""
    errors = problem(response, 400)["errors"]
    assert all(fault["detail"] for fault in errors)
    return {
        (fault["pointer"] if "pointer" in fault else fault["parameter"], fault["code"]) for fault in errors
    }
