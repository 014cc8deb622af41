"""Threads that begin in time, or are refused.

Owns the one thing that Python's own `Thread.start` does not promise: an end. It waits until the new
thread says that it runs, for ever; and a new thread that finds no memory dies before it can say so
(CPython 3.8 to 3.13). The member whose control thread waited for such a one held its tongue until
somebody killed it. So the wait is bounded here, and a thread that has not begun by then is refused
as one that the system did not give: it will not do its work, even if it begins later after all.

Shown by `tests/unit/test_threads.py`; with real want of memory by `tests/lab/test_chaos_limits.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["DaemonThread"]

_BEGIN_S = 2.0
"""Within how long a thread must have begun. On a machine at rest it takes 0.1 ms."""


class _Begun(threading.Event):
    """What `Thread.start` waits for; never without end."""

    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(_BEGIN_S if timeout is None else timeout)


class DaemonThread(threading.Thread):
    """A daemon thread; `start` returns when it runs, or raises RuntimeError within 2 s.

    RuntimeError: the target has not run and never will. What `threading.Thread` raises it for, too.
    """

    def __init__(self, target: Callable[..., object], name: str, args: Iterable[Any] = ()) -> None:
        super().__init__(target=target, name=name, args=args, daemon=True)
        self._started: threading.Event = _Begun()
        self._verdict = threading.Lock()
        self._refused = False

    def start(self) -> None:
        """Begin. Any thread, once."""
        super().start()
        with self._verdict:
            self._refused = not self._started.is_set()
        if self._refused:
            raise RuntimeError(f"the thread {self.name} did not begin within {_BEGIN_S:g} s")

    def run(self) -> None:
        """The target, unless whoever started it has given it up."""
        with self._verdict:
            if self._refused:
                return
        super().run()
