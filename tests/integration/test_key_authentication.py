"""`Authorization: Bearer`: which key opens what, and what is said when none does."""

import json
import logging
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from access_app import issuing, keys
from access_app.audit import COMMAND
from access_app.models import ApiKey
from access_app.principals import Kind, Principal, Scope
from scheduler_service import logs
from scheduler_service.redaction import REDACTED
from tests.integration.access import caller, change, issue, project, stored, with_key
from tests.integration.helpers import at_once
from tests.integration.http import problem

pytestmark = pytest.mark.django_db

PATH = "/operations/"
UNKNOWN = f"key_0123456789ab.{keys.new_secret()}"


@pytest.fixture(autouse=True)
def required(settings):
    settings.API_KEYS_REQUIRED = True


def refused(client, path=PATH):
    response = client.get(path)
    return problem(response, 401)["code"], response.headers["WWW-Authenticate"]


MISSING = ("not_authenticated", 'Bearer realm="scheduler"')
INVALID = ("invalid_key", 'Bearer realm="scheduler", error="invalid_token"')


def test_without_a_key_nothing_is_answered():
    assert refused(caller()) == MISSING


@pytest.mark.parametrize("value", ["", " ", "Basic dTpw", "Token abc", "Bearerkey_1.x", UNKNOWN])
def test_what_is_no_bearer_header_counts_as_none(value):
    assert refused(caller(value)) == MISSING


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
def test_the_schemes_case_and_spaces_do_not_matter(scheme):
    assert caller(f"{scheme} {issue().text}").get(PATH).status_code == 200


@pytest.mark.parametrize(
    "value",
    ["Bearer", "Bearer ", "Bearer x", "Bearer \xff", f"Bearer {UNKNOWN}", f"Bearer {UNKNOWN}, Bearer x"],
)
def test_a_bearer_that_opens_nothing_is_refused(value):
    assert refused(caller(value)) == INVALID


def test_neither_the_answer_nor_the_work_tells_what_is_wrong(monkeypatch):
    compared = []
    real = keys.opens
    monkeypatch.setattr(
        keys, "opens", lambda secret, lock, now: compared.append(lock) or real(secret, lock, now)
    )
    right, ended, gone = issue(), issue(), issue()
    change(ended, expires_at=timezone.now())
    issuing.revoke(gone.key.prefix, by=COMMAND)
    wrong = f"{right.key.prefix}.{keys.new_secret()}"
    answers = [caller(f"Bearer {text}").get(PATH) for text in (UNKNOWN, wrong, ended.text, gone.text)]
    assert {answer.content for answer in answers} == {answers[0].content}
    assert {refused(caller(f"Bearer {text}")) for text in (UNKNOWN, wrong, ended.text, gone.text)} == {
        INVALID
    }
    assert compared[0] == keys.Lock()
    assert len(compared) == 8


def test_a_key_is_revoked_from_the_next_request_on():
    issued = issue()
    client = caller(f"Bearer {issued.text}")
    assert client.get(PATH).status_code == 200
    assert issuing.revoke(issued.key.prefix, by=COMMAND)
    assert refused(client) == INVALID
    assert not issuing.revoke(issued.key.prefix, by=COMMAND)


@pytest.mark.parametrize(("seconds", "status"), [(60, 200), (0, 401), (-60, 401)])
def test_a_key_opens_until_it_expires(seconds, status):
    issued = issue(expires_at=timezone.now() + timedelta(seconds=seconds))
    assert caller(f"Bearer {issued.text}").get(PATH).status_code == status


def test_after_a_rotation_both_secrets_open_until_the_overlap_is_over():
    first = issue()
    second = issuing.rotate(first.key.prefix, timedelta(hours=1), by=COMMAND)
    old, new = caller(f"Bearer {first.text}"), caller(f"Bearer {second.text}")
    assert [client.get(PATH).status_code for client in (old, new)] == [200, 200]
    change(first, previous_expires_at=timezone.now())
    assert [client.get(PATH).status_code for client in (old, new)] == [401, 200]


def test_a_rotation_without_overlap_ends_the_old_secret_at_once_and_a_second_one_the_oldest():
    first = issue()
    second = issuing.rotate(first.key.prefix, timedelta(hours=1), by=COMMAND)
    third = issuing.rotate(first.key.prefix, timedelta(hours=1), by=COMMAND)
    texts = [issued.text for issued in (first, second, third)]
    assert [caller(f"Bearer {text}").get(PATH).status_code for text in texts] == [401, 200, 200]
    fourth = issuing.rotate(first.key.prefix, timedelta(), by=COMMAND)
    texts.append(fourth.text)
    assert [caller(f"Bearer {text}").get(PATH).status_code for text in texts] == [401, 401, 401, 200]


