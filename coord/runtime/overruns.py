"""User code that still runs although its claim is gone.

Owns the waiting for it, and the telling of each case once. Knows no rule of who leads. Called by
the control thread, and by the heartbeat thread while the control thread is stuck: a process that
was told to exit rather than to act beyond its leadership must do so in either case.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from coord.runtime.term import Term

__all__ = ["Overruns"]

_INF = float("inf")


class Overruns:
    """The terms that are over, until their code has stopped or its grace has passed."""

    def __init__(self, grace_s: float, tell: Callable[[Term], None]) -> None:
        self._grace_s = grace_s
        self._tell = tell
        self._lock = threading.Lock()
        self._due: dict[int, tuple[float, Term]] = {}
        self._told: set[int] = set()

    def __bool__(self) -> bool:
        return bool(self._due)

    def add(self, term: Term, now: float) -> None:
        """The claim of `term` is gone as of now; its code gets the grace to end. Idempotent."""
        with self._lock:
            if term.number not in self._told:
                self._due.setdefault(term.number, (now + self._grace_s, term))

    def done(self, term: Term) -> None:
        """The code of `term` has ended."""
        if self._due or self._told:
            with self._lock:
                self._due.pop(term.number, None)
                self._told.discard(term.number)

    def judge(self, now: float) -> None:
        """Tell of whatever has run beyond its grace."""
        if not self._due:
            return
        with self._lock:
            late = [term for due_s, term in self._due.values() if due_s <= now]
            for term in late:
                del self._due[term.number]
                self._told.add(term.number)
        for term in late:
            self._tell(term)

    def settle(self) -> None:
        """The last look, when no thread will come by again: wait for the grace, then tell."""
        if self._due:
            threading.Event().wait(self._grace_s)
            self.judge(_INF)
