"""A live member's session: the one UPDATE that renews it, and what hangs on it.

Owns the session's id and its own connection for heartbeats. The rules of claiming are in
`claims`, those of living and dying in `life`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import TypeVar

from coord.clock import Clock
from coord.errors import SessionLost, UsageError
from coord.model import MemberRecord
from coord.spi import Claimed, ClaimRequest, Held, Proof, Tenure
from coord_sqlite import claims, life
from coord_sqlite.link import Link

__all__ = ["BATCH_SIZE", "SqliteSession"]

T = TypeVar("T")

# How many rows one transaction may change: it holds up the heartbeats of all other members, some
# 5 ms for so many rows.
BATCH_SIZE = 1000

_RENEW = "UPDATE sessions SET seq=seq+1, expires_at_s=max(expires_at_s, ?), beacon=? WHERE id=?"


class SqliteSession:
    """Implements `coord.spi.Session`. `heartbeat` has a connection of its own, so it waits for
    no other request of this process; all other methods share the store's.
    """

    def __init__(
        self, *, pulse: Link, writer: Link, clock: Clock, session: str, gid: int, opened: Proof
    ) -> None:
        self._pulse = pulse
        self._writer = writer
        self._clock = clock
        self._id = session
        self._gid = gid
        self._opened = opened
        self._over = False

    @property
    def id(self) -> str:
        """Random, never reused."""
        return self._id

    @property
    def ttl_s(self) -> float:
        """The granted ttl."""
        return self._opened.ttl_s

    @property
    def opened(self) -> Proof:
        """The proof that opening gave."""
        return self._opened

    @property
    def lives(self) -> bool:
        """Whether it may still renew: neither lost nor asked to close."""
        return self._pulse.is_open

    def heartbeat(self, beacon: bytes) -> Proof:
        """Renew, and publish `beacon`: one statement, whatever the session holds.

        Raises `SessionLost` (not applied) once the session is over, `StoreUnavailable` (not
        applied when the file stayed locked, unknown when the disk failed) and `StoreRefused`.
        """
        self._check()
        sent_at_s = self._clock.now()
        if not self._pulse.update(_RENEW, (sent_at_s + self.ttl_s, beacon, self._id)):
            self._end()
            raise life.lost(self._id)
        return Proof(sent_at_s=sent_at_s, ttl_s=self.ttl_s)

    def claim(self, requests: Sequence[ClaimRequest]) -> list[Claimed | Held]:
        """Try to take each key: one transaction, each key by itself."""
        batch = _batch(requests)
        return self._write(lambda connection: claims.claim(connection, self._gid, self._id, batch))

    def release(self, tenures: Sequence[Tenure]) -> None:
        """Let go of each tenure that is still ours under its token."""
        batch = _batch(tenures)
        self._write(lambda connection: claims.release(connection, self._gid, self._id, batch))

    def amend(self, tenures: Sequence[Tenure]) -> None:
        """Replace the note of each tenure that is still ours under its token."""
        batch = _batch(tenures)
        self._write(lambda connection: claims.amend(connection, self._gid, self._id, batch))

    def update(self, record: MemberRecord) -> None:
        """Replace this member's record."""
        self._write(lambda connection: life.update(connection, self._gid, self._id, record))

    def close(self) -> None:
        """End the session; what it held becomes free, unclean. Idempotent.

        Whatever the answer, no heartbeat follows. After an error `close` may be called again.
        """
        self._pulse.close()
        if not self._over:
            self._writer.write(lambda connection: life.end(connection, self._gid, self._id))
            self._over = True

    def abandon(self) -> None:
        """Let go of the connection, and leave the session to expire."""
        self._pulse.close()

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Let `work` change what is ours, if the session still lives: one transaction for both."""
        self._check()

        def guarded(connection: sqlite3.Connection) -> T:
            life.alive(connection, self._id)
            return work(connection)

        try:
            return self._writer.write(guarded)
        except SessionLost:
            self._end()
            raise

    def _check(self) -> None:
        if self._over:
            raise life.lost(self._id)

    def _end(self) -> None:
        self._over = True
        self._pulse.close()


def _batch(items: Sequence[T]) -> tuple[T, ...]:
    if len(items) > BATCH_SIZE:
        raise UsageError(
            f"a batch of {len(items)}", cure=f"Send at most {BATCH_SIZE} keys a request."
        )
    return tuple(items)
