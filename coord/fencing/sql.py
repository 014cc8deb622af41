"""`SqlFence`: acts on a SQL database that a superseded leader cannot slip into.

Owns the order of steps of a fenced transaction. The comparison is `coord.fencing.guard`'s, the SQL
is `coord.fencing.dialects`'s. Knows no session, no store and no clock: `term.check()` knows the
time.

A fenced transaction, step by step:

1. `term.check()`. Begin. Read our row of the register, locking it. If it shows exactly our
   generation and token, go on at 4. This is the whole cost of every act but the first of a tenure.
2. It shows a newer stamp: roll back, raise `Fenced`.
3. It shows an older stamp, or there is none: move the register, look again (from 1). In PostgreSQL
   and MySQL that happens in a short transaction of its own, so that its locks (on the gate, when a
   generation begins) are never held while user code runs: a leader that is stopped in its
   transaction delays its own shard's successor, and nobody else.
4. `term.check()` again: waiting for the lock may have taken long. Hand out the cursor.
5. `term.check()`, commit. That check only narrows the window. What makes it safe is the lock of
   step 1: the successor's step 3 must change that row, so it waits for our commit or makes us wait
   for its.
"""

from __future__ import annotations

from functools import partial
from types import TracebackType
from typing import Any, Generic

from coord.errors import UsageError
from coord.fencing.dialects import Dialect, dialect_named, dialect_of
from coord.fencing.guard import Fenceable, Verdict
from coord.fencing.register import LOOKS, Register
from coord.fencing.transaction import Connection, Cursor, CursorT, Transaction

__all__ = ["SqlFence"]


class SqlFence(Generic[CursorT]):
    """One transaction on a DB-API connection, refused if a newer leader has acted before.

        with SqlFence(term, connection) as cursor:
            cursor.execute("DELETE FROM session WHERE expires_at < ?", (limit,))

    What it does not do:

    - Seats of one shard are not fenced against each other: co-leaders act side by side.
    - What is outside this transaction is not protected: files, other databases, calls to services.
    - A statement that commits by itself (MySQL's DDL, sqlite3's `executescript`) leaves the guard's
      protection at that point.
    - Until the successor's first act reaches this table, a superseded leader that still passes
      `term.check()` is admitted; nothing newer has been written that it could harm.
    - Under snapshot isolation (REPEATABLE READ and above) `admit` in a transaction that has read
      before does not renew the snapshot. The `with` form begins its own and has no such trouble.

    What it does: in the same transaction as the work it compares this term's generation and token
    with the register (`table`), and holds that row until the end. Once a newer token of the same
    (role, shard, seat), or a newer generation of the role, has acted, nothing older is written.

    It begins the transaction, commits it when the block ends, and rolls it back when the block
    raises. It costs one SELECT by primary key per transaction (SQLite: and an UPDATE of no row);
    the first act of a tenure costs one or two short transactions more. Acts of different shards do
    not wait for each other, except in SQLite, which has one writer at a time. The register has one
    row a seat and one a role.

    Use it in the thread that may use the connection, one block at a time. `dialect` ("sqlite",
    "postgresql", "mysql" or a `Dialect`) is needed only for wrapped connections. The table is made
    on first use in SQLite and PostgreSQL; MySQL cannot undo DDL: call `create_table` there
    beforehand.

    It raises, and nothing is written:

    - `Fenced`: somebody newer has acted.
    - `LeadershipLost`: `term.check()` refused, before the work or just before the commit.
    - `ConfigError`, `UsageError`: a name, the table, the connection or its state is unfit. One
      exception: if the block itself ended the transaction, the text says so.
    - The driver's own errors, as they come. After an error of the commit itself the outcome is
      unknown, as always with SQL.
    """

    def __init__(
        self,
        term: Fenceable,
        connection: Connection[CursorT],
        *,
        dialect: str | Dialect | None = None,
        table: str = "coord_fence",
    ) -> None:
        self._term = term
        self._dialect = dialect_of(connection, dialect)
        self._table = table
        self._register = Register(term, self._dialect, table)
        self._transaction = Transaction(connection, self._dialect)
        self._cursor: CursorT | None = None

    @staticmethod
    def ddl(dialect: str | Dialect, *, table: str = "coord_fence") -> str:
        """The statement that creates the register, for migrations. Runs nothing."""
        return dialect_named(dialect).statements(table).create

    @staticmethod
    def create_table(
        connection: Connection[Any],
        *,
        dialect: str | Dialect | None = None,
        table: str = "coord_fence",
    ) -> None:
        """Create the register unless it exists, in a transaction of its own. Safe to repeat.

        Raises UsageError inside an open transaction, and the driver's errors (missing rights).
        """
        found = dialect_of(connection, dialect)
        Transaction(connection, found).create(found.statements(table).create)

    def __enter__(self) -> CursorT:
        """Begin, compare, hand out a cursor. If this raises, no transaction is left open."""
        if self._cursor is not None:
            raise UsageError("this SqlFence is in use", cure="Make one for each transaction.")
        self._term.check()
        for _ in range(LOOKS):
            cursor = self._transaction.begin()
            try:
                verdict = self._compare(cursor)
                if verdict is Verdict.ADMIT:
                    self._term.check()
                    self._cursor = cursor
                    return cursor
            except BaseException as error:
                self._transaction.drop(cursor, error)
                if not self._register.is_missing(error):
                    raise
                self._create_on_first_use(error)
                continue
            self._transaction.drop(cursor)
            self._transaction.run(partial(self._register.prepare, verdict))
        raise self._register.restless()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Commit if the block ended well and the term still stands; roll back otherwise."""
        cursor, self._cursor = self._cursor, None
        if cursor is None:
            raise UsageError("this SqlFence was not entered", cure="Use it in a with statement.")
        if error is not None:
            self._transaction.drop(cursor, error)
            return
        try:
            self._term.check()
            self._transaction.commit()
        except BaseException as failure:
            self._transaction.drop(cursor, failure)
            raise
        cursor.close()

    def admit(self, cursor: Cursor) -> None:
        """Make the same comparison inside a transaction that the caller began and will end.

        For frameworks that own their transactions, and for acts of several terms in one: call it
        before the first write, always in the same order of terms. Its locks (on the first act of
        a generation, the role's gate among them) are held until that transaction ends. Check
        the term again before committing. Raises as the class says; the caller rolls back.
        """
        self._term.check()
        try:
            self._register.settle(cursor)
        except Exception as error:
            if self._register.is_missing(error):
                raise self._no_table() from error
            raise
        self._term.check()

    def _compare(self, cursor: Cursor) -> Verdict:
        if self._dialect.prepares_apart:
            return self._register.look(cursor)
        self._register.settle(cursor)
        return Verdict.ADMIT

    def _create_on_first_use(self, missing: BaseException) -> None:
        if not self._dialect.creates_table:
            raise self._no_table() from missing
        try:
            self._transaction.create(self._dialect.statements(self._table).create)
        except Exception as failure:
            raise self._no_table() from failure

    def _no_table(self) -> UsageError:
        return UsageError(
            f"there is no fence table {self._table} in this database; nothing was written",
            cure="Create it once, as a user who may: SqlFence.create_table(connection), or the "
            f"statement of SqlFence.ddl({self._dialect.name!r}).",
        )