def test_a_key_that_has_ended_is_not_rotated_back_to_life():
    gone, ended = issue(), issue(expires_at=timezone.now())
    issuing.revoke(gone.key.prefix, by=COMMAND)
    for issued in (gone, ended):
        with pytest.raises(issuing.NotPossible):
            issuing.rotate(issued.key.prefix, timedelta(hours=1), by=COMMAND)
    again = issuing.rotate(
        ended.key.prefix, timedelta(), by=COMMAND, expires_at=timezone.now() + timedelta(days=1)
    )
    assert caller(f"Bearer {again.text}").get(PATH).status_code == 200


def test_only_a_digest_is_kept():
    issued = issue()
    secret = issued.text.partition(".")[2]
    row = ApiKey.objects.filter(pk=issued.key.pk).values().get()
    assert row["digest"] == keys.digest(secret)
    assert secret not in str(row)


def statements(seen):
    verbs = [query["sql"].split()[0] for query in seen.captured_queries]
    return [verb for verb in verbs if verb != "PRAGMA"]


def test_a_request_reads_the_key_once_by_its_index_and_its_use_is_written_once_a_minute():
    issued = issue()
    client = caller(f"Bearer {issued.text}")
    with CaptureQueriesContext(connection) as first:
        client.get(PATH)
    with CaptureQueriesContext(connection) as second:
        client.get(PATH)
    assert statements(first) == ["SELECT", "UPDATE"]
    assert statements(second) == ["SELECT"]
    used = stored(issued).last_used_at
    assert used is not None
    change(issued, last_used_at=used - timedelta(seconds=61))
    client.get(PATH)
    assert stored(issued).last_used_at >= used


def test_a_use_that_another_process_has_written_is_not_written_again():
    issued, now = issue(), timezone.now()
    change(issued, last_used_at=now)
    issuing.note_use(issued.key.pk, now + timedelta(seconds=59))
    assert stored(issued).last_used_at == now


def test_a_use_that_cannot_be_written_fails_no_request(monkeypatch, caplog):
    def fail():
        raise DatabaseError("read-only")

    client = with_key()
    failing = SimpleNamespace(vendor="postgresql", cursor=fail)
    monkeypatch.setattr(issuing, "connection", failing)
    assert client.get(PATH).status_code == 200
    assert "could not be written: read-only" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_use_is_not_waited_for_while_somebody_holds_the_row():
    issued = issue()

    def ask():
        return caller(f"Bearer {issued.text}").get(PATH).status_code

    with transaction.atomic():
        ApiKey.objects.filter(pk=issued.key.pk).update(name="held")
        assert at_once([ask]) == [200]
    assert stored(issued).last_used_at is None
    assert ask() == 200
    assert stored(issued).last_used_at is not None


def test_a_key_acts_in_its_project_under_its_public_name(principals):
    issued = issue(Scope.TASKS_READ, within="red")
    caller(f"Bearer {issued.text}").get(PATH)
    assert principals == [
        Principal(
            project_id=project("red").pk,
            scopes=frozenset({Scope.TASKS_READ}),
            actor=issued.key.prefix,
            kind=Kind.KEY,
            requests_per_second=100,
            waiting_tasks=1_000_000,
        )
    ]


def test_where_keys_are_not_required_a_right_one_is_honoured_and_a_wrong_one_refused(settings):
    settings.API_KEYS_REQUIRED = False
    assert caller().get(PATH).status_code == 200
    # For a proxy before the service, which passes its own login on.
    assert caller("Basic dTpw").get(PATH).status_code == 200
    assert with_key(Scope.TASKS_READ).post("/tasks/", {}, format="json").status_code == 403
    assert refused(caller(f"Bearer {UNKNOWN}")) == INVALID


def test_a_body_is_not_read_before_the_key():
    response = caller(f"Bearer {UNKNOWN}").generic("POST", "/tasks/", b"{", "application/json")
    assert problem(response, 401)["code"] == "invalid_key"


@pytest.mark.parametrize("path", ["/tasks", "/api/v1/tasks/", "/api/v1/tasks", "/task-schedules/preview"])
def test_no_spelling_of_an_address_goes_around_the_key(path):
    assert refused(caller(), path) == MISSING
    assert refused(caller(f"Bearer {UNKNOWN}"), path) == INVALID


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/swagger.json", "/swagger/", "/login/"])
def test_what_is_open_needs_no_key(path):
    assert caller().get(path).status_code in (200, 503)


def test_what_is_logged_of_a_request_names_the_key_and_not_its_secret(caplog, monkeypatch):
    issued = issue()
    lines = []
    monkeypatch.setattr("tasks_app.views.check_parameters", lambda *_: lines.append(logs.context()))
    caller(f"Bearer {issued.text}").get(PATH)
    assert lines[0]["key_id"] == issued.key.prefix
    assert logs.context() == {}
    record = logging.makeLogRecord(
        {"msg": f"sent {issued.text}", "HTTP_AUTHORIZATION": f"Bearer {issued.text}"}
    )
    line = json.loads(logs.JSONFormatter().format(record))
    assert line["message"] == f"sent {issued.key.prefix}.{REDACTED}"
    assert issued.text.partition(".")[2] not in str(line)
