"""The floor: the least that PostgreSQL has to do, by pgbench with two clients."""

import re

from bench.contest import Values
from bench.servers import DATABASE, USER
from bench.stage import Stage

SIZE = 200_000
BATCH = 100
TABLE = """
CREATE TABLE floor_task (id bigint PRIMARY KEY, status text NOT NULL, result text) WITH (fillfactor = 70);
CREATE INDEX floor_claim ON floor_task (id) WHERE status = 'PENDING'
"""
SCRIPT = f"""\
BEGIN;
WITH chosen AS MATERIALIZED (
    SELECT id FROM floor_task WHERE status = 'PENDING' ORDER BY id LIMIT {BATCH} FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE floor_task SET status = 'STARTED' FROM chosen WHERE floor_task.id = chosen.id RETURNING floor_task.id
)
SELECT quote_literal(coalesce(array_agg(id), '{{}}')::text) AS ids FROM claimed \\gset
UPDATE floor_task SET status = 'SUCCESS', result = '3' WHERE id = ANY(:ids::bigint[]);
COMMIT;
"""


def measure(stage: Stage, scale: float) -> Values:
    """Claim and finish a hundred rows per commit."""
    rounds = max(2, int(SIZE * scale) // BATCH // 2)
    stage.fresh("empty", lambda _: None)
    with stage.postgres.session() as cursor:
        cursor.execute(TABLE)
        rows = f"SELECT n, 'PENDING' FROM generate_series(1, {rounds * 2 * BATCH}) n"
        cursor.execute(f"INSERT INTO floor_task (id, status) {rows}")
    stage.postgres.settle()
    script = stage.folder / "floor.sql"
    script.write_text(SCRIPT)
    where = ("-h", "127.0.0.1", "-p", str(stage.postgres.port), "-U", USER, DATABASE)
    pgbench = str(stage.postgres.bin / "pgbench")
    said = stage.run(pgbench, "-n", "-c", "2", "-j", "2", "-t", str(rounds), "-f", str(script), *where)
    found = re.search(r"tps = ([0-9.]+) \(without", said)
    if found is None:
        raise RuntimeError(f"pgbench said no rate: {said[-500:]}")
    return {"tasks/s": float(found[1]) * BATCH}
