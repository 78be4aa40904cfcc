"""The rate of a key as one process counts it. Pure but for the clock, which is given."""

import pytest

from access_app import limits
from access_app.limits import Own
from scheduler_service import config


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def admitted(own: Own, rate: float, tries: int, name: str = "key") -> int:
    return sum(own.wait(name, rate) == 0 for _ in range(tries))


@pytest.mark.parametrize(("rate", "burst"), [(100, 100), (7, 7), (1, 1), (0.25, 1), (2.5, 2)])
def test_a_seconds_worth_may_come_at_once_but_at_least_one_request(
    rate: float, burst: int, clock: Clock
) -> None:
    assert admitted(Own(clock), rate, 300) == burst


@pytest.mark.parametrize("rate", [50, 3, 0.5])
def test_in_the_long_run_the_rate_holds(rate: float, clock: Clock) -> None:
    own, passed = Own(clock), 0
    for _ in range(2000):
        clock.now += 0.01
        passed += own.wait("key", rate) == 0
    assert passed <= limits.burst_of(rate) + rate * 20
    assert passed >= rate * 20 * 0.99


def test_who_waits_as_long_as_is_said_comes_through_and_no_sooner(clock: Clock) -> None:
    own = Own(clock)
    assert admitted(own, 10, 11) == 10
    wait = own.wait("key", 10)
    assert wait == pytest.approx(0.1)
    clock.now += wait * 0.9
    assert own.wait("key", 10) > 0
    clock.now += wait * 0.11
    assert own.wait("key", 10) == 0


def test_what_is_refused_does_not_count(clock: Clock) -> None:
    own = Own(clock)
    assert admitted(own, 5, 1000) == 5
    clock.now += 1
    assert admitted(own, 5, 1000) == 5


def test_each_key_has_a_number_of_its_own(clock: Clock) -> None:
    own = Own(clock)
    assert [admitted(own, 5, 10, name) for name in ("one", "other")] == [5, 5]


def test_numbers_that_say_nothing_any_more_are_forgotten(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MOST_KEPT", 100)
    own = Own(clock)
    for number in range(1000):
        clock.now += 1
        own.wait(str(number), 1)
    assert len(own._due) <= 100


@pytest.mark.parametrize(
    ("own", "broker", "expected"),
    [
        ("", "redis://one/0", "redis://one/0"),
        ("", "rediss://one/0", "rediss://one/0"),
        ("", "redis+socket:///tmp/one", "redis+socket:///tmp/one"),
        ("", "amqp://one", ""),
        ("", "memory://", ""),
        ("redis://two/1", "amqp://one", "redis://two/1"),
        ("redis://two/1", "redis://one/0", "redis://two/1"),
    ],
)
def test_the_numbers_lie_in_the_broker_unless_another_redis_is_named(
    own: str, broker: str, expected: str, settings: object
) -> None:
    settings.CONFIG = settings.CONFIG.model_copy(update={"limits_redis_url": own})  # type: ignore[attr-defined]
    settings.CELERY_BROKER_URL = broker  # type: ignore[attr-defined]
    assert limits.redis_url() == expected


@pytest.mark.parametrize(
    ("broker", "place"),
    [
        ("redis://one:1/3?visibility_timeout=5", {"host": "one", "port": 1, "db": 3}),
        ("redis://one:1/0;redis://two:2/0", {"host": "one", "port": 1, "db": 0}),
        ("redis+socket:///tmp/one?virtual_host=2", {"path": "/tmp/one", "db": 2}),
        ("rediss://one/0?ssl_cert_reqs=CERT_NONE", {"host": "one", "ssl_cert_reqs": "none"}),
    ],
)
def test_a_brokers_url_means_the_same_place_here(broker: str, place: dict[str, object]) -> None:
    pool = limits._client(broker).connection_pool
    pool.make_connection()
    assert pool.connection_kwargs.items() >= place.items()


@pytest.mark.parametrize("url", ["redis://one:port/0", "redis://127.0.0.1:1/0", "nothing"])
def test_a_redis_that_cannot_be_asked_stops_no_request(url: str, clock: Clock) -> None:
    shared = limits.Shared(url, clock)
    assert [shared.wait("key", 2) > 0 for _ in range(4)] == [False, False, True, True]


def test_without_redis_a_process_has_its_share_of_the_rate(
    settings: object, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    settings.CELERY_BROKER_URL = "amqp://one"  # type: ignore[attr-defined]
    settings.CONFIG = settings.CONFIG.model_copy(update={"web_workers": 4})  # type: ignore[attr-defined]
    monkeypatch.setattr(limits, "_own", Own(clock))
    assert sum(limits.wait("key", 100) == 0 for _ in range(200)) == 25


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KEY_REQUESTS_PER_SECOND", "0.0001"),
        ("KEY_REQUESTS_PER_SECOND", "-1"),
        ("KEY_REQUESTS_PER_SECOND", "inf"),
        ("KEY_REQUESTS_PER_SECOND", "nan"),
        ("KEY_WAITING_TASKS", "-1"),
        ("LIMITS_REDIS_URL", "amqp://one"),
        ("WEB_WORKERS", "0"),
        ("API_KEYS_REQUIRED", "perhaps"),
        ("EXTRA_APPS", "reports_app_that_is_nowhere"),
        ("EXTRA_APPS", ".reports_app"),
    ],
)
def test_a_setting_that_cannot_hold_stops_the_start(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(config.ConfigurationError, match=name):
        config.load()


@pytest.mark.parametrize(("text", "value"), [("", None), ("true", True), ("false", False), ("0", False)])
def test_whether_keys_are_required_is_left_open_or_said(
    text: str, value: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEYS_REQUIRED", text)
    assert config.load().api_keys_required is value
