"""A TCP proxy that misbehaves on request: in front of PostgreSQL, whose protocol it follows, and of the broker.

It runs in a thread of its own; its verbs may be called from any thread and take effect at once.
"""

import asyncio
import contextlib
import random
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.pgwire import Conversation
from tests.chaos.ports import LOOPBACK

CHUNK = 64 * 1024

Upstream = Callable[[], Coroutine[Any, Any, tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@dataclass
class Mood:
    """How the proxy behaves now."""

    delay: float = 0.0
    """Seconds that each piece of data waits."""
    is_refusing: bool = False
    """New connections are closed at once."""
    swallow: float = 0.0
    """Share of commits whose answer is swallowed: the client's connection is cut after the server has committed."""
    lose: float = 0.0
    """Share of commits that never reach the server: the client's connection is cut before."""
    flowing: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared: nothing moves, in either direction."""


@dataclass(eq=False)
class Link:
    """One client's connection and the one to the server that goes with it."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    conversation: Conversation | None

    def cut(self) -> None:
        """End both at once, as when a cable is pulled and plugged in again."""
        for writer in (self.client, self.server):
            writer.transport.abort()

    def half_close(self) -> None:
        """Tell the server that the client will say no more, and nobody else."""
        with contextlib.suppress(OSError, RuntimeError):
            self.server.write_eof()


class Proxy:
    """Listens on a free loopback port until `stop`."""

    def __init__(self, upstream: Upstream, *, speaks_postgres: bool, seed: str) -> None:
        self.port = 0
        self.swallowed = 0
        self.lost = 0
        self._upstream = upstream
        self._speaks_postgres = speaks_postgres
        self._draw = random.Random(seed)
        self._links: set[Link] = set()
        self._loop = asyncio.new_event_loop()
        self._mood = Mood()
        self._mood.flowing.set()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()
        if not self._listening.wait(10):
            raise RuntimeError("the proxy does not listen")

    # --- Verbs, for any thread

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def behave(self) -> None:
        """End all misbehaviour; connections that were cut stay cut."""
        self._set(delay=0.0, is_refusing=False, swallow=0.0, lose=0.0)
        self._loop.call_soon_threadsafe(self._mood.flowing.set)

    def delay(self, seconds: float) -> None:
        self._set(delay=seconds)

    def refuse(self) -> None:
        """Take no new connections, and cut those there are."""
        self._set(is_refusing=True)
        self.cut(1.0)

    def stall(self) -> None:
        """Let nothing through, and say so to nobody."""
        self._loop.call_soon_threadsafe(self._mood.flowing.clear)

    def swallow_commits(self, share: float) -> None:
        self._set(swallow=share)

    def lose_commits(self, share: float) -> None:
        self._set(lose=share)

    def cut(self, share: float) -> None:
        """Cut a share of the connections."""
        self._loop.call_soon_threadsafe(self._each, share, Link.cut)

    def half_close(self, share: float) -> None:
        self._loop.call_soon_threadsafe(self._each, share, Link.half_close)

    # --- In the loop

    def _set(self, **values: Any) -> None:
        self._loop.call_soon_threadsafe(lambda: self._mood.__dict__.update(values))

    def _each(self, share: float, act: Callable[[Link], None]) -> None:
        for link in list(self._links):
            if self._draw.random() < share:
                act(link)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, LOOPBACK, 0))
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        self._loop.run_forever()
        server.close()
        for link in self._links:
            link.cut()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        # Transports close their sockets one turn after they were aborted.
        self._loop.run_until_complete(asyncio.sleep(0.01))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mood.is_refusing:
            writer.transport.abort()
            return
        try:
            server_reader, server_writer = await self._upstream()
        except OSError:
            writer.transport.abort()
            return
        link = Link(writer, server_writer, Conversation() if self._speaks_postgres else None)
        self._links.add(link)
        try:
            await asyncio.gather(self._forth(reader, link), self._back(server_reader, link))
        except (OSError, RuntimeError, asyncio.IncompleteReadError):
            pass  # RuntimeError: asyncio's word for a write to a link that was half-closed
        finally:
            self._links.discard(link)
            link.cut()

    async def _passes(self) -> None:
        if self._mood.delay:
            await asyncio.sleep(self._mood.delay)
        await self._mood.flowing.wait()

    async def _forth(self, reader: asyncio.StreamReader, link: Link) -> None:
        while data := await reader.read(CHUNK):
            await self._passes()
            if link.conversation is not None and link.conversation.sent(data):
                if self._draw.random() < self._mood.lose:
                    self.lost += 1
                    link.cut()
                    return
                link.conversation.is_doomed = self._draw.random() < self._mood.swallow
            link.server.write(data)
            await link.server.drain()
        with contextlib.suppress(OSError, RuntimeError):
            link.server.write_eof()

    async def _back(self, reader: asyncio.StreamReader, link: Link) -> None:
        while data := await reader.read(CHUNK):
            if link.conversation is not None:
                is_answered = link.conversation.answered(data)
                if link.conversation.is_doomed:
                    if is_answered:
                        self.swallowed += 1
                        link.cut()
                        return
                    continue
            await self._passes()
            link.client.write(data)
            await link.client.drain()
        link.cut()
