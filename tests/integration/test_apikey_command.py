"""`manage.py apikey`."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from access_app.models import ApiKey, Project
from access_app.principals import Scope, read_scopes
from tests.integration.access import caller, issue, stored

pytestmark = pytest.mark.django_db

PATH = "/operations/"


@pytest.fixture(autouse=True)
def required(settings):
    settings.API_KEYS_REQUIRED = True


def run(*words):
    """What it wrote to stdout and to stderr."""
    out, err = StringIO(), StringIO()
    call_command("apikey", *words, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def opens(text):
    return caller(f"Bearer {text}").get(PATH).status_code == 200


def test_what_create_prints_on_stdout_is_the_key_alone_and_opens():
    out, err = run("create", "nightly import")
    key = ApiKey.objects.get()
    assert opens(out.strip())
    assert (key.name, key.project.name, key.created_by, key.expires_at) == (
        "nightly import",
        "default",
        "manage.py",
        None,
    )
    assert read_scopes(key.scopes) == set(Scope) - {Scope.ADMIN}
    assert out.strip().partition(".")[2] not in err


def test_scopes_limits_end_and_project_are_those_that_were_asked_for():
    words = ["--scopes", "tasks:read, admin", "--expires-in", "90d", "--requests-per-second", "2.5"]
    run("create", "x", "--project", "red", "--create-project", *words, "--waiting-tasks", "7")
    key = ApiKey.objects.get()
    assert (key.project.name, key.scopes) == ("red", "tasks:read admin")
    assert (key.requests_per_second, key.waiting_tasks) == (2.5, 7)
    assert abs(key.expires_at - timezone.now() - timedelta(days=90)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--project", "a b", "--create-project"], "cannot be a project's name"),
        (["--project", "x" * 65, "--create-project"], "at most 64"),
        (["--scopes", "tasks:burn"], "tasks:burn; there are tasks:read"),
        (["--scopes", ""], "--scopes: none"),
        (["--expires-in", "soon"], "is no duration"),
        (["--expires-in", "2020-01-31"], "is in the past"),
        (["--expires-in", "2027-02-31"], "not a day or time that exists"),
        (["--expires-in", "2099-01-31T12:00:00"], "has no offset"),
        (["--requests-per-second", "-1"], "from 0"),
        (["--requests-per-second", "nan"], "from 0"),
        (["--waiting-tasks", "-1"], "from 0"),
    ],
)
def test_what_cannot_be_is_refused_with_what_would_do(words, says):
    with pytest.raises(CommandError) as caught:
        run("create", "x", "--project", "new", "--create-project", *words)
    assert says in str(caught.value)
    assert not ApiKey.objects.exists()
    assert not Project.objects.exclude(name="default").exists()


def test_a_project_is_made_only_if_that_is_said():
    with pytest.raises(CommandError, match=r"no project 'red' \(there are: default\); --create-project"):
        run("create", "x", "--project", "red")


@pytest.mark.parametrize("end", ["2099-01-31", "2099-01-31T00:00:00Z", "2099-01-31T01:00:00+01:00"])
def test_an_end_is_a_day_or_a_time(end):
    run("create", "x", "--expires-in", end)
    assert ApiKey.objects.get().expires_at.isoformat() == "2099-01-31T00:00:00+00:00"


def test_rotate_prints_a_new_key_and_the_old_one_opens_for_the_overlap():
    first = issue()
    second = run("rotate", first.key.prefix)[0].strip()
    assert opens(first.text)
    assert opens(second)
    assert abs(stored(first).previous_expires_at - timezone.now() - timedelta(hours=24)) < timedelta(
        minutes=1
    )
    third = run("rotate", first.text, "--overlap", "0")[0].strip()
    assert [opens(text) for text in (first.text, second, third)] == [False, False, True]


def test_revoke_ends_a_key_and_says_so():
    issued = issue()
    assert run("revoke", issued.key.prefix)[0] == f"{issued.key.prefix} is revoked.\n"
    assert not opens(issued.text)
    assert run("revoke", issued.key.prefix)[0] == f"{issued.key.prefix} was revoked before.\n"


def test_a_database_without_tables_is_named_and_not_a_traceback(monkeypatch):
    monkeypatch.setattr(ApiKey._meta, "db_table", "access_nokeys")
    with pytest.raises(CommandError, match=r"manage\.py migrate.*SCHEDULER_DATA_DIR"):
        run("create", "x")


@pytest.mark.parametrize("action", ["rotate", "revoke", "show"])
def test_a_key_that_does_not_exist_is_named(action):
    with pytest.raises(CommandError, match="There is no key key_000000000000"):
        run(action, "key_000000000000")


def test_lists_show_what_is_open_and_no_secret():
    kept, gone = issue(within="red"), issue(within="blue")
    run("revoke", gone.key.prefix)
    assert kept.key.prefix in run("list")[0]
    assert gone.key.prefix not in run("list")[0]
    assert gone.key.prefix in run("list", "--all")[0]
    assert run("list", "--project", "blue")[0] == ""
    shown = run("list", "--all")[0] + run("show", kept.key.prefix)[0]
    assert "project: red" in shown
    for issued in (kept, gone):
        assert issued.text.partition(".")[2] not in shown
        assert stored(issued).digest not in shown
