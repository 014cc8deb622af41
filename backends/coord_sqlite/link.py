"""One connection: its lock, its retries, its transactions, its timeout.

Owns how a request reaches the file. Knows no table. Rules and their reasons:

- `busy_timeout` is 0 and the waiting is ours, 0.5 to 2 ms with jitter: SQLite's own busy handler
  backs off to 100 ms and starves a heartbeat behind two busy writers for seconds
  (`test_heartbeats_stay_bounded_while_two_writers_hammer_the_file`).
- A write is BEGIN IMMEDIATE, the work, COMMIT. Whatever fails before COMMIT is sent is certainly
  not applied. COMMIT answered by "busy" is not applied either; any other answer to it is unknown.
- Work that changed nothing is rolled back: no fsync, and nobody is woken.
- `durable` connections sync the log at every commit (synchronous=FULL). Tokens and role records
  must not go back after a power loss, since resources outside have seen them. Heartbeats need no
  such thing: a power loss ends every process that sent one, and a session whose row went back
  is watched for a ttl by whoever comes after, as any of another boot id. The sync costs a claim
  some 0.3 ms on the machine the figures in docs/performance.md come from.
- A connection is never used by a forked child: SQLite's locks belong to the parent.
- The database file is never opened by anything but SQLite: closing any other descriptor of it
  would drop all of this process's locks on it (POSIX says so), silently.
"""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar
from urllib.parse import quote

from coord.clock import SYSTEM_CLOCK
from coord.errors import Certainty, ForkedProcess, StoreError, StoreRefused, StoreUnavailable
from coord_sqlite.failures import is_busy, translated
from coord_sqlite.locks import write_lock_holder

__all__ = ["FileId", "Link"]

T = TypeVar("T")

FileId = tuple[int, int]
"""Device and number: what a path leads to."""

RETRY_MIN_S = 0.0005
RETRY_MAX_S = 0.002
RIVALS_REMEMBERED_S = 0.1
# The log is carried over into the database every so many pages; heartbeats leave it to the others
# and step in only when nobody else does, because it means waiting for the disk twice.
CHECKPOINT_PAGES = 1000
CHECKPOINT_PAGES_LAZY = 8000


