"""What variables that are addresses may hold, and that no error says what stood in them."""

import pytest

from scheduler_service import config

ADDRESSES = {
    "CELERY_BROKER_URL": "redis",
    "LIMITS_REDIS_URL": "redis",
    "DATABASE_URL": "postgres",
}
SPLIT = (
    "://:hunter/2@localhost:6379/0",
    "://:hunter#2@localhost:6379/0",
    "://:hunter?2@localhost:6379/0",
    "://me:12/hunter2@localhost/0",
    "://me:12#hunter2@localhost/0",
    "://me:12?hunter2@localhost/0",
    "://me:hunter2@localhost:hunter2/0",
    "://me:hunter2@[::1/0",
    "://localhost:99999/0",
)


@pytest.mark.parametrize("rest", SPLIT)
@pytest.mark.parametrize("name", ADDRESSES)
def test_a_password_that_splits_its_address_is_refused_and_not_shown(monkeypatch, name, rest):
    monkeypatch.setenv(name, ADDRESSES[name] + rest)
    with pytest.raises(config.ConfigurationError, match=rf"{name}: .*%2F") as caught:
        config.load()
    assert "hunter" not in str(caught.value)


def test_each_of_several_brokers_is_looked_at(monkeypatch):
    monkeypatch.setenv("CELERY_BROKER_URL", "amqp://u:p@one//;amqp://u:hunter/2@two//")
    with pytest.raises(config.ConfigurationError, match="CELERY_BROKER_URL"):
        config.load()


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("CELERY_BROKER_URL", "redis://:hunter%2F2%23@localhost:6379/0"),
        ("CELERY_BROKER_URL", "redis+socket:///run/a@b/broker.sock?virtual_host=1"),
        ("CELERY_BROKER_URL", "rediss://me:p@[::1]:6380/0?ssl_cert_reqs=required"),
        ("CELERY_BROKER_URL", "amqp://u:p@one:5672//;amqp://u:p@two//"),
        ("CELERY_BROKER_URL", "none"),
        ("LIMITS_REDIS_URL", "redis://me:p@ss@localhost"),
        ("DATABASE_URL", "sqlite:////var/lib/a@b#c/scheduler.sqlite3"),
        ("DATABASE_URL", "postgres:///scheduler?host=/run/postgresql"),
        ("DATABASE_URL", "postgres://me:p@db.example.com/scheduler?sslrootcert=/etc/ca@home.pem"),
    ],
)
def test_addresses_that_can_be_read_are_taken(monkeypatch, name, url):
    monkeypatch.setenv(name, url)
    assert getattr(config.load(), name.lower()) == url
