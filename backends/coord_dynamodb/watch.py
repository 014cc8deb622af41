"""The thread that notices changes: one for each store, started with the first watch.

Owns when to look, and the small tidying that may be done in passing. Decides nothing. DynamoDB
pushes nothing, so the counters of members and roles are read every `poll_s`, at half the price of a
strong read; whatever changes raises one (`items.py`), and heartbeats raise none. The same reading
stamps the heartbeats, which wake nobody (`sightings.py`). Rules:

- From the beginning of a look to that of the next it is never more than `poll_s`, as long as the
  table answers well: how soon a dead member is followed rests on it. A look that takes long is
  followed by half of one all the same: a table that is slow must not be asked without a break.

- The first look at a group wakes its watches, since nobody knows what was before.
- Errors are passing here, whatever they are: what could not be read now is compared at the next
  look, and nothing ends the thread, since nobody would notice
  (`test_no_error_ends_the_watching`). While the table is throttled, looks are rarer.
- Tidying: logs that are of no use any more (`pen.py`), and claims of closed generations, a few at a
  time, by the member with the smallest session id alone.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from coord.errors import CoordError
from coord_dynamodb.group import Group
from coord_dynamodb.listing import Mark, glance
from coord_dynamodb.sightings import GroupSightings

__all__ = ["DynamoDBWatch", "Tidy", "Watcher"]

_RARER = 5.0
_SPREAD = 0.1

Tidy = Callable[[str], None]
"""What to do in passing for a group."""


class DynamoDBWatch:
    """A subscription of one group. `wake` runs in the watching thread."""

    def __init__(self, group: Group, wake: Callable[[], None], watcher: Watcher) -> None:
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
        if self._lock.acquire(timeout=self.group.link.timeout_s):
            self._open = False
            self._lock.release()


class _Seen(NamedTuple):
    watches: frozenset[DynamoDBWatch]  # not their ids, which Python gives away again
    mark: Mark


class Watcher:
    """Wakes watches when their group has changed. Any thread adds and removes them."""

    def __init__(self, poll_s: float, tidy: Tidy, sightings: GroupSightings) -> None:
        self.poll_s = poll_s
        self._tidy = tidy
        self._sightings = sightings
        self._lock = threading.Lock()
        self._watches: list[DynamoDBWatch] = []
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._seen: dict[str, _Seen] = {}

    def add(self, group: Group, wake: Callable[[], None]) -> DynamoDBWatch:
        """Subscribe; the first subscription starts the thread."""
        watch = DynamoDBWatch(group, wake, self)
        with self._lock:
            self._watches.append(watch)
            running = self._thread is not None and self._thread.is_alive()
            if not running and not self._stop.is_set():
                self._thread = threading.Thread(
                    target=self._run, name="coord-dynamodb-watch", daemon=True
                )
                self._thread.start()
        return watch

    def remove(self, watch: DynamoDBWatch) -> None:
        """Unsubscribe."""
        with self._lock, suppress(ValueError):
            self._watches.remove(watch)

    def stop(self) -> None:
        """Begin no further look, and wake nobody any more. Idempotent."""
        with self._lock:
            self._stop.set()
            self._watches.clear()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread, which has been stopped, to end. Nothing where it is the caller."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)

    def _run(self) -> None:
        pause_s = 0.0
        while not self._stop.wait(pause_s):
            began_s = time.monotonic()
            every_s = self.poll_s * random.uniform(1 - _SPREAD, 1)
            if not self._turn():
                every_s *= _RARER
            pause_s = max(every_s / 2, every_s - (time.monotonic() - began_s))

    def _turn(self) -> bool:
        """Look at each watched group once; False if the table has not answered well."""
        well = True
        with self._lock:
            watches = list(self._watches)
        for group in {watch.group.name: watch.group for watch in watches}.values():
            mine = [watch for watch in watches if watch.group.name == group.name]
            well = _passing(lambda: self._look(group, mine)) and well  # noqa: B023  called here
            _passing(lambda: self._tidy(group.name))  # noqa: B023
        return well

    def _look(self, group: Group, watches: list[DynamoDBWatch]) -> None:
        before = self._seen.get(group.name)
        mark, numbers = glance(group, group.link.deadline())
        self._sightings.shown(group.name, numbers)
        self._seen[group.name] = _Seen(frozenset(watches), mark)
        for watch in watches:
            if before is None or mark != before.mark or watch not in before.watches:
                _passing(watch.wake)


def _passing(step: Callable[[], None]) -> bool:
    """Do a step, and say whether it went well. An error ends nothing; one that is not of the table
    or the way to it is shown as any thread's would be.
    """
    try:
        step()
    except CoordError:
        return False
    except Exception:  # noqa: BLE001
        kind, error, trace = sys.exc_info()
        assert kind is not None  # noqa: S101  inside an except clause
        threading.excepthook(
            threading.ExceptHookArgs((kind, error, trace, threading.current_thread()))
        )
        return False
    return True
