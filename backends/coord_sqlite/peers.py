"""The processes behind live sessions, watched through pidfds.

Owns the descriptors. Knows no database. What the kernel proves here lets a successor take over
within milliseconds of a crash, without waiting for the ttl; what it cannot prove is left to time.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterable

from coord_sqlite.place import Fate, Process, open_process

__all__ = ["Peers"]


class Peers:
    """Which sessions' processes are provably gone. Any thread."""

    def __init__(self, here: Process) -> None:
        self._here = here
        self._lock = threading.Lock()
        self._tracked: dict[str, dict[str, Process]] = {}
        self._sessions: dict[int, str] = {}  # by pidfd
        self._gone: set[str] = set()
        self.exits = 0
        """How many processes were found gone so far: compare it to notice news."""
        # Elsewhere than on Linux there is no proof of death, and nothing to wait for.
        self._exits = select.epoll() if hasattr(select, "epoll") else None

    def track(self, group: str, sessions: dict[str, Process]) -> None:
        """Watch the processes of exactly these sessions of a group from now on."""
        with self._lock:
            before = self._tracked.get(group, {})
            if before.keys() == sessions.keys():
                return
            self._tracked[group] = sessions
            self._forget(before.keys() - sessions.keys())
            for session in sessions.keys() - before.keys():
                self._begin(session, sessions[session])

    def gone(self) -> frozenset[str]:
        """The tracked sessions whose process is provably gone by now."""
        with self._lock:
            if self._exits is not None and not self._exits.closed:
                for descriptor, _ in self._exits.poll(0.0):
                    self._gone.add(self._sessions.pop(descriptor))
                    os.close(descriptor)
                    self.exits += 1
            return frozenset(self._gone)

    def fileno(self) -> int:
        """A descriptor that is readable while `gone` has news; -1 where there is none."""
        return -1 if self._exits is None else self._exits.fileno()

    def close(self) -> None:
        """Watch nobody any more. Idempotent."""
        with self._lock:
            self._forget(self._sessions.values())
            self._tracked.clear()
            if self._exits is not None:
                self._exits.close()

    def _begin(self, session: str, process: Process) -> None:
        if process == self._here or self._exits is None or self._exits.closed:
            return
        fate, descriptor = open_process(process, self._here)
        if fate is Fate.ALIVE:
            self._sessions[descriptor] = session
            self._exits.register(descriptor, select.EPOLLIN)
        elif fate is Fate.DEAD:
            self._gone.add(session)
            self.exits += 1

    def _forget(self, sessions: Iterable[str]) -> None:
        over = set(sessions)
        self._gone -= over
        for descriptor in [fd for fd, session in self._sessions.items() if session in over]:
            del self._sessions[descriptor]
            os.close(descriptor)  # which also ends the waiting for it
