"""Secrets do not get into a log, and what is none stays readable."""

import pytest

from scheduler_service.redaction import REDACTED, passwords, redactor

redact = redactor(["a-secret-of-the-service"])


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("key a-secret-of-the-service!", "a-secret-of-the-service"),
        ("could not reach postgres://scheduler:hunter2@db:5432/x", "hunter2"),
        ("postgres://scheduler:hun@ter2@db:5432/x", "ter2"),
        ("redis://:hunter2@redis:6379/0", "hunter2"),
        ("amqps://guest:hunter2@mq/", "hunter2"),
        ("Authorization: Bearer eyJhbGciOi.J9", "eyJ"),
        ("authorization=hunter2 hunter3", "hunter3"),
        ("{'Authorization': 'Basic aHVudGVyMg==', 'Host': 'x'}", "aHVu"),
        ("{'HTTP_AUTHORIZATION': 'token hunter2'}", "hunter2"),
        ("[('proxy-authorization', 'hunter2')]", "hunter2"),
        ("sent with Bearer abcdefgh12345678", "abcdefgh"),
        ("Cookie: sessionid=hunter2; other=hunter3", "hunter"),
        ("X-API-Key: hunter2", "hunter2"),
        ("signed by whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "C2FVs"),
        ("SECRET_KEY='hunter2'", "hunter2"),
        ("host=db password=hunter2 user=x", "hunter2"),
        ("POSTGRES_PASSWORD=hunter2", "hunter2"),
        ('{"password": "hunter2"}', "hunter2"),
        ("https://x/?api_key=hunter2&page=2", "hunter2"),
    ],
)
def test_a_secret_is_taken_out(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in redact(text)
    assert REDACTED in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "postgres://scheduler@db:5432/scheduler",
        "http://127.0.0.1:8000/tasks/?tag=a@b",
        "Basic operations are built in",
        "The Authorization header is missing",
        "Task 0190-aa ended with SUCCESS after 3 s (12:30:01)",
        "redis+socket:///srv/data/broker.sock",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_what_stands_beside_a_secret_stays() -> None:
    text = "GET /x: Authorization: Basic aHVudGVyMg==\npostgres://u:p@db:1/n failed, password=x, user=y"
    assert redact(text) == (
        f"GET /x: Authorization: {REDACTED}\npostgres://u:{REDACTED}@db:1/n failed, password={REDACTED}, user=y"
    )


def test_a_short_secret_does_not_eat_words() -> None:
    assert redactor(["task"])("task 7") == "task 7"


def test_the_passwords_of_urls_are_known_as_they_stand_and_decoded() -> None:
    assert set(passwords(["postgres://u:p%40ss@db/x", "none", "redis://h"])) == {"p%40ss", "p@ss"}


def test_a_password_that_names_user_or_database_is_a_word() -> None:
    assert list(passwords(["postgres://scheduler:scheduler@db/x", "postgres://u:tasks@db/tasks"])) == []


def test_a_broken_url_has_no_password() -> None:
    assert list(passwords(["postgres://u:p@[::1/x"])) == []
