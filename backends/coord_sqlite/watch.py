"""The thread that notices changes: one for each store, started with the first watch.

Owns the polling. Decides nothing and reads one number per group. Every 20 ms it asks
`PRAGMA data_version`, which moves when anybody commits; only then it compares the revisions of the
watched groups, so that peers' heartbeats wake nobody. The same wait sleeps on the pidfds of live
peers, so that a crash is noticed at once (`test_a_killed_member_is_evicted_within_half_a_second`).
Errors are passing here: what could not be read now is compared at the next turn.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from coord.errors import StoreError
from coord_sqlite.access import Access
from coord_sqlite.link import Link
from coord_sqlite.peers import Peers

__all__ = ["SqliteWatch", "Watcher"]

POLL_S = 0.02
RETRY_AFTER = 25  # turns after an attempt to open the file that was refused
CHECKPOINT_EVERY = 250
CHECKPOINT_ABOVE_BYTES = 8 * 1024 * 1024


class SqliteWatch:
    """A subscription of one group. `wake` runs in the watching thread."""

    def __init__(self, group: str, wake: Callable[[], None], watcher: Watcher) -> None:
        self.group = group
        self._wake = wake
        self._watcher = watcher
        self._lock = threading.RLock()
        self._open = True

    def wake(self) -> None:
        """Called by the watching thread."""
        with self._lock:
            if self._open:
                self._wake()

    def close(self) -> None:
        """Stop waking; waits for a wake under way, at most the store's timeout. Idempotent."""
        self._watcher.remove(self)
        if self._lock.acquire(timeout=self._watcher.timeout_s):
            self._open = False
            self._lock.release()


class Watcher:
    """Wakes watches when their group has changed. Any thread adds and removes them."""

    def __init__(self, access: Access, peers: Peers) -> None:
        self.timeout_s = access.timeout_s
        self._access = access
        self._peers = peers
        self._lock = threading.Lock()
        self._watches: list[SqliteWatch] = []
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._link: Link | None = None
        self._version: int | None = None
        self._revisions: dict[str, int] = {}
        self._gone: frozenset[str] = frozenset()

    def add(self, group: str, wake: Callable[[], None]) -> SqliteWatch:
        """Subscribe; the first subscription starts the thread."""
        watch = SqliteWatch(group, wake, self)
        with self._lock:
            self._watches.append(watch)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="coord-sqlite-watch", daemon=True
                )
                self._thread.start()
        return watch

    def remove(self, watch: SqliteWatch) -> None:
        """Unsubscribe."""
        with self._lock, suppress(ValueError):
            self._watches.remove(watch)

    def close(self) -> None:
        """Stop the thread. Idempotent."""
        with self._lock:
            self._stopping = True
            self._watches.clear()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(self.timeout_s + 2 * POLL_S)

    def _run(self) -> None:
        turn = next_try = 0
        while not self._stopping:
            self._peers.wait(POLL_S)
            turn += 1
            try:
                if self._link is None and turn > next_try and self._access.exists:
                    next_try = turn + RETRY_AFTER
                    self._link = self._access.connect(durable=False)
                self._look(checkpoint=turn % CHECKPOINT_EVERY == 0)
            except StoreError:
                self._version = None  # compare again at the next turn
        if self._link is not None:
            self._link.close()

    def _look(self, *, checkpoint: bool) -> None:
        gone = self._peers.gone()
        anybody_gone = bool(gone - self._gone)
        self._gone = gone
        changed = self._changed_groups()
        for watch in self._current():
            if anybody_gone or watch.group in changed:
                _call(watch)
        if (
            checkpoint
            and self._link is not None
            and _size(self._link.path) > CHECKPOINT_ABOVE_BYTES
        ):
            self._link.checkpoint()

    def _changed_groups(self) -> set[str]:
        if self._link is None:
            return set()
        ((version,),) = self._link.read("PRAGMA data_version")
        if version == self._version:
            return set()
        revisions = dict(self._link.read("SELECT name, revision FROM groups"))
        before, self._revisions, self._version = self._revisions, revisions, version
        return {name for name in {**before, **revisions} if before.get(name) != revisions.get(name)}

    def _current(self) -> list[SqliteWatch]:
        with self._lock:
            return list(self._watches)


def _call(watch: SqliteWatch) -> None:
    """Wake one; an error of the caller's is shown as any thread's would be, and ends nothing."""
    try:
        watch.wake()
    except Exception:  # noqa: BLE001
        kind, error, trace = sys.exc_info()
        assert kind is not None  # noqa: S101  inside an except clause
        threading.excepthook(
            threading.ExceptHookArgs((kind, error, trace, threading.current_thread()))
        )


def _size(path: str) -> int:
    try:
        return Path(path + "-wal").stat().st_size
    except OSError:
        return 0
