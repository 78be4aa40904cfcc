"""The kinds of values that variables of the environment have, each with its check.

A check raises ValueError with what would do; `config.load` names the variable.
"""

import importlib.util
import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from scheduler_service import outbound

QUEUE_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
REDIS_SCHEMES = ("redis://", "rediss://", "redis+socket://")
BROKER_SCHEMES = (*REDIS_SCHEMES, "amqp://", "amqps://")


def _split(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _are_queues(value: tuple[str, ...]) -> tuple[str, ...]:
    for name in value:
        if not re.match(QUEUE_NAME, name) or name == "scheduler":
            raise ValueError(f"{name!r} is not a queue name; use letters, digits, '_', '.', '-'")
    return value


def _are_packages(value: tuple[str, ...]) -> tuple[str, ...]:
    for name in value:
        if importlib.util.find_spec(name.partition(".")[0]) is None:
            raise ValueError(f"there is no package {name!r}; put it next to manage.py, or install it")
    return value


def _are_openings(value: tuple[str, ...]) -> tuple[str, ...]:
    for entry in value:
        outbound.opening(entry)
    return value


def _are_secrets(value: SecretStr) -> SecretStr:
    outbound.secrets(value.get_secret_value())
    return value


def _is_level(value: str) -> str:
    if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
        raise ValueError("use DEBUG, INFO, WARNING, ERROR or CRITICAL")
    return value.upper()


def _is_split(url: str) -> bool:
    """Whether a character that ends the part with the password stands in that itself."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return True
    behind = parts.path + parts.fragment + ("" if parts.path else parts.query)
    return bool(parts.netloc) and "@" not in parts.netloc and "@" in behind


def _check_whole(url: str) -> None:
    # A library's error would quote what it took for the port: some of the password, where nothing can redact it.
    if _is_split(url):
        raise ValueError("its port cannot be read; write / # ? @ of a password as %2F %23 %3F %40")


def _is_broker(value: str) -> str:
    if value not in {"", "none"} and not value.startswith(BROKER_SCHEMES):
        raise ValueError(f"say none, or start it with one of {', '.join(BROKER_SCHEMES)}")
    for url in value.split(";"):
        _check_whole(url)
    return value


def _is_rate(value: float) -> float:
    if 0 < value < 0.001:
        raise ValueError("use 0, which is no limit, or a number from 0.001")
    return value


def _is_redis(value: str) -> str:
    if value and not value.startswith(REDIS_SCHEMES):
        raise ValueError("start it with redis://, rediss:// or redis+socket://")
    _check_whole(value)
    return value


def _is_database(value: str) -> str:
    if value and not re.match(r"^(postgres|postgresql|sqlite)://", value):
        raise ValueError("start it with postgres:// or sqlite://")
    _check_whole(value)
    return value


CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
QueueNames = Annotated[CommaSeparated, AfterValidator(_are_queues)]
Packages = Annotated[CommaSeparated, AfterValidator(_are_packages)]
Openings = Annotated[CommaSeparated, AfterValidator(_are_openings)]
Ports = Annotated[tuple[Annotated[int, Field(ge=1, le=65_535)], ...], NoDecode, BeforeValidator(_split)]
SigningSecrets = Annotated[SecretStr, AfterValidator(_are_secrets)]
LogLevel = Annotated[str, AfterValidator(_is_level)]
BrokerUrl = Annotated[str, AfterValidator(_is_broker)]
RedisUrl = Annotated[str, AfterValidator(_is_redis)]
DatabaseUrl = Annotated[str, AfterValidator(_is_database)]
Rate = Annotated[float, AfterValidator(_is_rate)]