class Link:
    """A connection to the file at `path`, for one request at a time; any thread.

    Every method takes at most `timeout_s` of system time (plus what the disk takes), whatever
    clock the store decides expiry on. Raises `StoreUnavailable`, `StoreRefused`, `ForkedProcess`.
    `file`: which file the path must lead to, where another connection has seen it already.
    """

    def __init__(
        self, path: str, *, timeout_s: float, durable: bool, file: FileId | None = None
    ) -> None:
        self.path = path
        self.timeout_s = timeout_s
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._open = True
        self._wrote_at_s = 0.0
        self._busy_at_s = -RIVALS_REMEMBERED_S
        self.file = file or _identity(path)
        self._check_file()
        self._connection = self._connect()
        try:
            self._attempts(lambda connection: self._set_up(connection, durable=durable))
            self._check_file()
        except BaseException:
            self.close()
            raise

    def _connect(self) -> sqlite3.Connection:
        try:
            return sqlite3.connect(
                f"file:{quote(self.path)}?mode=rw",
                uri=True,
                timeout=0,
                isolation_level=None,
                check_same_thread=False,
            )
        except sqlite3.Error as error:
            raise translated(error, self.path, Certainty.NOT_APPLIED) from error

    def _set_up(self, connection: sqlite3.Connection, *, durable: bool) -> None:
        (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode != "wal":
            raise StoreRefused(
                f"{self.path} cannot use a write-ahead log (its journal mode stays {mode!r})",
                cure="Put the file on a local filesystem with shared memory maps.",
            )
        connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        pages = CHECKPOINT_PAGES if durable else CHECKPOINT_PAGES_LAZY
        connection.execute(f"PRAGMA wal_autocheckpoint={pages}")

    # ------------------------------------------------------------------------------ requests

    def read(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """All rows of one statement, which is a snapshot by itself."""
        with self._mine() as deadline_s:
            return self._attempts(
                lambda connection: connection.execute(sql, parameters).fetchall(), deadline_s
            )

    def snapshot(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Let `work` read one snapshot with several statements. It may run more than once."""

        def attempt(connection: sqlite3.Connection) -> T:
            connection.execute("BEGIN")
            try:
                return work(connection)
            finally:
                _roll_back(connection)

        with self._mine() as deadline_s:
            return self._attempts(attempt, deadline_s)

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Let `work` read and change the file in one transaction. It may run more than once."""

        def attempt(connection: sqlite3.Connection) -> T:
            connection.execute("BEGIN IMMEDIATE")
            before = connection.total_changes
            try:
                result = work(connection)
                if connection.total_changes != before:
                    self._commit(connection)
                return result
            finally:
                _roll_back(connection)

        with self._mine() as deadline_s:
            self._give_way()
            try:
                return self._attempts(attempt, deadline_s)
            finally:
                self._wrote_at_s = SYSTEM_CLOCK.now()

    def update(self, sql: str, parameters: tuple[Any, ...]) -> int:
        """Run one changing statement as a transaction of its own; the number of rows changed."""
        with self._mine() as deadline_s:
            return self._attempts(
                lambda connection: connection.execute(sql, parameters).rowcount,
                deadline_s,
                certainty=Certainty.UNKNOWN,
            )

    def checkpoint(self) -> None:
        """Carry the log over into the database, as far as readers allow; waits for nobody."""
        with self._mine() as deadline_s:
            self._attempts(
                lambda connection: connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall(),
                deadline_s,
            )

    @property
    def is_open(self) -> bool:
        """Whether nobody has closed it yet."""
        return self._open

    def close(self) -> None:
        """Close the connection, after the request that is under way if any. Idempotent."""
        self._open = False
        if os.getpid() == self._pid and self._lock.acquire(timeout=self.timeout_s):
            try:
                self._connection.close()
            finally:
                self._lock.release()

    # ------------------------------------------------------------------------------ machinery

    @contextmanager
    def _mine(self) -> Iterator[float]:
        """Hold the connection; gives the deadline on the system's clock."""
        if os.getpid() != self._pid:
            raise ForkedProcess(
                f"a connection to {self.path} was opened by process {self._pid} and used in its "
                f"forked child {os.getpid()}",
                cure="Open a store of its own in the child, after the fork.",
            )
        deadline_s = SYSTEM_CLOCK.now() + self.timeout_s
        if not self._lock.acquire(timeout=self.timeout_s):
            raise StoreUnavailable(
                f"another thread's request to {self.path} took longer than {self.timeout_s:g} s",
                cure="Raise the timeout, or look for a stalled disk.",
                certainty=Certainty.NOT_APPLIED,
            )
        try:
            self._check_file()
            yield deadline_s
        finally:
            self._lock.release()

    def _check_file(self) -> None:
        """Refuse to go on with a file that has no name any more.

        Whoever opens the path next makes a new file there and starts with token 1, while we would
        go on renewing in the old one (`test_a_deleted_file_ends_what_rests_on_it`).
        """
        if _identity(self.path) != self.file:
            raise StoreRefused(
                f"{self.path} was removed or replaced while in use",
                cure="Restart all members that use it. Never delete it under them: tokens start "
                "anew, and fenced resources would refuse them.",
            )

    def _give_way(self) -> None:
        """Where writers compete, leave a gap after our last write that every waiter looks into.

        Nobody queues for SQLite's lock: whoever asks at the right moment has it, and a writer that
        asks again at once would shut out the heartbeats of others. A lone writer need not pause.
        """
        now_s = SYSTEM_CLOCK.now()
        if now_s < self._busy_at_s + RIVALS_REMEMBERED_S:
            time.sleep(max(0.0, self._wrote_at_s + RETRY_MAX_S - now_s))

    def _attempts(
        self,
        attempt: Callable[[sqlite3.Connection], T],
        deadline_s: float | None = None,
        *,
        certainty: Certainty = Certainty.NOT_APPLIED,
    ) -> T:
        """Repeat what a lock refused until it succeeds or the time is up."""
        if deadline_s is None:
            deadline_s = SYSTEM_CLOCK.now() + self.timeout_s
        while True:
            try:
                return attempt(self._connection)
            except sqlite3.Error as error:
                if not is_busy(error):
                    raise translated(error, self.path, certainty) from error
                self._busy_at_s = SYSTEM_CLOCK.now()
                if self._busy_at_s >= deadline_s:
                    raise self._still_busy() from error
            time.sleep(random.uniform(RETRY_MIN_S, RETRY_MAX_S))

    def _still_busy(self) -> StoreError:
        holder = write_lock_holder(self.path)
        return StoreUnavailable(
            f"{self.path} stayed locked for {self.timeout_s:g} s"
            + (f" by {holder}" if holder else ""),
            cure=holder.cure if holder else "Try again; `coord doctor` says who holds it.",
            certainty=Certainty.NOT_APPLIED,
        )

    def _commit(self, connection: sqlite3.Connection) -> None:
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if is_busy(error):
                raise
            raise translated(error, self.path, Certainty.UNKNOWN) from error


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        with suppress(sqlite3.Error):  # the cause is on its way to the caller already
            connection.execute("ROLLBACK")


def _identity(path: str) -> FileId | None:
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return found.st_dev, found.st_ino
