"""Each member looks out for two others, so that somebody sees each heartbeat as it lands.

Owns who looks out for whom, and the thread that does. It notes what it sees and wakes nobody: the
core reads a view when somebody may be dead, and finds the moment there (`LiveMember.seen_at_s`).

- Sessions form a ring, ordered by the random part of their ids, so that neighbours have nothing in
  common: not the host, not the name after which a fleet is restarted one by one.
- Each looks out for the next two of the ring. So a dead member was seen by somebody who lives,
  unless both before it died with it; then ZooKeeper's own expiry ends it, somewhat later
  (`test_two_that_die_at_once_are_both_seen_by_a_third`).
- A watch on `sessions/<sid>` fires when a heartbeat has landed; the read that follows shows its
  number and leaves the next watch. One event and one small read a heartbeat, at one server,
  whatever the size of the group (`test_looking_out_costs_the_same_in_any_group`).
- After a lost connection kazoo drops all watches and tells them so: they are set anew, and what is
  seen then counts from then
  (`test_who_looks_out_through_a_broken_connection_goes_on_when_it_is_back`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from kazoo.protocol.serialization import GetData

from coord.errors import CoordError
from coord.model import View
from coord.sightings import Sightings
from coord_zookeeper.deadline import Deadline
from coord_zookeeper.layout import Layout
from coord_zookeeper.link import Link
from coord_zookeeper.nodes import session_seq

__all__ = ["LOOKS_FOR", "Lookout", "ring_after"]

LOOKS_FOR = 2
"""How many others each member looks out for."""

_AGAIN_S = 0.2
_SURE_S = 5.0  # a link that ended is replaced by another, of which watches hear nothing


def ring_after(own: str, sids: frozenset[str]) -> list[str]:
    """The other sessions, from the next one of the ring on."""
    ordered = sorted(sids - {own}, key=_place)
    at = sum(1 for sid in ordered if _place(sid) < _place(own))
    return ordered[at:] + ordered[:at]


def _place(sid: str) -> tuple[str, str]:
    return sid.rpartition("-")[2], sid


class _Target:
    """One session that is looked out for."""

    def __init__(self, moved: threading.Event) -> None:
        self.link: Link | None = None
        self.armed = self.gone = False
        self._moved = moved

    def fired(self, _event: object) -> None:
        """It has moved, is gone, or the connection is. In kazoo's thread."""
        self.armed = False
        self._moved.set()


class Lookout:
    """The looking out of one session, from the first view that shows another until `over`."""

    def __init__(
        self,
        sid: str,
        *,
        layout: Layout,
        link: Callable[[], Link],
        sightings: Sightings,
        over: threading.Event,
        timeout_s: float,
    ) -> None:
        self._sid = sid
        self._layout = layout
        self._link = link
        self._sightings = sightings
        self._over = over
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._shown: frozenset[str] = frozenset()
        self._ring: list[str] = []
        self._targets: dict[str, _Target] = {}
        self._moved = threading.Event()
        self._thread: threading.Thread | None = None

    def look(self, view: View) -> None:
        """Who lives now. Does not block."""
        if view.members.keys() == self._shown:
            return
        with self._lock:
            self._shown = frozenset(view.members)
            self._ring = ring_after(self._sid, self._shown)
            if self._thread is None and self._ring and not self._over.is_set():
                self._thread = threading.Thread(
                    target=self._run, name="coord-zookeeper-lookout", daemon=True
                )
                self._thread.start()
        self._moved.set()

    def end(self, deadline: Deadline) -> None:
        """Wait for its thread, once the session is over. Idempotent."""
        self._moved.set()
        with self._lock:
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(deadline.left_s())

    def _run(self) -> None:
        rest_s = 0.0
        while True:
            self._moved.wait(rest_s)
            self._moved.clear()
            if self._over.is_set():
                return
            try:
                self._keep_watch()
                rest_s = _SURE_S
            except CoordError:
                rest_s = _AGAIN_S

    def _keep_watch(self) -> None:
        """Set what watches are not, from the next neighbour on until enough of them are there."""
        link = self._link()
        looked: list[str] = []
        missing = LOOKS_FOR
        for sid in self._ring:
            looked.append(sid)
            one = self._targets.setdefault(sid, _Target(self._moved))
            if not one.gone and not (one.armed and one.link is link):
                self._read(sid, one, link)
            missing -= not one.gone
            if not missing:
                break
        self._targets = {sid: self._targets[sid] for sid in looked}

    def _read(self, sid: str, one: _Target, link: Link) -> None:
        """Read a session's number, and be told of the next."""
        one.link, one.armed = link, True  # before the asking: it may fire before we are told
        try:
            found = link.arm(
                GetData(self._layout.session(sid), one.fired), Deadline(self._timeout_s)
            )
        except CoordError:
            one.armed = False
            raise
        if isinstance(found, tuple):
            self._sightings.note(sid, session_seq(found[0]))
        else:
            one.gone = True
