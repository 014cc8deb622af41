"""The register of a fence table: read, compared and moved through a cursor that somebody else owns.

Owns the steps from what the register shows to what it should show. Begins and ends no transaction;
the order of transactions is `coord.fencing.sql`'s.
"""

from __future__ import annotations

from coord.errors import InternalError
from coord.fencing.dialects import Dialect
from coord.fencing.guard import Fenceable, Stamp, Verdict, checked_stamp, judge, refusal
from coord.fencing.transaction import Cursor, row_of

__all__ = ["LOOKS", "Register"]

LOOKS = 6
"""No table, no row, an older token, ours: four looks at most, unless somebody deletes rows."""

_GATE = -1  # the shard and the seat of a role's gate row


class Register:
    """One term's view of one fence table."""

    def __init__(self, term: Fenceable, dialect: Dialect, table: str) -> None:
        self._key = term.key
        self._stamp = checked_stamp(term)
        self._dialect = dialect
        self._table = table
        self._sql = dialect.statements(table)

    def look(self, cursor: Cursor) -> Verdict:
        """Read our row, locking it: ADMIT, ADVANCE or OPEN. Raises Fenced for a newer stamp."""
        seen = self._read(cursor, self._key.shard, self._key.seat)
        return self._judged(seen, newest=seen)

    def prepare(self, verdict: Verdict, cursor: Cursor) -> None:
        """Move the register one step towards our stamp. Repeating a step changes nothing."""
        role, generation, shard, seat = self._key
        token = self._stamp.token
        if verdict is Verdict.ADVANCE:
            cursor.execute(self._sql.advance, (token, role, shard, seat, generation, token))
            return
        # The gate first: who adds a scope, or closes the older ones, must do so one at a time.
        cursor.execute(self._sql.ensure, (role, _GATE, _GATE, 0))
        gate = self._read(cursor, _GATE, _GATE)
        self._judged(None, newest=gate)
        if gate is None or gate.generation < generation:
            cursor.execute(self._sql.raise_role, (generation, role, generation))
        cursor.execute(self._sql.ensure, (role, shard, seat, generation))

    def settle(self, cursor: Cursor) -> None:
        """Look, and move the register here and now, until it shows our stamp. Raises Fenced."""
        if not self._dialect.prepares_apart:
            self._take_write_lock(cursor)
        for _ in range(LOOKS):
            verdict = self.look(cursor)
            if verdict is Verdict.ADMIT:
                return
            self.prepare(verdict, cursor)
        raise self.restless()

    def is_missing(self, error: BaseException) -> bool:
        """Whether this error of a driver means that the table does not exist."""
        return isinstance(error, Exception) and self._dialect.is_missing_table(error)

    def restless(self) -> InternalError:
        """The error for a register that does not keep what is written to it."""
        return InternalError(
            f"fence table {self._table} does not keep the stamp of {self._key}: nothing written",
            cure="Its rows must never be deleted or changed by hand, triggers or clean-up jobs.",
        )

    def _take_write_lock(self, cursor: Cursor) -> None:
        """SQLite: a transaction that compares first and takes the write lock later is too late."""
        try:
            cursor.execute(self._sql.touch)
        except Exception as error:
            if not self.is_missing(error):
                raise
            cursor.execute(self._sql.create)

    def _judged(self, seen: Stamp | None, *, newest: Stamp | None) -> Verdict:
        verdict = judge(self._stamp, seen=seen, generation=newest.generation if newest else 0)
        if verdict.refused and newest is not None:
            raise refusal(self._key, self._stamp, verdict, newest, by=f"fence table {self._table}")
        return verdict

    def _read(self, cursor: Cursor, shard: int, seat: int) -> Stamp | None:
        cursor.execute(self._sql.read, (self._key.role, shard, seat))
        row = row_of(cursor)
        return Stamp(int(row[0]), int(row[1])) if row else None
