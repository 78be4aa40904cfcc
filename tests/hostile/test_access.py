"""A wrong key, scope, project or login changes nothing and reveals nothing, at any address of the document."""

import json
import time
from collections.abc import Iterator

import pytest

from tests.hostile import keys
from tests.hostile.server import Web, started
from tests.hostile.sweep import Operation, Session, judged, operations, seed
from tests.hostile.wire import Answer

pytestmark = pytest.mark.timeout(120)

NOBODYS = "01990000-0000-7000-8000-000000000000"
OPEN = ("/health/",)
SAFE = {"GET", "HEAD", "OPTIONS"}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """One that asks for keys."""
    with started(tmp_path_factory.mktemp("k"), API_KEYS_REQUIRED="true") as made:
        yield made


@pytest.fixture(scope="module")
def made(web: Web) -> dict[str, str]:
    """Keys and sessions, by what they are."""
    return keys.make(web)


def with_key(web: Web, key: str) -> Session:
    return Session(web, (f"Authorization: Bearer {key}",))


@pytest.fixture(scope="module")
def ids(web: Web, made: dict[str, str]) -> dict[str, str]:
    """Of one of everything, in the project `one`."""
    return seed(with_key(web, made["one"]))


@pytest.fixture(scope="module")
def told(web: Web, ids: dict[str, str]) -> list[Operation]:
    """Every address and method that is not open to all."""
    found = operations(Session(web), ids)
    return [each for each in found if not each.template.startswith(OPEN)]


def rows(web: Web) -> dict[str, str]:
    """All but when a key was last used, and who knocked at the door."""
    return {name: held for name, held in web.rows().items() if name != "access_api_key"}


def sent(session: Session, each: Operation, path: str | None = None, *lines: str) -> Answer:
    """A request that would do with a right key."""
    operation = (
        {"operation": "4+7", "every_x_days": 1}
        if "every_x_days" in (each.fields or ())
        else {"operation": "4+7"}
    )
    known = {name: value for name, value in operation.items() if name in (each.fields or ())}
    if each.template == "/calendars/":
        known = {"name": "made-by-a-test"}
    body = None if each.fields is None else json.dumps([known] if each.is_list else known).encode()
    return session.ask(each.method, path or each.path, body, *lines)


