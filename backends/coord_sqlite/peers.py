"""The processes behind live sessions, watched through pidfds.

Owns the descriptors. Knows no database. What the kernel proves here lets a successor take over
within milliseconds of a crash, without waiting for the ttl; what it cannot prove is left to time.
"""

from __future__ import annotations

import os
import threading

from coord_sqlite.place import Fate, Process, exited, open_process

__all__ = ["Peers"]


class Peers:
    """Which sessions' processes are provably gone. Any thread."""

    def __init__(self, here: Process) -> None:
        self._here = here
        self._lock = threading.Lock()
        self._tracked: dict[str, dict[str, Process]] = {}
        self._open: dict[str, int] = {}
        self._gone: set[str] = set()

    def track(self, group: str, sessions: dict[str, Process]) -> None:
        """Watch the processes of exactly these sessions of a group from now on."""
        with self._lock:
            before = self._tracked.get(group, {})
            if before.keys() == sessions.keys():
                return
            self._tracked[group] = sessions
            for session in before.keys() - sessions.keys():
                self._forget(session)
            for session in sessions.keys() - before.keys():
                self._begin(session, sessions[session])

    def gone(self) -> frozenset[str]:
        """The tracked sessions whose process is provably gone by now."""
        with self._lock:
            for session, descriptor in list(self._open.items()):
                if exited(descriptor):
                    os.close(self._open.pop(session))
                    self._gone.add(session)
            return frozenset(self._gone)

    def descriptors(self) -> list[int]:
        """Those that become readable when a process exits. Another thread may close them any
        time: good for waiting, which may then be woken for nothing, and for nothing else.
        """
        with self._lock:
            return list(self._open.values())

    def close(self) -> None:
        """Watch nobody any more."""
        with self._lock:
            for session in list(self._open):
                self._forget(session)
            self._tracked.clear()

    def _begin(self, session: str, process: Process) -> None:
        if process == self._here:
            return
        fate, descriptor = open_process(process, self._here)
        if fate is Fate.ALIVE:
            self._open[session] = descriptor
        elif fate is Fate.DEAD:
            self._gone.add(session)

    def _forget(self, session: str) -> None:
        self._gone.discard(session)
        descriptor = self._open.pop(session, None)
        if descriptor is not None:
            os.close(descriptor)
