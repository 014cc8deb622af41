"""What the same writes cost through `sqlite3` alone: claim all shards, then move half of them.

One table with the key, token, holder, note and revision of a claim and an index by key; the same
journal, the same durability, the same number of rows a transaction as the store's `batch_size`.
"""

import json
import sqlite3
import sys
import time

INSERT = "INSERT INTO claims VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
FREE = "UPDATE claims SET session=NULL, note=?, rev=? WHERE shard=? AND session=? AND token=?"
TAKE = (
    "UPDATE claims SET session=?, token=?, note=?, rev=? "
    "WHERE shard=? AND session IS NULL AND token=?"
)
NOTE = '{"m":"first","c":0}'


def connected(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    return connection


def in_batches(
    connection: sqlite3.Connection, statement: str, rows: list[tuple[object, ...]], batch: int
) -> None:
    for start in range(0, len(rows), batch):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(statement, rows[start : start + batch])
        connection.execute("COMMIT")


def main(path: str, shards: int, batch: int) -> None:
    connection = connected(path)
    connection.execute(
        "CREATE TABLE claims (role INTEGER, generation INTEGER, shard INTEGER, seat INTEGER, "
        "token INTEGER, session TEXT, note TEXT, rev INTEGER)"
    )
    connection.execute("CREATE UNIQUE INDEX by_key ON claims (shard, role, generation, seat)")
    connection.execute("CREATE INDEX by_rev ON claims (rev)")
    began = time.monotonic()
    rows = [(1, 1, shard, 0, shard + 1, "first", NOTE, 1) for shard in range(shards)]
    in_batches(connection, INSERT, list(rows), batch)
    claimed = time.monotonic() - began
    half = range(shards // 2, shards)
    began = time.monotonic()
    in_batches(connection, FREE, [(NOTE, 2, s, "first", s + 1) for s in half], batch)
    in_batches(connection, TAKE, [("second", shards + s, NOTE, 3, s, s + 1) for s in half], batch)
    moved = time.monotonic() - began
    assert connection.execute("SELECT count(*) FROM claims WHERE session='second'").fetchone() == (
        len(half),
    )
    sys.stdout.write(json.dumps({"claimed": claimed, "rebalanced": moved}))


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