def forms(made: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """Headers that open nothing."""
    key, other = made["one"], made["other"]
    prefix, _, secret = key.partition(".")
    other_prefix, _, other_secret = other.partition(".")
    bearers = {
        "empty": "",
        "the prefix": prefix,
        "the prefix and a dot": f"{prefix}.",
        "the secret": secret,
        "truncated": key[:-1],
        "longer": key + "A",
        "the prefix of one, the secret of another": f"{prefix}.{other_secret}",
        "the other way round": f"{other_prefix}.{secret}",
        "an unknown prefix": f"key_000000000000.{secret}",
        "upper case": key.upper(),
        "lower case": key.lower() if key != key.lower() else key + "a",
        "quoted": f'"{key}"',
        "in base64": "a2V5OnNlY3JldA==",
        "two keys": f"{key} {key}",
        "a list": f"{key}, {key}",
        "other dots": key.replace(".", "\xb7"),
        "full-width": prefix + "\xef\xbc\x8e" + secret,
        "a zero-width space": key + "\xe2\x80\x8b",
        "SQL": f"{prefix}' OR 1=1--.{secret}",
        "a wildcard": f"key_%.{secret}",
        "a path": f"../{key}",
        "null": "null",
        "a long one": "A" * 7000,
        "expired": made["expired"],
        "revoked": made["revoked"],
    }
    wrong = {name: (f"Authorization: Bearer {text}",) for name, text in bearers.items()}
    return wrong | {
        "two headers": (f"Authorization: Bearer {key}", f"Authorization: Bearer {key}"),
        "a right one behind a wrong one": ("Authorization: Bearer x", f"Authorization: Bearer {key}"),
    }


def nobody(made: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """Headers that show no key at all."""
    key = made["one"]
    return {
        "nothing": (),
        "no scheme": (f"Authorization: {key}",),
        "another scheme": (f"Authorization: Token {key}",),
        "basic": (f"Authorization: Basic {key}",),
        "a scheme and a colon": (f"Authorization: Bearer:{key}",),
        "another header": (f"X-API-Key: {key}",),
        "a proxy's": (f"Proxy-Authorization: Bearer {key}",),
        "an underscore": (f"X_Authorization: Bearer {key}",),
        "a cookie": (f"Cookie: Authorization=Bearer {key}; api_key={key}; token={key}",),
        "a session that is none": (f"Cookie: sessionid={'a' * 32}; csrftoken={'b' * 32}",),
        "a key as a session": (f"Cookie: sessionid={key}",),
        "another user": ("X-Remote-User: admin", "Remote-User: admin", "X-Forwarded-User: admin"),
    }


def equal(answers: dict[str, Answer]) -> list[str]:
    """What differs between answers that must not be told apart."""
    texts = {
        name: (answer.status, answer.body, answer.headers.get("www-authenticate"))
        for name, answer in answers.items()
    }
    first = next(iter(texts.values()))
    return [
        f"{name}: {text!s:.300} instead of {first!s:.300}" for name, text in texts.items() if text != first
    ]


@pytest.mark.parametrize("kind", [forms, nobody])
def test_no_wrong_key_opens_anything_or_says_why(web, made, told, kind) -> None:
    before, found, wrong = rows(web), [], kind(made)
    for each in told:
        # All of them at one address, a part of them at each.
        part = list(wrong.items())[len(each.template) % 5 :: 5]
        shown = wrong if each is told[0] else dict([*list(wrong.items())[:1], *part])
        answers = {name: sent(Session(web), each, None, *lines) for name, lines in shown.items()}
        for name, answer in answers.items():
            found += judged((str(each), name), answer, 401)
        found += equal(answers)
    assert not found, "\n".join(found[:20])
    assert rows(web) == before


def test_a_key_in_the_query_is_no_key(web, made, told) -> None:
    before, found = rows(web), []
    for each in told:
        for name in ("key", "api_key", "access_token", "authorization"):
            found += judged(
                (str(each), name), sent(Session(web), each, f"{each.path}?{name}={made['one']}"), 401
            )
    assert not found, "\n".join(found[:20])
    assert rows(web) == before
    assert made["one"].partition(".")[2] not in web.log


def test_a_key_without_a_scope_does_nothing_anywhere(web, made, told) -> None:
    before, found = rows(web), []
    session = with_key(web, made["nothing"])
    for each in told:
        if each.template != "/operations/":
            found += judged(each, sent(session, each), 403)
    assert not found, "\n".join(found[:20])
    assert rows(web) == before


def test_a_key_that_may_only_read_changes_nothing(web, made, told) -> None:
    before, found = rows(web), []
    session = with_key(web, made["reader"])
    for each in told:
        expected = (200, 403) if each.method in SAFE or "preview" in each.template else (403,)
        found += judged(each, sent(session, each), *expected)
    assert not found, "\n".join(found[:20])
    assert rows(web) == before


@pytest.mark.parametrize("who", ["other", "admin of the other"])
def test_what_another_project_has_is_answered_as_what_nobody_has(web, made, told, ids, who) -> None:
    before, found = rows(web), []
    session = with_key(web, made[who])
    absent = {name: NOBODYS if name != "name" else "nope" for name in ids}
    for each in told:
        if "{" not in each.template:
            continue
        there, nowhere = (sent(session, each, each.template.format(**which)) for which in (ids, absent))
        found += judged(each, there, 404)
        same = there.body.decode()
        for name, value in ids.items():
            same = same.replace(value, absent[name])
        if (there.status, same) != (nowhere.status, nowhere.body.decode()):
            found.append(f"{each}: {there.body!r} is not {nowhere.body!r}")
    assert not found, "\n".join(found[:20])
    assert rows(web) == before


def test_no_list_of_another_project_shows_or_counts_anything(web, made, told, ids) -> None:
    session, found = with_key(web, made["other"]), []
    mine = with_key(web, made["one"])
    for each in told:
        if each.method != "GET" or "{" in each.template or each.template in ("/operations/",):
            continue
        answer = session.ask("GET", each.path)
        found += [f"{each} shows {value}" for value in ids.values() if value in answer.body.decode()]
        following = (
            mine.ask("GET", f"{each.path}?page_size=1").json().get("next") if "cursor" in each.query else None
        )
        if following:  # a place in another project's list leads to nothing of it
            query = following.partition("?")[2]
            answer = session.ask("GET", f"{each.path}?{query}")
            found += judged(each, answer, 200, 400)
            found += [f"{each} shows {value}" for value in ids.values() if value in answer.body.decode()]
    assert not found, "\n".join(found[:20])


def test_an_idempotency_key_of_another_project_replays_nothing(web, made) -> None:
    body, line = b'{"operation": "4+7"}', "Idempotency-Key: shared"
    first, again, other = (
        with_key(web, made[who]).ask("POST", "/tasks/", body, line) for who in ("one", "second", "other")
    )
    assert first.json()["task_id"] == again.json()["task_id"] != other.json()["task_id"]


def cookies(session: str, token: str = "a" * 32) -> tuple[str, ...]:
    return (f"Cookie: sessionid={session}; csrftoken={token}",)


@pytest.mark.parametrize(
    "more", [(), ("X-CSRFToken: " + "b" * 32,), ("X-CSRFToken:",), ("X-CSRFToken: \xff",)]
)
def test_a_login_writes_nothing_without_its_token(web, made, told, more) -> None:
    before, found = rows(web), []
    session = Session(web, (*cookies(made["member"]), *more))
    for each in told:
        if each.method not in SAFE:
            found += judged((str(each), more), sent(session, each), 403)
    assert not found, "\n".join(found[:20])
    assert rows(web) == before


def test_a_login_without_a_membership_sees_and_does_nothing(web, made, told) -> None:
    before, found = rows(web), []
    session = Session(web, (*cookies(made["stranger"]), "X-CSRFToken: " + "a" * 32))
    for each in told:
        found += judged(each, sent(session, each), 403)
    assert not found, "\n".join(found[:20])
    assert rows(web) == before


def test_a_login_that_may_only_read_changes_nothing_with_its_token(web, made, told) -> None:
    before, found = rows(web), []
    session = Session(web, (*cookies(made["reading member"]), "X-CSRFToken: " + "a" * 32))
    for each in told:
        expected = (200, 403) if each.method in SAFE or "preview" in each.template else (403,)
        found += judged(each, sent(session, each), *expected)
    assert not found, "\n".join(found[:20])
    assert rows(web) == before


def test_a_login_with_its_token_works(web, made) -> None:
    session = Session(web, (*cookies(made["member"]), "X-CSRFToken: " + "a" * 32))
    assert session.ask("POST", "/tasks/", b'{"operation": "4+7"}').status == 202


def test_a_wrong_key_beside_a_login_is_a_wrong_key(web, made) -> None:
    session = Session(web, (*cookies(made["member"]), "Authorization: Bearer x"))
    assert session.ask("GET", "/tasks/").status == 401


def test_no_spelling_of_a_key_gets_around_its_rate(web, made) -> None:
    """However the scheme is spelled, and on which connection and address it comes: one key has one rate."""
    key, answers = made["slow"], []
    spelled = ("Bearer", "bearer", "BEARER", "bEaReR", "Bearer ", " Bearer   ")
    began = time.monotonic()
    for number in range(40):
        lines = (f"Authorization: {spelled[number % 6]} {key}", f"X-Forwarded-For: 10.0.0.{number}")
        path = ("/tasks/", "/api/v1/tasks/", "/tasks", "/operations/")[number % 4]
        answers.append(Session(web).ask("GET", path, None, *lines))
    allowed = 2 * (time.monotonic() - began) + 2
    refused = [answer for answer in answers if answer.status == 429]
    assert not [each for answer in refused for each in judged("429", answer, 429)]
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert {answer.status for answer in answers} == {200, 429}
    assert len(answers) - len(refused) <= allowed + 1  # each process has its part, and rounds it
