"""A store's own connection: one that is kept up by pings, made anew after refused credentials.

Owns which link is in use. Sends nothing.
"""

from __future__ import annotations

import threading

from coord.clock import Clock
from coord_zookeeper.deadline import Deadline
from coord_zookeeper.link import Link
from coord_zookeeper.url import Target

__all__ = ["Connector"]

_OWN_TTL_S = 4.0
_OWN_TTL_TIMEOUTS = 10


class Connector:
    """The way to the servers for all that is no heartbeat. Any thread."""

    def __init__(self, target: Target, *, clock: Clock, timeout_s: float) -> None:
        self._target = target
        self._clock = clock
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._link = self._make()
        self._closed = False

    def link(self) -> Link:
        """The connection; another one after refused credentials. Raises once it is closed."""
        with self._lock:
            ended = self._link if self._link.ended and not self._closed else None
            if ended is not None:
                self._link = self._make()
            link = self._link
        if ended is not None:
            ended.close(Deadline(self._timeout_s), farewell=False)
        link.check()
        return link

    def close(self) -> None:
        """Close it, and end its session. Idempotent."""
        with self._lock:
            self._closed = True
            link = self._link
        link.close(Deadline(self._timeout_s), farewell=True)

    def _make(self) -> Link:
        return Link(
            self._target,
            clock=self._clock,
            ttl_s=max(_OWN_TTL_S, _OWN_TTL_TIMEOUTS * self._timeout_s),
            timeout_s=self._timeout_s,
            pings=True,
        )
