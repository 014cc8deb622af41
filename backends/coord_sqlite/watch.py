"""The thread that notices changes: one for each store, started with the first watch.

Owns when to look. Decides nothing and reads one number per group. When the log was written to, it
asks `PRAGMA data_version`, which moves when anybody has committed, and only then it compares the
revisions of the watched groups, so that peers' heartbeats wake nobody. The same wait ends when the
process of a live peer exits, so that a crash is noticed at once
(`test_a_killed_member_is_evicted_within_half_a_second`). Rules and their reasons:

- A commit shows some time after its write was heard: after its sync. So a look that finds nothing
  is repeated, and one that finds something too, since the next commit may be on its way.
- Looks are 20 ms apart at least while others write without a pause.
- Whatever is heard, it looks every quarter of a second; every 20 ms where nothing can be heard.
- Errors are passing here: what could not be read now is compared at the next look.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from coord.clock import SYSTEM_CLOCK
from coord.errors import StoreError
from coord_sqlite.access import Access
from coord_sqlite.bell import Bell
from coord_sqlite.link import Link
from coord_sqlite.peers import Peers

__all__ = ["SqliteWatch", "Watcher"]

POLL_S = 0.02
SURE_S = 0.25
SETTLE_S = 0.002
AFTER_NOTHING_S = (0.005, POLL_S, POLL_S)
AFTER_NEWS_S = (POLL_S,)
REOPEN_S = 0.5
CHECKPOINT_EVERY_S = 5.0
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
        self._exits = 0
        self._bell: Bell | None = None
        self._looked_at_s = 0.0
        self._try_at_s = 0.0
        self._checkpoint_at_s = 0.0

    def add(self, group: str, wake: Callable[[], None]) -> SqliteWatch:
        """Subscribe; the first subscription starts the thread."""
        watch = SqliteWatch(group, wake, self)
        with self._lock:
            self._watches.append(watch)
            if self._thread is None:
                self._bell = Bell(self._peers.fileno())
                self._thread = threading.Thread(
                    target=self._run, args=[self._bell], name="coord-sqlite-watch", daemon=True
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
            thread, bell = self._thread, self._bell
        if bell is not None:
            bell.ring()
        if thread is not None and thread is not threading.current_thread():
            thread.join(self.timeout_s + SURE_S)

    def _run(self, bell: Bell) -> None:
        pauses_s: tuple[float, ...] = ()
        try:
            while not self._stopping:
                idle_s = SURE_S if bell.hears_log else POLL_S
                if bell.wait(pauses_s[0] if pauses_s else idle_s):
                    self._settle()
                    pauses_s = AFTER_NOTHING_S
                else:
                    pauses_s = pauses_s[1:]
                if self._turn(bell):
                    pauses_s = AFTER_NEWS_S
        finally:
            bell.close()
            if self._link is not None:
                self._link.close()

    def _settle(self) -> None:
        """Let the commit that was heard get through, and do not look too often."""
        time.sleep(max(SETTLE_S, self._looked_at_s + POLL_S - SYSTEM_CLOCK.now()))

    def _turn(self, bell: Bell) -> bool:
        """Look once, and wake who has to know; whether anybody has committed."""
        self._looked_at_s = SYSTEM_CLOCK.now()
        self._peers.gone()
        version = self._version
        changed: set[str] = set()
        try:
            self._open(bell)
            changed = self._changed_groups()
            self._checkpoint()
        except StoreError:
            self._version = None  # compare again at the next look
        self._wake(changed)
        return self._version != version

    def _open(self, bell: Bell) -> None:
        if self._link is None and self._looked_at_s >= self._try_at_s and self._access.exists:
            self._try_at_s = self._looked_at_s + REOPEN_S
            self._link = self._access.connect(durable=False)
            bell.listen(self._link.path + "-wal")

    def _wake(self, changed: set[str]) -> None:
        exits, self._exits = self._exits, self._peers.exits
        anybody_gone = exits != self._exits
        if changed or anybody_gone:
            for watch in self._current():
                if anybody_gone or watch.group in changed:
                    _call(watch)

    def _changed_groups(self) -> set[str]:
        if self._link is None:
            return set()
        ((version,),) = self._link.read("PRAGMA data_version")
        if version == self._version:
            return set()
        revisions = dict(self._link.read("SELECT name, revision FROM groups"))
        before, self._revisions, self._version = self._revisions, revisions, version
        return {name for name in {**before, **revisions} if before.get(name) != revisions.get(name)}

    def _checkpoint(self) -> None:
        """Keep the log of a file that sees nothing but heartbeats from growing for ever."""
        if self._link is None or self._looked_at_s < self._checkpoint_at_s:
            return
        self._checkpoint_at_s = self._looked_at_s + CHECKPOINT_EVERY_S
        if _size(self._link.path + "-wal") > CHECKPOINT_ABOVE_BYTES:
            self._link.checkpoint()

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
        return Path(path).stat().st_size
    except OSError:
        return 0
