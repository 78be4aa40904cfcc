"""Procrastinate: `python -m bench.peers.procrastinate_app <prepare|fill number>`; its own CLI runs the workers."""

import asyncio
import os
import sys

import procrastinate

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=os.environ["DATABASE_URL"]))
BATCH = 1000


@app.task(name="add")
async def add(x: int, y: int) -> int:
    """Adds two numbers."""
    return x + y


async def prepare() -> None:
    """Make the tables."""
    async with app.open_async():
        await app.schema_manager.apply_schema_async()


async def fill(number: str) -> None:
    """Defer in batches."""
    async with app.open_async():
        for begin in range(0, int(number), BATCH):
            some = range(begin, min(int(number), begin + BATCH))
            await add.batch_defer_async(*({"x": value, "y": 1} for value in some))


if __name__ == "__main__":
    asyncio.run({"prepare": prepare, "fill": fill}[sys.argv[1]](*sys.argv[2:]))
