"""What a key is made of. Pure."""

import hmac
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from access_app import keys
from access_app.keys import Lock
from access_app.principals import Principal, Scope, principal_of, read_scopes, spell_scopes

NOW = datetime(2027, 1, 1, tzinfo=UTC)
SECRET, OTHER = keys.new_secret(), keys.new_secret()


def test_no_two_keys_are_alike_and_each_is_read_as_it_was_spelled() -> None:
    made = {(keys.new_prefix(), keys.new_secret()) for _ in range(200)}
    assert len({prefix for prefix, _ in made}) == len({secret for _, secret in made}) == 200
    assert all(keys.parse(keys.spell(prefix, secret)) == (prefix, secret) for prefix, secret in made)


def test_a_secret_has_256_bits() -> None:
    assert len(SECRET) * 6 >= 256


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "key_0123456789ab", "key_0123456789ab.", f".{SECRET}", SECRET, f"key_.{SECRET}"),
        *(f"key_0123456789AB.{SECRET}", f"sk_0123456789ab.{SECRET}", f"key_0123456789ab.{SECRET}x"),
        *(
            f"key_0123456789ab.{SECRET[:-1]}",
            f"key_0123456789ab.{SECRET[:-1]}=",
            f"key_0123456789ab.{SECRET}\n",
        ),
        *(
            f"key_0123456789ab .{SECRET}",
            f"key_0123456789ab.{SECRET},{SECRET}",
            f"key_０123456789ab.{SECRET}",
        ),
    ],
)
def test_what_is_no_key_is_not_read_as_one(text: str) -> None:
    assert keys.parse(text) is None


@pytest.mark.parametrize(
    ("lock", "opened_by"),
    [
        (Lock(), set()),
        (Lock(keys.digest(SECRET)), {SECRET}),
        (Lock(keys.digest(SECRET), keys.digest(OTHER), NOW + timedelta(seconds=1)), {SECRET, OTHER}),
        (Lock(keys.digest(SECRET), keys.digest(OTHER), NOW), {SECRET}),
        (Lock(keys.digest(SECRET), keys.digest(OTHER), None), {SECRET}),
    ],
)
def test_a_lock_is_opened_by_its_secrets_only(lock: Lock, opened_by: set[str]) -> None:
    assert {one for one in (SECRET, OTHER, keys.new_secret()) if keys.opens(one, lock, NOW)} == opened_by


@pytest.mark.parametrize(
    "lock", [Lock(), Lock(keys.digest(SECRET)), Lock(keys.digest(OTHER), keys.digest(SECRET))]
)
def test_every_lock_costs_the_same_two_comparisons(lock: Lock, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    real = hmac.compare_digest
    monkeypatch.setattr(
        keys.hmac, "compare_digest", lambda a, b: compared.append((len(a), len(b))) or real(a, b)
    )
    keys.opens(SECRET, lock, NOW)
    assert compared == [(64, 64), (64, 64)]


def test_scopes_are_spelled_in_one_order_and_an_unknown_one_allows_nothing() -> None:
    assert spell_scopes(["schedules:write", "tasks:read"]) == "tasks:read schedules:write"
    assert read_scopes("tasks:read tasks:burn") == {Scope.TASKS_READ}
    with pytest.raises(ValueError, match="tasks:burn"):
        spell_scopes(["tasks:burn"])


@pytest.mark.parametrize("scope", Scope)
def test_admin_may_do_everything_and_any_other_scope_only_itself(scope: Scope) -> None:
    assert Principal(scopes=frozenset({Scope.ADMIN})).may(scope)
    allowed = {other for other in Scope if Principal(scopes=frozenset({scope})).may(other)}
    assert allowed == (set(Scope) if scope is Scope.ADMIN else {scope})


@pytest.mark.parametrize(("is_required", "scopes"), [(True, set()), (False, set(Scope))])
def test_who_sends_a_request_that_nobody_looked_at_may_do_nothing_where_keys_are_required(
    is_required, scopes, settings
):
    settings.API_KEYS_REQUIRED = is_required
    assert principal_of(SimpleNamespace(auth=None)).scopes == scopes
