"""The thread that hears changes: one for each watch.

Owns when to wake. ZooKeeper's watches fire once, so each is armed anew before the wake: whoever
reads after being woken reads after the arming, and what changes later fires it again. Two nodes are
watched: the bell, which everybody who changes something rings, and the names of the members, for
sessions that die ring nothing. Rules and their reasons:

- Wakes are `WINDOW_S` apart at least, longer in large groups, whose views cost more: a fleet that
  rebalances changes thousands of keys, and each member wakes once a window.
- After a lost connection kazoo drops all watches and tells them so: they are armed anew, and what
  was missed meanwhile is covered by a wake (`test_a_watch_goes_on_through_a_rolling_restart`).
- What cannot be armed now is tried again, more and more slowly, until the watch is closed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from kazoo.protocol.serialization import Exists, GetChildren

from coord.errors import CoordError
from coord_zookeeper.deadline import Deadline
from coord_zookeeper.group import Group
from coord_zookeeper.link import Link

__all__ = ["ZooKeeperWatch"]

WINDOW_S = 0.005
_WINDOW_PER_CLAIM_S = 5e-6
_AGAIN_S = 0.05
_AGAIN_MAX_S = 1.0
_SURE_S = 5.0  # a link that ended is replaced by another, of which armed watches hear nothing


class ZooKeeperWatch:
    """A subscription of one group. `wake` runs in its own thread."""

    def __init__(self, group: Group, wake: Callable[[], None], timeout_s: float) -> None:
        self._group = group
        self._wake = wake
        self._timeout_s = timeout_s
        self._lock = threading.RLock()
        self.open = True
        self._closing = threading.Event()
        self._fired = threading.Event()
        self._link: Link | None = None
        self._bell_armed = self._members_armed = False
        self._is_missing = False
        self._thread = threading.Thread(target=self._run, name="coord-zookeeper-watch", daemon=True)

    def start(self) -> None:
        """Arm it if ZooKeeper answers; otherwise its thread goes on trying."""
        self._arm()
        self._thread.start()

    def close(self) -> None:
        """Stop waking; waits for a wake under way, at most the store's timeout. Idempotent."""
        self._closing.set()
        self._fired.set()
        if self._lock.acquire(timeout=self._timeout_s):
            self.open = False
            self._lock.release()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(self._timeout_s)

    def _run(self) -> None:
        again_s = _AGAIN_S
        while True:
            fired = self._fired.wait(_SURE_S if self._armed else again_s)
            window_s = WINDOW_S + _WINDOW_PER_CLAIM_S * self._group.mirror.size
            if self._closing.wait(window_s if fired else 0):
                return
            if self._armed and not fired:
                continue
            self._fired.clear()
            armed = self._arm()
            again_s = _AGAIN_S if armed else min(2 * again_s, _AGAIN_MAX_S)
            if fired or armed:
                self._call()

    def _call(self) -> None:
        with self._lock:
            if self.open:
                self._wake()

    @property
    def _armed(self) -> bool:
        is_same = self._link is not None and not self._link.ended
        return is_same and self._bell_armed and self._members_armed

    def _arm(self) -> bool:
        """Arm what is not; whether all is."""
        layout = self._group.layout
        deadline = Deadline(self._timeout_s)
        try:
            link = self._group.link()
            if link is not self._link:
                self._link, self._bell_armed, self._members_armed = link, False, False
            bell: object = True
            if not self._bell_armed:
                self._bell_armed = True  # before the asking: it may fire before we are told
                bell = link.arm(Exists(layout.bell, self._bell_rang), deadline)
            if not self._members_armed:
                self._members_armed = self._is_missing = True  # before the asking, as above
                members = link.arm(GetChildren(layout.members, self._members_moved), deadline)
                if members is not None:
                    self._is_missing = False
                elif bell is not None:
                    self._members_armed = False
        except CoordError:
            self._bell_armed = self._members_armed = False
            return False
        return self._armed

    # ----------------------------------------------------------------------- in kazoo's threads

    def _bell_rang(self, _event: object) -> None:
        self._bell_armed = False
        if self._is_missing:  # the last of a new group's nodes is its bell
            self._members_armed = False
        self._fired.set()

    def _members_moved(self, _event: object) -> None:
        self._members_armed = False
        self._fired.set()
