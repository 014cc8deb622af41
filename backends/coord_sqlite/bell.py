"""What ends a wait of the watching thread: the log was written to, a peer exited, or we stop.

Owns inotify, which Python's library lacks, an eventfd and the epoll over them. Knows neither SQL
nor groups. It is here because waking 50 times a second to ask costs an idle member most of a
percent of a core, and being told costs nothing. Where the system has no inotify (or no instance
left: a user has 128), `hears_log` is False and the caller asks every so often, as it must anyway:
a write through another mount of an overlay is not heard.
"""

from __future__ import annotations

import ctypes
import os
import select
import sys
import threading
import time

__all__ = ["Bell"]

_IN_MODIFY = 0x2
_BUFFER_BYTES = 64 * 1024


class Bell:
    """Waits in one thread; rung from any. `others`: a descriptor that also ends a wait, or -1."""

    def __init__(self, others: int) -> None:
        self.hears_log = False
        self._log = -1
        self._lock = threading.Lock()
        self._rung = os.eventfd(0, os.EFD_NONBLOCK) if hasattr(os, "eventfd") else -1
        self._epoll = select.epoll() if self._rung >= 0 else None
        for descriptor in (self._rung, others):
            if self._epoll is not None and descriptor >= 0:
                self._epoll.register(descriptor, select.EPOLLIN)

    def listen(self, log: str) -> None:
        """Hear writes to the file `log` from now on, if the system can."""
        self._log = _inotify(log) if self._epoll is not None and self._log < 0 else self._log
        self.hears_log = self._log >= 0
        if self._epoll is not None and self.hears_log:
            self._epoll.register(self._log, select.EPOLLIN)

    def wait(self, timeout_s: float) -> bool:
        """Return after `timeout_s` or sooner; whether the log was written to since last time."""
        if self._epoll is None:
            time.sleep(timeout_s)
            return False
        heard = [descriptor for descriptor, _ in self._epoll.poll(timeout_s)]
        if self._log not in heard:
            return False
        os.read(self._log, _BUFFER_BYTES)
        return True

    def ring(self) -> None:
        """End the present wait, or the next."""
        with self._lock:
            if self._rung >= 0:
                os.eventfd_write(self._rung, 1)

    def close(self) -> None:
        """Give back the descriptors; nobody waits any more."""
        with self._lock:
            if self._epoll is not None:
                self._epoll.close()
            for descriptor in (self._rung, self._log):
                if descriptor >= 0:
                    os.close(descriptor)
            self._rung = self._log = -1
            self._epoll = None
            self.hears_log = False


def _inotify(path: str) -> int:
    """A descriptor that becomes readable when `path` is written to; -1 where there is none."""
    if sys.platform != "linux":
        return -1
    library = ctypes.CDLL(None)
    descriptor: int = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if descriptor >= 0 and library.inotify_add_watch(descriptor, os.fsencode(path), _IN_MODIFY) < 0:
        os.close(descriptor)
        return -1
    return descriptor
