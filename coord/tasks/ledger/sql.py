"""`SqlOnce`: an effect in a SQL database that is there once, with the record of it.

Owns the table and the order of steps. Transactions and dialects are `coord.fencing`'s. Knows no
clock, no lease and no store: where effect and record are one transaction, nothing needs any.
Whoever is second waits for the first at the row of the key, and finds it done, or undone and free.

Step by step, in one transaction:

1. Insert a row for the key with a random run id, unless there is one. A rival's insert that is not
   committed makes us wait here.
2. Read the row. It bears our run: nobody has done it. Another: it was done, and committed.
3. Do the work on the same cursor. Write its result into the row. Commit.

A crash before the commit leaves neither row nor effect; after it, both
(`tests/integration/sqlite/test_once.py` ends a process between any two steps).
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Generic, NamedTuple

from coord.errors import ConfigError, InternalError, PayloadMismatch, UsageError
from coord.fencing.dialects import (
    MYSQL,
    POSTGRESQL,
    SQLITE,
    Dialect,
    checked_table,
    dialect_named,
    dialect_of,
)
from coord.fencing.transaction import Connection, Cursor, CursorT, Transaction, row_of
from coord.tasks.payloads import digest, result_text
from coord.tasks.spi import checked_key

__all__ = ["SqlOnce"]

_TABLE = "coord_once"
_NOTHING = "null"
_INSIDE = "SqlOnce.run_in(cursor, …)"


class _Types(NamedTuple):
    """How a dialect writes what others write otherwise. Keys are compared byte by byte."""

    key: str
    text: str
    unless_there: str


_TYPES = {
    SQLITE.name: _Types("TEXT", "TEXT", "ON CONFLICT (work) DO NOTHING"),
    POSTGRESQL.name: _Types("VARCHAR(512)", "TEXT", "ON CONFLICT (work) DO NOTHING"),
    MYSQL.name: _Types("VARBINARY(512)", "LONGTEXT", "ON DUPLICATE KEY UPDATE run = run"),
}


class _Row(NamedTuple):
    run: str
    payload: str
    result: str | None


class _Statements(NamedTuple):
    create: str
    insert: str  # key, run, payload, at
    read: str  # key → run, payload, result; locks the row
    claim: str  # run, payload, key: of a row that was left without a result
    finish: str  # result, key, run
    sweep: str  # at


class SqlOnce(Generic[CursorT]):
    """Work on a SQL database, done once for each key, with its result.

        once = SqlOnce(connection)
        result = once.run("invoice/17", charge, payload={"amount": 3})   # charge(cursor)

    Guarantees: what `charge` does through the cursor it is given takes effect exactly once for a
    key, however often, by however many, and however broken off it is called; its result (JSON) is
    the same for all. Works with sqlite3 and with DB-API connections to PostgreSQL and MySQL, as
    `SqlFence` does, and in any thread that may use the connection, one call at a time.

    What it does not do: effects outside of this transaction (files, calls to services, other
    databases) are not part of it. A statement that commits by itself ends its protection. A leader
    that was replaced is not refused: for that, call `SqlFence.admit` in the work as well.

    Costs three statements beside the work's. The table is made on first use in SQLite and
    PostgreSQL; MySQL cannot undo DDL: call `create_table` there beforehand. Rows stay until `sweep`
    removes them.
    """

    def __init__(
        self,
        connection: Connection[CursorT],
        *,
        dialect: str | Dialect | None = None,
        table: str = _TABLE,
    ) -> None:
        self._dialect = dialect_of(connection, dialect, user="SqlOnce")
        self._table = table
        self._sql = _statements(self._dialect, table)
        self._transaction = Transaction(connection, self._dialect, inside=_INSIDE)

    @staticmethod
    def ddl(dialect: str | Dialect, *, table: str = _TABLE) -> str:
        """The statement that creates the table, for migrations. Runs nothing."""
        return _statements(dialect_named(dialect), table).create

    @staticmethod
    def create_table(
        connection: Connection[Any], *, dialect: str | Dialect | None = None, table: str = _TABLE
    ) -> None:
        """Create the table unless it exists, in a transaction of its own. Safe to repeat.

        Raises UsageError inside an open transaction, and the driver's errors (missing rights).
        """
        found = dialect_of(connection, dialect, user="SqlOnce")
        transaction = Transaction(connection, found, inside=_INSIDE)
        transaction.create(_statements(found, table).create)

    def run(
        self,
        key: str,
        fn: Callable[[CursorT], object],
        *,
        payload: object = None,
    ) -> Any:  # noqa: ANN401  whatever JSON holds
        """Call `fn(cursor)` in a transaction unless it was done under `key`; its result.

        Raises, with nothing done: PayloadMismatch (the key was used for another payload),
        ConfigError and UsageError (a key, a result that is no JSON, a connection inside a
        transaction), what `fn` raises, and the driver's errors. After an error of the commit itself
        the outcome is unknown, as always with SQL: call it again, and it is told or done.
        """
        try:
            return self._attempt(key, fn, payload)
        except Exception as error:
            if not self._dialect.is_missing_table(error):
                raise
            self._create(error)
        return self._attempt(key, fn, payload)

    def run_in(
        self, cursor: CursorT, key: str, fn: Callable[[CursorT], object], *, payload: object = None
    ) -> Any:  # noqa: ANN401  whatever JSON holds
        """The same in a transaction that the caller began and will end.

        Call it before the first read under snapshot isolation. After an error the caller rolls
        back; what is committed all the same counts as not done.
        """
        return json.loads(self._step(cursor, key, fn, payload))

    def sweep(self, older_than_s: float) -> None:
        """Forget what was done longer ago than that, by the wall clocks of those who did it."""
        limit = int(_wall_s() - older_than_s)
        self._transaction.run(lambda cursor: cursor.execute(self._sql.sweep, (limit,)))

    def _attempt(self, key: str, fn: Callable[[CursorT], object], payload: object) -> Any:  # noqa: ANN401
        cursor = self._transaction.begin()
        try:
            text = self._step(cursor, key, fn, payload)
            self._transaction.commit()
        except BaseException as error:
            self._transaction.drop(cursor, error)
            raise
        cursor.close()
        return json.loads(text)

    def _step(
        self, cursor: CursorT, key: str, fn: Callable[[CursorT], object], payload: object
    ) -> str:
        """What `run` does inside the transaction; the result as it is stored."""
        named, run = digest(payload), secrets.token_hex(16)
        cursor.execute(self._sql.insert, (checked_key(key), run, named, int(_wall_s())))
        found = self._read(cursor, key)
        if found.run != run and found.result is None:
            cursor.execute(self._sql.claim, (run, named, key))
            found = self._read(cursor, key)
        if found.run != run:
            if named and found.payload and named != found.payload:
                raise PayloadMismatch(
                    f"{key!r} was done for another payload; nothing was done",
                    cure="Put what differs into the key, or send the same payload.",
                )
            return found.result or _NOTHING
        text = result_text(key, fn(cursor))
        cursor.execute(self._sql.finish, (text, key, run))
        return text

    def _read(self, cursor: Cursor, key: str) -> _Row:
        cursor.execute(self._sql.read, (key,))
        row = row_of(cursor)
        if row is None:
            raise InternalError(
                f"table {self._table} does not keep the row of {key!r}: nothing was done",
                cure="Its rows must not be deleted by triggers.",
            )
        return _Row(*row)

    def _create(self, missing: BaseException) -> None:
        cure = UsageError(
            f"there is no table {self._table} in this database; nothing was done",
            cure="Create it once, as a user who may: SqlOnce.create_table(connection), or the "
            f"statement of SqlOnce.ddl({self._dialect.name!r}).",
        )
        if not self._dialect.creates_table:
            raise cure from missing
        try:
            self._transaction.create(self._sql.create)
        except Exception as failure:
            raise cure from failure


@lru_cache(maxsize=64)
def _statements(dialect: Dialect, table: str) -> _Statements:
    name, types = checked_table(table, "ledger"), _TYPES.get(dialect.name)
    if types is None:
        raise ConfigError(
            f"SqlOnce does not speak {dialect.name}", cure=f"It speaks {', '.join(_TYPES)}."
        )
    found = _Statements(
        create=f"CREATE TABLE IF NOT EXISTS {name} (work {types.key} NOT NULL PRIMARY KEY, "
        f"run VARCHAR(32) NOT NULL, payload VARCHAR(64) NOT NULL, result {types.text}, "
        f"at BIGINT NOT NULL){dialect.table_options}",
        insert=f"INSERT INTO {name} (work, run, payload, at) "  # noqa: S608  a checked name
        f"VALUES (?, ?, ?, ?) {types.unless_there}",
        read=f"SELECT run, payload, result FROM {name} WHERE work = ?{dialect.share}",  # noqa: S608
        claim=f"UPDATE {name} SET run = ?, payload = ? "  # noqa: S608
        "WHERE work = ? AND result IS NULL",
        finish=f"UPDATE {name} SET result = ? WHERE work = ? AND run = ?",  # noqa: S608
        sweep=f"DELETE FROM {name} WHERE at < ?",  # noqa: S608
    )
    return _Statements(*(text.replace("?", dialect.placeholder) for text in found))


def _wall_s() -> float:
    return time.time()  # noqa: TID251  for people, and for what is swept; decides nothing else
