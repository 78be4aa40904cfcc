"""Signatures as Standard Webhooks has them. The expected ones were made by `openssl dgst -sha256 -mac HMAC`."""

import base64
import hashlib
import hmac

import pytest
from pydantic import SecretStr

from scheduler_service import config, outbound
from tasks_app.operations.http import signing

REFERENCE = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # of the standard's own tests
OTHER = "whsec_YSBzZWNyZXQgb2YgdGhpcnR5LXR3byBieXRlcywgb2s="
TASK = "0190b2a4-5f0e-7c1d-8e2f-3a4b5c6d7e8f"


def keys(text: str, host: str = "example.com") -> tuple[bytes, ...]:
    return signing.keys_for(host, SecretStr(text))


def test_the_signature_of_the_standard_s_own_example_comes_out() -> None:
    made = signing.headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', keys(REFERENCE)
    )
    assert made == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", "v1,zWFv6cfoekoDIKE8EQlWHWuzsdDYHjRJISNTyu4vjVk="),
        ('{"größe":"5 €"}', "v1,kYTfYhURVBTHpweTzlhWruF2HkcyGP+oihqzj+XwKfc="),
    ],
)
def test_empty_bodies_and_other_scripts_are_signed_byte_by_byte(body: str, expected: str) -> None:
    made = signing.headers(TASK, 1_900_000_000, body.encode(), keys(OTHER))
    assert made["webhook-signature"] == expected


def test_during_a_rotation_both_secrets_sign_in_their_order() -> None:
    made = signing.headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
        keys(f"{REFERENCE}, {OTHER}"),
    )
    assert made["webhook-signature"] == (
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1,4UIPy3K2WMNYQM0EeXCuSYzs2hqqDAzu9xYOgaU74pU="
    )


def test_without_a_secret_there_is_an_id_and_no_signature() -> None:
    assert signing.headers(TASK, 1_900_000_000, b"", keys("")) == {
        "webhook-id": TASK,
        "webhook-timestamp": "1900000000",
    }


def test_a_host_s_own_secret_replaces_the_common_one_for_it_alone() -> None:
    text = f"{REFERENCE},Hooks.Example.com={OTHER},[2606:4700::1]={OTHER},8.8.8.8={OTHER}"
    common = (base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),)
    own = (b"a secret of thirty-two bytes, ok",)
    assert keys(text) == common
    assert keys(text, "sub.hooks.example.com") == common
    assert keys(text, "hooks.example.com") == own
    assert keys(text, "2606:4700::1") == own
    assert keys(text, "8.8.8.8") == own
    assert keys(f"hooks.example.com={OTHER}") == ()


def test_the_signed_text_cannot_be_parted_in_two_ways() -> None:
    """Neither an id of ours nor a timestamp has the full stop that parts them from the body."""
    made = signing.headers(TASK, 1_900_000_000, b"1.2.3", keys(OTHER))
    content = f"{made['webhook-id']}.{made['webhook-timestamp']}.1.2.3"
    assert content.split(".", 2) == [TASK, "1900000000", "1.2.3"]
    digest = hmac.new(b"a secret of thirty-two bytes, ok", content.encode(), hashlib.sha256).digest()
    assert made["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"


WRONG = [
    "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2La LaSw",
    "whsec_hunter2hunter2hunter2hunter2ü",
    "whsec_",
    "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "https://a.example=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "10.0.0.0/8=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "a.example=MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "whsec_" + base64.b64encode(bytes(65)).decode(),
]


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_secret_stops_the_start_and_is_not_shown(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_SIGNING_SECRETS", f"{REFERENCE},{text}")
    with pytest.raises(config.ConfigurationError, match=r"HTTP_SIGNING_SECRETS: .*entry 2") as caught:
        config.load()
    shown = (
        repr(caught.value) + repr(caught.value.__cause__) + repr(caught.value.__context__.errors()[0]["msg"])
    )
    assert "MfKQ9r8G" not in shown
    assert "hunter2" not in shown


def test_secrets_are_shown_nowhere_that_the_configuration_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_SIGNING_SECRETS", REFERENCE)
    loaded = config.load()
    assert "MfKQ9r8G" not in repr(loaded) + str(loaded) + str(loaded.model_dump())
    assert signing.keys_for("example.com", loaded.http_signing_secrets)


def test_the_settings_of_requests_are_read_from_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_ALLOWED_HOSTS", "hooks.internal:8080, 10.0.0.0/8")
    monkeypatch.setenv("HTTP_ALLOWED_PORTS", "443, 8443")
    loaded = config.load()
    assert loaded.http_allowed_ports == (443, 8443)
    assert [outbound.opening(entry).port for entry in loaded.http_allowed_hosts] == [8080, None]


@pytest.mark.parametrize(
    ("name", "value"),
    [("HTTP_ALLOWED_PORTS", "0"), ("HTTP_ALLOWED_PORTS", "https"), ("HTTP_ALLOWED_HOSTS", "*")],
)
def test_a_wrong_list_stops_the_start(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(config.ConfigurationError, match=name):
        config.load()
