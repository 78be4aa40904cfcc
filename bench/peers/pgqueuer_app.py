"""pgqueuer: `python -m bench.peers.pgqueuer_app <prepare|fill number|work>`."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from pgqueuer import AsyncpgDriver, Job, PgQueuer, Queries, run

BATCH = 1000


@asynccontextmanager
async def make() -> AsyncIterator[PgQueuer]:
    """What `pgq run` would be given."""
    manager = PgQueuer.from_asyncpg_connection(await asyncpg.connect(os.environ["DATABASE_URL"]))

    @manager.entrypoint("add")
    async def add(job: Job) -> None:
        x, y = json.loads(job.payload)
        _ = x + y

    yield manager


async def prepare() -> None:
    """Make the tables."""
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    await Queries(AsyncpgDriver(connection)).install()
    await connection.close()


async def fill(number: str) -> None:
    """Add in batches."""
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    queries = Queries(AsyncpgDriver(connection))
    for begin in range(0, int(number), BATCH):
        some = [json.dumps([value, 1]).encode() for value in range(begin, min(int(number), begin + BATCH))]
        await queries.enqueue(["add"] * len(some), some, [0] * len(some))
    await connection.close()


async def work() -> None:
    """A worker process, as `pgq run` makes it."""
    await run(make, batch_size=100)


if __name__ == "__main__":
    asyncio.run({"prepare": prepare, "fill": fill, "work": work}[sys.argv[1]](*sys.argv[2:]))
