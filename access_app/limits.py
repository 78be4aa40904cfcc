"""How many requests a second a key may send: the generic cell rate algorithm (GCRA), over all web processes.

A key's state is one number: when its next request is due if it sends evenly. A request may come up to a second's worth
before that, and each one moves it on by 1/rate. The number lies in Redis, read and moved on there in one round trip,
by Redis' clock. Where there is no Redis, each process has its own, for its share of the rate.

A limit must never stop the service: where Redis does not answer in time, the process goes by its own numbers for a
while, for the whole rate: rather too much for a while than right requests refused.
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.retry import Retry

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 0.1
"""How long Redis is waited for, at each of connecting, sending and reading."""
PAUSE_SECONDS = 5.0
"""How long it is left alone after it did not answer."""
MOST_KEPT = 10_000
"""Keys that a process has numbers of, where it goes by its own."""

LOWEST_RATE = 0.001
"""The least number of requests per second that a key can be held to. What is far below has no finite wait."""

# Microseconds: as a double, a number of them is exact for the next 285 years.
_SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local interval, tolerance = tonumber(ARGV[1]), tonumber(ARGV[2])
local due = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + interval
local wait = due - now - tolerance
if wait > 0 then return math.ceil(wait) end
redis.call('SET', KEYS[1], string.format('%.0f', due), 'PX', math.ceil((due - now) / 1000) + 1)
return 0
"""


def is_rate(requests_per_second: float) -> bool:
    """Whether a key can be held to this rate; 0 is no limit."""
    return requests_per_second == 0 or LOWEST_RATE <= requests_per_second < math.inf


def burst_of(rate: float) -> float:
    """How many requests may come at once: a second's worth, but at least one."""
    return max(rate, 1.0)


class Own:
    """The numbers of this process, for one clock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due: dict[str, float] = {}
        self._lock = threading.Lock()

    def wait(self, name: str, rate: float) -> float:
        """Seconds until a request may come; 0: this one may, and counts."""
        now = self._clock()
        with self._lock:
            if len(self._due) >= MOST_KEPT:
                self._due = {kept: due for kept, due in self._due.items() if due > now}
            due = max(self._due.get(name, now), now) + 1 / rate
            wait = due - now - burst_of(rate) / rate
            # As in Redis, which counts microseconds: sums of fractions must not refuse the last one of a burst.
            if wait > 1e-6:
                return wait
            self._due[name] = due
            return 0.0


class Shared:
    """The numbers in Redis, which all web processes share; while it is away, those of this process."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._script: Script | None = None
        self._clock, self._own, self._silent_until = clock, Own(clock), -math.inf

    def wait(self, name: str, rate: float) -> float:
        """As `Own.wait`. Never raises, and takes a fraction of a second at most."""
        if self._clock() < self._silent_until:
            return self._own.wait(name, rate)
        try:
            interval = 1_000_000 / rate
            arguments = [interval, burst_of(rate) * interval]
            # Made here, since a URL that this client cannot read must not stop the service either.
            self._script = self._script or _client(self._url).register_script(_SCRIPT)
            microseconds: Any = self._script(keys=[f"scheduler-service:rate:{name}"], args=arguments)
            return int(microseconds) / 1_000_000
        except Exception as error:  # redis-py has options of a URL that raise TypeError, and others
            self._silent_until = self._clock() + PAUSE_SECONDS
            logger.warning(
                "Redis does not answer, so each web process counts requests by itself for %g s: %s",
                PAUSE_SECONDS,
                error,
            )
            return self._own.wait(name, rate)


def _client(url: str) -> Redis:
    # Without a retry: each would wait once more.
    times = {"socket_timeout": ANSWER_SECONDS, "socket_connect_timeout": ANSWER_SECONDS}
    return Redis.from_url(_spelled(url), **times, retry=Retry(NoBackoff(), 0), retry_on_error=[])


def _spelled(url: str) -> str:
    """A broker's URL as redis-py reads it: of several the first one, and of kombu's options those that say where."""
    place, _, query = url.partition(";")[0].replace("redis+socket://", "unix://", 1).partition("?")
    given = dict(parse_qsl(query))
    kept = {name: value for name, value in given.items() if name == "db" or name.startswith("ssl_")}
    if number := given.get("virtual_host", "").strip("/"):
        kept["db"] = number
    if needed := kept.get("ssl_cert_reqs"):
        kept["ssl_cert_reqs"] = needed.lower().removeprefix("cert_")
    return f"{place}?{urlencode(kept)}" if kept else place


def redis_url() -> str:
    """Where the numbers lie that processes share; empty: nowhere."""
    if settings.CONFIG.limits_redis_url:
        return str(settings.CONFIG.limits_redis_url)
    broker = str(settings.CELERY_BROKER_URL)
    return broker if broker.startswith(("redis", "rediss")) else ""


@lru_cache(maxsize=4)
def _shared(url: str) -> Shared:
    return Shared(url)


_own = Own()


def wait(name: str, rate: float) -> float:
    """Seconds until this key may send again; 0: it may now, and the request counts."""
    url = redis_url()
    if url:
        return _shared(url).wait(name, rate)
    # A share of a low rate is no whole request a second; what is refused here by bad luck may be sent again.
    return _own.wait(name, rate / settings.CONFIG.web_workers)
