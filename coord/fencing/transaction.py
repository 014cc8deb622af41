"""Begin, commit and roll back on any DB-API connection, whatever its autocommit mode.

Owns the differences between drivers in how a transaction starts and ends. Knows no fence.

DB-API connections begin by themselves before the first statement, unless they are in autocommit
mode: there every statement would commit alone, and a fence beside it would guard nothing. So in
autocommit mode begin, commit and rollback are sent as SQL (several drivers make their own
`commit()` do nothing there). sqlite3 has three modes; in the two older ones we send SQL as well,
which settles the lock (`BEGIN IMMEDIATE`) whatever `isolation_level` says. In its
`autocommit=False` mode a transaction is always open: what is pending in it becomes part of the
fenced one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from coord.errors import UsageError
from coord.fencing.dialects import SQLITE, Dialect

__all__ = ["Connection", "Cursor", "Transaction", "row_of"]


class Cursor(Protocol):
    """What we use of a DB-API cursor."""

    def execute(self, operation: str, parameters: Sequence[Any] = ..., /) -> object:
        """Run one statement."""
        ...

    def fetchone(self) -> object:
        """The next row, or None."""
        ...

    def close(self) -> object:
        """Let go of it."""
        ...


CursorT = TypeVar("CursorT", bound=Cursor)
CursorT_co = TypeVar("CursorT_co", bound=Cursor, covariant=True)


class Connection(Protocol[CursorT_co]):
    """What we use of a DB-API connection."""

    def cursor(self) -> CursorT_co:
        """A new cursor."""
        ...

    def commit(self) -> object:
        """End the transaction, keeping what it did."""
        ...

    def rollback(self) -> object:
        """End the transaction, dropping what it did."""
        ...


def row_of(cursor: Cursor) -> tuple[Any, ...] | None:
    """The next row as a tuple, whatever row factory the connection has."""
    row: Any = cursor.fetchone()
    if row is None:
        return None
    return tuple(row.values()) if isinstance(row, Mapping) else tuple(row)


class Transaction(Generic[CursorT]):
    """One connection's transactions. Used from the thread that uses the connection.

    `inside`: what serves a caller who has begun a transaction of his own, for an error's cure.
    """

    def __init__(
        self,
        connection: Connection[CursorT],
        dialect: Dialect,
        *,
        inside: str = "SqlFence.admit(cursor)",
    ) -> None:
        self._connection = connection
        self._dialect = dialect
        self._inside = inside
        self._sqlite = dialect.name == SQLITE.name
        self._by_sql = False

    def begin(self) -> CursorT:
        """Start a transaction.

        Raises UsageError, with nothing done, if one is open already as far as the driver tells:
        the commit at our end would make real what the caller had not finished.
        """
        self._by_sql = self._autocommits()
        standing = self._sqlite and not self._by_sql
        if not standing and _is_open(self._connection):
            raise UsageError(
                "the connection is inside a transaction already",
                cure=f"Commit or roll back first, or call {self._inside} inside a transaction of "
                "your own.",
            )
        cursor = self._connection.cursor()
        if self._by_sql:
            cursor.execute(self._dialect.begin)
        return cursor

    def commit(self) -> None:
        """End it, keeping what it did. Raises UsageError if the block has ended it before."""
        if self._sqlite and not _is_open(self._connection):
            raise UsageError(
                "the transaction ended inside the block, so part of the work may be unguarded",
                cure="Leave commit, rollback and executescript (which commits) out of the block.",
            )
        self._end("COMMIT", self._connection.commit)

    def rollback(self) -> None:
        """End it, dropping what it did. Nothing happens if none is open."""
        if self._sqlite and not _is_open(self._connection):
            return
        self._end("ROLLBACK", self._connection.rollback)

    def drop(self, cursor: CursorT, error: BaseException | None = None) -> None:
        """Roll back because of `error`, which a failing rollback (a dead link) must not hide."""
        try:
            self.rollback()
            cursor.close()
        except Exception as failure:
            if error is None:
                raise
            error.add_note(f"and the rollback failed: {failure!r}")

    def run(self, work: Callable[[CursorT], object]) -> None:
        """A short transaction of its own around `work`."""
        cursor = self.begin()
        try:
            work(cursor)
            self.commit()
        except BaseException as error:
            self.drop(cursor, error)
            raise
        cursor.close()

    def create(self, statement: str) -> None:
        """Run what creates a table. Twice if need be: in PostgreSQL two who create at once may
        collide, IF NOT EXISTS or not. The loser has waited for the winner's commit, so its second
        attempt finds the table.
        """
        try:
            self.run(lambda cursor: cursor.execute(statement))
        except Exception:  # noqa: BLE001 - each driver has errors of its own; a second time they pass
            self.run(lambda cursor: cursor.execute(statement))

    def _end(self, statement: str, method: Callable[[], object]) -> None:
        if not self._by_sql:
            method()
            return
        cursor = self._connection.cursor()
        try:
            cursor.execute(statement)
        finally:
            cursor.close()

    def _autocommits(self) -> bool:
        mode = getattr(self._connection, "autocommit", False)
        if self._sqlite:  # False: a transaction is always open; before Python 3.12: no such thing
            return mode is not False or not hasattr(self._connection, "autocommit")
        if callable(mode):  # pymysql, MySQLdb: `autocommit` is a setter
            asked = getattr(self._connection, "get_autocommit", None)
            return bool(asked()) if asked is not None else False
        return bool(mode)


_MYSQL_IN_TRANSACTION = 1
_POSTGRESQL_IDLE = 0


def _is_open(connection: object) -> bool:
    """Whether the driver says that a transaction is open; False where it cannot say."""
    in_transaction = getattr(connection, "in_transaction", None)
    if isinstance(in_transaction, bool):  # sqlite3, mysql.connector
        return in_transaction
    status = getattr(getattr(connection, "info", None), "transaction_status", None)
    if isinstance(status, int):  # psycopg, psycopg2
        return status != _POSTGRESQL_IDLE
    flags = getattr(connection, "server_status", None)
    if isinstance(flags, int):  # pymysql, mariadb
        return bool(flags & _MYSQL_IN_TRANSACTION)
    return False
