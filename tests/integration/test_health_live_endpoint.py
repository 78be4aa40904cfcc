"""GET /health/live."""

import pytest

from tests.integration.http import client, get, problem


@pytest.mark.parametrize("path", ["/health/live", "/health/live/"])
def test_it_answers_without_a_database(path):
    # No database fixture: pytest-django fails a test that touches one.
    response = get(path)
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_it_takes_no_other_method():
    problem(client.post("/health/live"), 405)
